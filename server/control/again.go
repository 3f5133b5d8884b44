package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// keyHeader names a request, so that it can be sent again by a client to which the answer has not come: it is carried out once.
const keyHeader = "Idempotency-Key"

const (
	keyMax        = 64               // bytes of a key
	againMost     = 256              // requests that are remembered
	againBytes    = 1 << 20          // of their replies
	againRemember = 10 * time.Minute // from when they were answered
)

// again remembers what requests with a key have been answered. Those that failed have changed nothing: they are not remembered.
type again struct {
	now func() time.Time // nil for time.Now

	mu    sync.Mutex // comes last: nothing waits under it
	known map[string]*once
	bytes int // of all replies
}

// once is a request with a key.
type once struct {
	key   string
	what  [sha256.Size]byte // of the request
	ended chan struct{}     // closed when it has been answered, and what follows is there

	reply []byte // nil if it has failed
	at    time.Time
}

// keyed returns a request's key, "" for none, and what tells the request from others; its body can be read again.
//
// Errors: an *Error says what is wrong with either.
func keyed(r *http.Request) (key string, what [sha256.Size]byte, err error) {
	keys := r.Header.Values(keyHeader)
	if len(keys) == 0 {
		return "", what, nil
	}
	key = keys[0]
	bad := func(c rune) bool { return c < '!' || c > '~' }
	if len(keys) > 1 || key == "" || len(key) > keyMax || slices.ContainsFunc([]rune(key), bad) {
		return "", what, badRequest("the header %s is one word of up to %d bytes of ASCII", keyHeader, keyMax)
	}
	body, err := readBody(r)
	if err != nil {
		return "", what, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.Path, r.URL.RawQuery} {
		_, _ = io.WriteString(h, part+"\n") // a hash takes everything
	}
	_, _ = h.Write(body)
	return key, [sha256.Size]byte(h.Sum(nil)), nil
}

// do returns what the request with this key was answered, or carries it out. Whoever sends it while it is under way waits for that.
//
// Errors: an *Error if the key is another request's; those of carryOut; that of ctx.
func (a *again) do(ctx context.Context, key string, what [sha256.Size]byte, carryOut func() ([]byte, error)) ([]byte, error) {
	for {
		o, fresh := a.find(key, what)
		switch {
		case o.what != what:
			return nil, badRequest("another request has had the %s %q", keyHeader, key)
		case fresh:
			defer a.end(o) // also when it panics: it has not been answered then
			reply, err := carryOut()
			if err == nil {
				o.reply = reply
			}
			return reply, err
		}
		select {
		case <-o.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if o.reply != nil {
			return o.reply, nil
		}
	}
}

// find returns what is known of a key; if that is nothing, the request is noted and fresh.
func (a *again) find(key string, what [sha256.Size]byte) (o *once, fresh bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
	if o := a.known[key]; o != nil {
		return o, false
	}
	o = &once{key: key, what: what, ended: make(chan struct{})}
	if a.known == nil {
		a.known = make(map[string]*once)
	}
	a.known[key] = o
	return o, true
}

// end notes that a request has been answered.
func (a *again) end(o *once) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(o.ended)
	if o.reply == nil {
		delete(a.known, o.key)
		return
	}
	o.at = a.time()
	a.bytes += len(o.reply)
	a.forget()
}

// forget gives up what is too old, and the oldest if there is too much; the last one stays, however long its reply is. mu is held.
func (a *again) forget() {
	var list []*once
	for _, o := range a.known {
		if !o.at.IsZero() {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(x, y *once) int { return x.at.Compare(y.at) })
	for n, o := range list {
		left := len(list) - n
		fits := left == 1 || left <= againMost && a.bytes <= againBytes
		if fits && a.time().Sub(o.at) < againRemember {
			return
		}
		delete(a.known, o.key)
		a.bytes -= len(o.reply)
	}
}

func (a *again) time() time.Time {
	if a.now != nil {
		return a.now()
	}
	return time.Now()
}
