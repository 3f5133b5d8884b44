package rpc

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// How connections end is anybody's to choose, as often as they like, so no line of the log is spent on each: they are counted, and a line a minute
// says how many. Single ones are logged at debug.

// tally counts connections by what became of them.
type tally struct {
	ended   atomic.Uint64 // in order
	lost    atomic.Uint64 // reset, or by a failure of the network
	junk    atomic.Uint64 // what came was no call
	cut     atomic.Uint64 // too slow
	evicted atomic.Uint64 // idle, for somebody else
	refused atomic.Uint64 // too many
}

// Tally is how many connections have ended in which way.
type Tally struct {
	Ended, Lost, Junk, Cut, Evicted, Refused uint64
}

// Tally counts connections since the server was made. It may be called by any goroutine.
func (s *Server) Tally() Tally {
	t := &s.tally
	return Tally{t.ended.Load(), t.lost.Load(), t.junk.Load(), t.cut.Load(), t.evicted.Load(), t.refused.Load()}
}

// count notes how a connection has ended.
func (s *Server) count(log *slog.Logger, err error) {
	t := &s.tally
	of, what := &t.lost, "connection lost"
	switch {
	case errors.Is(err, errPartial), errors.Is(err, errStuck), errors.Is(err, errDrained), errors.Is(err, errYielded):
		of, what = &t.cut, "connection cut off"
	case errors.Is(err, errEvicted):
		of, what = &t.evicted, "connection given up for another"
	case errors.Is(err, ErrRecordTooLarge), errors.Is(err, ErrNotCall), errors.Is(err, ErrMessage):
		of, what = &t.junk, "connection refused to go on"
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, errHalted), errors.Is(err, net.ErrClosed):
		of, what = &t.ended, "connection ended"
	}
	of.Add(1)
	log.Debug(what, "why", err)
}

// tellEvery is how often the log hears of connections that have not ended in order.
const tellEvery = time.Minute

// tell tells the log, until done. Nothing waits for it, as the log may be slow.
func (s *Server) tell(done <-chan struct{}) {
	t := time.NewTicker(tellEvery)
	defer t.Stop()
	var told Tally
	for {
		ends := false
		select {
		case <-done:
			ends = true
		case <-t.C:
		}
		now := s.Tally()
		if now.Junk+now.Cut+now.Evicted+now.Refused > told.Junk+told.Cut+told.Evicted+told.Refused {
			s.log.Warn("connections were ended by the server", "junk", now.Junk-told.Junk, "too_slow", now.Cut-told.Cut,
				"idle", now.Evicted-told.Evicted, "refused", now.Refused-told.Refused)
		}
		told = now
		if ends {
			return
		}
	}
}
