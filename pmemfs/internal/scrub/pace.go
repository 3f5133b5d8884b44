package scrub

import (
	"context"
	"time"
)

// pace keeps a rate.
type pace struct {
	rate  int64 // bytes per second; 0 for no limit
	start time.Time
	bytes uint64
	told  uint64
}

// pauseMin is the shortest sleep that is worth it, and pauseMax how much of it a stall may save up.
const (
	pauseMin = 2 * time.Millisecond
	pauseMax = 100 * time.Millisecond
)

// wait accounts for n bytes and sleeps as long as the rate asks. It returns ctx's error when ctx ends.
func (p *pace) wait(ctx context.Context, n uint64) error {
	p.bytes += n
	if p.rate > 0 {
		due := p.start.Add(time.Duration(float64(p.bytes) / float64(p.rate) * float64(time.Second)))
		ahead := time.Until(due)
		if ahead < -pauseMax {
			p.start = p.start.Add(-ahead) // whatever held it up, it is not to be made up for in a rush
		}
		if ahead > pauseMin {
			t := time.NewTimer(ahead)
			defer t.Stop()
			select {
			case <-ctx.Done():
			case <-t.C:
			}
		}
	}
	return ctx.Err()
}

// due reports, once in so many bytes, that it is time to say how far it is.
func (p *pace) due() bool {
	const every = 16 << 20
	if p.bytes-p.told < every {
		return false
	}
	p.told = p.bytes
	return true
}
