package rpc

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a connection is doing, for timeouts.
const (
	phaseIdle    = iota // waits for a call
	phasePartial        // a call has begun to arrive
	phaseBusy           // works; takes as long as it takes
)

// conn serves one connection. Its goroutine reads, answers what needs no waiting at once, and sends the replies to all
// that had arrived together. Calls that wait have goroutines of their own.
type conn struct {
	srv *Server
	nc  net.Conn
	raw syscall.RawConn // nil if nc is not a socket
	tcp bool
	log *slog.Logger

	in      inbuf
	req     Request
	out     Encoder // replies not yet sent; the goroutine's own
	large   bool    // holds a large slot
	session Session // nil for RPC
	readErr error
	readN   int
	onReady func(fd uintptr) bool // of readReady; made once

	slots    chan struct{} // one taken by each call that waits, until its reply is sent; made at the first
	waiting  sync.WaitGroup
	inFlight atomic.Int32
	sender   sender

	draining atomic.Bool
	phase    atomic.Int32
	since    atomic.Int64 // when the phase began
	stuck    atomic.Int64 // since when the client has not taken replies; 0 if it does
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, nc: nc, log: s.log.With("client", nc.RemoteAddr().String())}
	c.in.limit = s.limits.Record
	c.onReady = c.readReady
	c.out.large, c.out.spill = c.takeLarge, c.spill
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
			_, c.tcp = nc.(*net.TCPConn)
		}
	}
	c.sender.init(c)
	c.req.conn, c.req.Remote, c.req.Local, c.req.Zone = c, addrOf(nc.RemoteAddr()), addrOf(nc.LocalAddr()), zoneOf(nc.RemoteAddr())
	if s.session != nil {
		c.session, c.in.messages = s.session(c.req.Local, c.req.Remote), true
	}
	c.enter(phaseIdle)
	return c
}

func (c *conn) enter(phase int32) {
	c.since.Store(c.srv.now.Load())
	c.phase.Store(phase)
}

// run reads and answers until the client goes, misbehaves or stays silent too long, or the server stops; then it waits
// for the calls in progress, sends their replies and closes the connection.
func (c *conn) run() {
	err := c.serve()
	c.enter(phaseBusy)
	if c.session != nil {
		c.session.Stop()
		defer c.session.Close()
	}
	c.waiting.Wait()
	c.in.drop()
	c.out.drop()
	c.releaseLarge()
	if cerr := c.nc.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
		c.log.Debug("close", "err", cerr)
	}
	switch {
	case errors.Is(err, ErrRecordTooLarge), errors.Is(err, ErrNotCall), errors.Is(err, ErrMessage):
		c.log.Warn("connection refused to go on", "err", err)
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		c.log.Debug("connection ended", "err", err)
	default:
		c.log.Info("connection lost", "err", err)
	}
}

// serve is the loop of the connection's goroutine. Its error is never nil.
func (c *conn) serve() error {
	for {
		record, err := c.in.next()
		switch {
		case err != nil:
			return errors.Join(err, c.flush())
		case record != nil:
			if c.phase.Load() != phaseBusy {
				c.enter(phaseBusy)
			}
			err = c.answer(record)
		default:
			if err = c.flush(); err == nil {
				err = c.fill()
			}
		}
		if err != nil {
			return err
		}
	}
}

// fill reads what has arrived, or waits for something.
func (c *conn) fill() error {
	if c.draining.Load() {
		return net.ErrClosed
	}
	if !c.in.partial() {
		c.enter(phaseIdle)
	} else if c.phase.Load() != phasePartial {
		c.enter(phasePartial)
	}
	if c.raw == nil {
		c.readN, c.readErr = c.nc.Read(c.in.free(c.takeLarge))
	} else if err := c.raw.Read(c.onReady); err != nil {
		return err
	}
	if c.readErr == nil && c.readN <= 0 {
		c.readErr = io.EOF
	}
	if c.readErr != nil {
		if c.readErr == io.EOF && c.in.partial() {
			c.readErr = io.ErrUnexpectedEOF
		}
		return c.readErr
	}
	c.in.w += c.readN
	if c.phase.Load() == phaseIdle {
		c.enter(phasePartial)
	}
	return nil
}

// readReady reads from a socket without waiting; false when there is nothing, after giving back what memory is not
// needed meanwhile. Ten thousand idle connections so cost no buffers.
func (c *conn) readReady(fd uintptr) bool {
	for {
		n, err := unix.Read(int(fd), c.in.free(c.takeLarge))
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if c.tcp && c.in.partial() {
				ackNow(fd)
			}
			if c.in.release() {
				c.releaseLarge()
			}
			return false
		case nil:
			c.readN, c.readErr = n, nil
		default:
			c.readN, c.readErr = 0, os.NewSyscallError("read", err)
		}
		return true
	}
}

// takeLarge waits for the right to have large buffers. Who has it goes on without needing anything more, so it comes.
func (c *conn) takeLarge() {
	if !c.large {
		c.srv.large <- struct{}{}
		c.large = true
	}
}

// releaseLarge gives that right back, and with it the buffer for replies, which is empty.
func (c *conn) releaseLarge() {
	c.out.drop()
	if c.large {
		<-c.srv.large
		c.large = false
	}
}

// drain makes the connection stop before the next call.
func (c *conn) drain() {
	c.draining.Store(true)
	if err := c.nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
		c.log.Debug("read deadline", "err", err) // the connection is gone, as the next read will say
	}
}

// cut ends the connection at once.
func (c *conn) cut(why string) {
	c.log.Warn("connection cut off", "why", why)
	if err := c.nc.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		c.log.Debug("close", "err", err)
	}
}

// expire ends the connection if it has been doing the same for too long at time now.
func (c *conn) expire(now int64) {
	age := time.Duration(now - c.since.Load())
	switch c.phase.Load() {
	case phaseIdle:
		if age > c.srv.limits.Idle && c.inFlight.Load() == 0 && (c.session == nil || !c.session.Busy()) {
			c.drain() // it ends as if the server stopped: in order, and not worth a warning
		}
	case phasePartial:
		if age > c.srv.limits.Partial {
			c.cut("a call did not arrive in time")
		}
	}
	if stuck := c.stuck.Load(); stuck != 0 && time.Duration(now-stuck) > c.srv.limits.Partial {
		c.cut("replies were not taken in time")
	}
}
