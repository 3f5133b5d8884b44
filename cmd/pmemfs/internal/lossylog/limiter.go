package lossylog

import (
	"sync"
	"time"
)

// Rates of one cause, in lines: at once, and each second.
const (
	clientBurst, clientRate = 10, 1
	causeBurst, causeRate   = 100, 10
)

// keysMax bounds what is remembered of causes and clients; the same number of lines passes when it is forgotten.
const keysMax = 4096

// key is a cause, and the client whose doing it is; "" for all of them.
type key struct{ cause, client string }

// bucket has as many tokens as lines may pass.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) fill(now time.Time, burst, rate float64) {
	if b.last.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*rate, burst)
	}
	b.last = now
}

// limiter says which lines pass.
type limiter struct {
	mu      sync.Mutex
	buckets map[key]*bucket
	left    map[string]uint64 // lines left out since one of their cause passed
}

func newLimiter() *limiter {
	return &limiter{buckets: make(map[key]*bucket), left: make(map[string]uint64)}
}

// pass reports whether a line may pass, and how many of its cause were left out before it.
func (l *limiter) pass(cause, client string, now time.Time) (ok bool, leftOut uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.bucket(key{cause: cause}, now, causeBurst, causeRate)
	own := all
	if client != "" {
		own = l.bucket(key{cause, client}, now, clientBurst, clientRate)
	}
	if all.tokens < 1 || own.tokens < 1 {
		l.left[cause]++
		return false, 0
	}
	all.tokens--
	if own != all {
		own.tokens--
	}
	leftOut = l.left[cause]
	delete(l.left, cause)
	return true, leftOut
}

// bucket returns the bucket of a key, with what has come in since. mu is held.
func (l *limiter) bucket(k key, now time.Time, burst, rate float64) *bucket {
	b := l.buckets[k]
	if b == nil {
		if len(l.buckets) >= keysMax {
			l.forget(now)
		}
		b = new(bucket)
		l.buckets[k] = b
	}
	b.fill(now, burst, rate)
	return b
}

// forget drops what says nothing, and of clients everything where that is not enough: the buckets of causes still hold. mu is held.
func (l *limiter) forget(now time.Time) {
	for k, b := range l.buckets {
		if now.Sub(b.last) > clientBurst/clientRate*time.Second {
			delete(l.buckets, k)
		}
	}
	if len(l.buckets) < keysMax/2 {
		return
	}
	for k := range l.buckets {
		if k.client != "" {
			delete(l.buckets, k)
		}
	}
	if len(l.buckets) >= keysMax/2 {
		clear(l.buckets) // more causes than a program has
	}
}

// take returns the causes of which lines were left out, and how many, and begins to count anew.
func (l *limiter) take() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.left) == 0 {
		return nil
	}
	left := l.left
	l.left = make(map[string]uint64)
	return left
}
