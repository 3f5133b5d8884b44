package pmemfs

import (
	"sync/atomic"
	"time"
)

// clock is the time of day, in nanoseconds since 1970. A test that makes an image byte by byte sets it.
var clock = anchored

func now() int64 { return clock() }

const (
	// anchorAge is how long the time of day is told from the monotonic clock alone: a step of the time of day is noticed by then.
	anchorAge = 100 * time.Millisecond
	// anchorError is how far apart the two readings of an anchor may be: a thread may have to wait between them.
	anchorError = 200 * time.Nanosecond
)

// anchor is a moment as both clocks had it.
type anchor struct {
	at   time.Time // with the reading of the monotonic clock
	wall int64     // nanoseconds since 1970; 0 where the clocks are so slow that no anchor is exact
}

var lastAnchor atomic.Pointer[anchor]

// anchored returns the time of day. time.Now reads two clocks, and that is a tenth of what a small change takes, so most calls read only
// one of them. Safe for concurrent use.
func anchored() int64 {
	if a := lastAnchor.Load(); a != nil {
		if d := time.Since(a.at); d < anchorAge {
			if a.wall == 0 {
				return time.Now().UnixNano()
			}
			return a.wall + int64(d)
		}
	}
	before := time.Now()
	t := time.Now()
	next := &anchor{at: t}
	if time.Since(before) < anchorError {
		next.wall = t.UnixNano()
	}
	lastAnchor.Store(next)
	return t.UnixNano()
}
