package lossylog

import (
	"io"
	"sync"
	"time"

	"pmemfs/pmemfs/safego"
)

// queueMax bounds lines that wait to be written, in bytes.
const queueMax = 1 << 20

// queue passes lines on to a writer that may stall, fail or be gone.
type queue struct {
	w    io.Writer
	wake chan struct{} // has an element when there is something to do
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	waiting []byte
	spare   []byte
	lines   uint64 // in waiting
	lost    uint64 // lines, since the reader was last told
	total   uint64 // lines lost, ever
	ending  bool
}

func newQueue(w io.Writer) *queue {
	q := &queue{w: w, wake: make(chan struct{}, 1), done: make(chan struct{})}
	safego.Go("log", func() {
		defer close(q.done)
		q.run()
	})
	return q
}

// Write takes one line. It never waits and never fails: what there is no room for is lost, and counted.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if q.ending || len(q.waiting)+len(line) > queueMax {
		q.lost++
		q.total++
	} else {
		q.waiting = append(q.waiting, line...)
		q.lines++
	}
	q.mu.Unlock()
	q.nudge()
	return len(line), nil
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run writes until close is called and nothing is left.
func (q *queue) run() {
	for range q.wake {
		for {
			p, lines, ending := q.take()
			if len(p) == 0 {
				if ending {
					return
				}
				break
			}
			if _, err := q.w.Write(p); err != nil {
				q.miss(lines)
			}
			q.giveBack(p)
		}
	}
}

// take returns all that waits.
func (q *queue) take() (p []byte, lines uint64, ending bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p, lines = q.waiting, q.lines
	q.waiting, q.spare, q.lines = q.spare[:0], nil, 0
	return p, lines, q.ending
}

func (q *queue) giveBack(p []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = p[:0]
}

// miss counts lines that could not be written.
func (q *queue) miss(lines uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost += lines
	q.total += lines
}

// takeLost returns how many lines were lost since it was last called, if there is room to say so.
func (q *queue) takeLost() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > queueMax/2 {
		return 0
	}
	lost := q.lost
	q.lost = 0
	return lost
}

// close writes what waits, and gives up after d.
func (q *queue) close(d time.Duration) {
	q.mu.Lock()
	q.ending = true
	q.mu.Unlock()
	q.nudge()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-q.done:
	case <-t.C:
	}
}
