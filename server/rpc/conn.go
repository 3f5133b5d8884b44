package rpc

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/traffic"
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

	client     *client
	ticket     ticket      // of the connection's goroutine
	set        *workSet    // nil while there is nothing to do
	large      atomic.Bool // holds a large slot
	beside     int64       // bytes of what is put aside
	turn, paid bool        // has a turn; has one of Budget.turns
	spent      int         // of turnWork
	timer      *time.Timer // of turns; made at the first that has to be waited for

	in      inbuf
	req     Request
	out     Encoder       // replies not yet sent; the goroutine's own
	session Session       // nil for RPC
	traffic *traffic.Conn // nil if nobody counts
	began   int64         // when the call under way began, for observers
	needs   need          // to read on
	readErr error
	readN   int
	onReady func(fd uintptr) bool // of readReady; made once
	onMore  func(fd uintptr) bool // of readMore
	filled  bool                  // the last read from the socket got all that it asked for
	unsent  int                   // bytes read since replies were last sent
	onward  bool                  // readOn has found something since
	vain    int                   // times that readOn does nothing yet
	wide    bool                  // see widen

	slots    chan struct{} // one taken by each call that waits, until its reply is sent; made at the first
	waiting  safego.Group
	inFlight atomic.Int32 // of these, until the reply is sent
	sender   sender
	link     *link
	stamps   []stamp // of replies in out

	why     atomic.Pointer[error] // it was aborted; nil if it was not
	halting atomic.Bool
	halted  chan struct{} // closed when no more calls are read
	phase   atomic.Int32
	since   atomic.Int64 // when the phase began
	stuck   atomic.Int64 // since when the client has not taken replies; 0 if it does
	parked  atomic.Bool  // waits for a share: no timeout counts
	works   atomic.Bool  // has a work set
	moved   atomic.Int64 // when the client last sent or took something
	counted atomic.Bool  // counts as one of the connections
}

func newConn(s *Server, nc net.Conn, cl *client) *conn {
	c := &conn{srv: s, nc: nc, client: cl, ticket: newTicket(), halted: make(chan struct{}), log: s.log.With("client", nc.RemoteAddr().String())}
	c.in.limit = s.limits.Record
	c.onReady, c.onMore = c.readReady, c.readMore
	c.out.usual, c.out.large, c.out.spill = smallBytes, c.takeLarge, c.spill
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
			_, c.tcp = nc.(*net.TCPConn)
		}
	}
	c.sender.init(c)
	c.link = new(link)
	if c.raw != nil {
		c.link.raw.Store(&c.raw)
	}
	c.req.link, c.req.conn, c.req.Remote, c.req.Local, c.req.Zone = c.link, c, addrOf(nc.RemoteAddr()), addrOf(nc.LocalAddr()), zoneOf(nc.RemoteAddr())
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
	defer c.end()
	err := errPanicked
	safego.Run("a connection's calls", func() { err = c.serve() })
	c.link.recordEnd()
	if why := c.why.Load(); why != nil {
		err = *why
	}
	c.srv.count(c.log, err)
}

// errHalted is why a connection ends that has been silent, or whose server stops.
var errHalted = errors.New("rpc: no more calls are read")

// errPanicked is why a connection ends whose goroutine has panicked outside of a program.
var errPanicked = errors.New("rpc: panic")

// end lets go of everything, before it waits for calls in progress: these may wait for what the connection has.
func (c *conn) end() {
	c.enter(phaseBusy)
	c.giveAll()
	if c.session != nil {
		safego.Run("the end of a session", c.session.Stop)
	}
	c.waiting.Wait()
	if c.session != nil {
		safego.Run("the end of a session", c.session.Close)
	}
	c.link.close()
	if err := c.nc.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		c.log.Debug("close", "error", err)
	}
}

// serve is the loop of the connection's goroutine. Its error is never nil.
func (c *conn) serve() error {
	for {
		if why := c.why.Load(); why != nil {
			return *why
		}
		record, err := c.in.next()
		switch {
		case err != nil:
			return errors.Join(err, c.flush())
		case record != nil:
			if c.phase.Load() != phaseBusy {
				c.enter(phaseBusy)
			}
			c.beginCall()
			c.awaitTurn()
			err = c.answer(record)
		case c.readOn():
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
	for {
		if c.halting.Load() {
			return errHalted
		}
		if !c.in.partial() {
			c.enter(phaseIdle)
		} else if c.phase.Load() != phasePartial {
			c.enter(phasePartial)
		}
		if err := c.read(); err != nil {
			return err
		}
		if c.needs == needNothing {
			break
		}
		if err := c.await(); err != nil {
			return err
		}
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
	c.took()
	if c.phase.Load() == phaseIdle {
		c.enter(phasePartial)
	}
	return nil
}

// took takes in what has been read.
func (c *conn) took() {
	c.in.w += c.readN
	c.unsent += c.readN
	c.moved.Store(c.srv.now.Load())
}

const (
	// aheadTo is how many bytes a connection reads before it sends the replies to them: two of the longest calls.
	aheadTo = 2 << 20
	// vainRest is how many times a connection does not look for more after it has looked in vain.
	vainRest = 15
)

// readOn reads before replies are sent, if the last read has got all that it asked for: then more may have come, as when one long call follows the
// other. It reports whether there was something. To wake the client for each call would cost more than the call. A client that has one
// call outstanding at a time sends nothing meanwhile, so it is not asked each time.
func (c *conn) readOn() bool {
	if !c.filled || len(c.out.buf) == 0 || c.unsent >= aheadTo || c.halting.Load() {
		return false
	}
	if c.vain > 0 {
		c.vain--
		return false
	}
	c.readN = 0
	if err := c.raw.Read(c.onMore); err != nil || c.readN <= 0 {
		if !c.onward {
			c.vain = vainRest
		}
		return false // what it is the next read says, after the replies are sent
	}
	c.onward = true
	c.took()
	return true
}

// readMore reads from a socket without waiting. Who sends on before a reply gets a wide window.
func (c *conn) readMore(fd uintptr) bool {
	if b := c.room(); b != nil {
		c.readN, _ = unix.Read(int(fd), b)
		c.filled = c.readN == len(b)
	}
	if c.readN > 0 && !c.wide && c.tcp {
		c.wide = true
		widen(fd)
	}
	return true
}

// read reads once, unless something is needed for that.
func (c *conn) read() error {
	if c.raw != nil {
		return c.raw.Read(c.onReady)
	}
	if b := c.room(); b != nil {
		c.endTurn()
		c.readN, c.readErr = c.nc.Read(b)
	}
	return nil
}

// readReady reads from a socket without waiting; false when there is nothing, after giving back what memory is not
// needed meanwhile. Ten thousand idle connections so cost no buffers. It must not wait for anything: who closes the socket waits for it.
func (c *conn) readReady(fd uintptr) bool {
	for {
		b := c.room()
		if b == nil {
			return true
		}
		n, err := unix.Read(int(fd), b)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if c.tcp && c.in.partial() {
				ackNow(fd)
			}
			c.rest()
			return false
		case nil:
			c.readN, c.readErr, c.filled = n, nil, n == len(b)
		default:
			c.readN, c.readErr = 0, os.NewSyscallError("read", err)
		}
		return true
	}
}
