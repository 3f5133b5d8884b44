package gonfs

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	nfs "github.com/willscott/go-nfs"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/rpc"
)

var errWorkerGone = errors.New("gonfs: go-nfs closed the connection")

// pool lends workers to requests, making them as they are needed and using those again that worked last.
type pool struct {
	srv   *Server
	slots chan struct{} // one taken for each request inside

	mu   sync.Mutex
	idle []*worker
}

func newPool(srv *Server, size int) *pool {
	return &pool{srv: srv, slots: make(chan struct{}, size)}
}

// do has a worker answer r and returns the reply with its record mark. It waits for a worker when all are busy.
func (p *pool) do(r *request) ([]byte, error) {
	p.slots <- struct{}{}
	defer func() { <-p.slots }()
	w := p.get()
	reply, err := w.do(r)
	if err != nil {
		w.close()
		return nil, err
	}
	p.mu.Lock()
	p.idle = append(p.idle, w)
	p.mu.Unlock()
	return reply, nil
}

func (p *pool) get() *worker {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return w
	}
	p.mu.Unlock()
	return newWorker(p.srv)
}

// close ends all workers; none is busy any more and none will be asked for.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.idle {
		w.close()
	}
	p.idle = nil
}

// worker is a go-nfs server with one client: us. It does one request at a time.
type worker struct {
	view   *view
	conn   *memConn
	cancel context.CancelFunc
}

func newWorker(srv *Server) *worker {
	ctx, cancel := context.WithCancel(context.Background())
	v := &view{srv: srv, fs: billyadapter.New(srv.eng, pmemfs.Cred{})}
	w := &worker{view: v, conn: newMemConn(), cancel: cancel}
	server := &nfs.Server{Handler: v, Context: ctx}
	binary.BigEndian.PutUint64(server.ID[:], srv.eng.Verifier())
	// Serve ends with net.ErrClosed when the worker is closed, and in no other way: the listener has no other error.
	safego.Go("go-nfs server", func() {
		defer w.conn.shut() // whoever waits for an answer learns that there will be none
		if err := server.Serve(&oneConn{conn: w.conn}); !errors.Is(err, net.ErrClosed) {
			srv.log.Error("go-nfs server ended", "error", err)
		}
	})
	return w
}

// do sends a record and waits for its reply. The channels order go-nfs's use of the view before and after our own.
func (w *worker) do(r *request) ([]byte, error) {
	w.view.r = r
	rpc.SetMark(r.record)
	select {
	case w.conn.in <- r.record:
	case <-w.conn.done:
		return nil, errWorkerGone
	}
	select {
	case reply := <-w.conn.out:
		return reply, nil
	case <-w.conn.done:
		return nil, errWorkerGone
	}
}

func (w *worker) close() {
	w.cancel()
	w.conn.shut()
}

// oneConn is a listener that accepts one connection and then waits for that to end.
type oneConn struct {
	conn *memConn
	once sync.Once
}

// Accept returns the connection, and net.ErrClosed after it has ended.
func (l *oneConn) Accept() (c net.Conn, err error) {
	l.once.Do(func() { c = l.conn })
	if c != nil {
		return c, nil
	}
	<-l.conn.done
	return nil, net.ErrClosed
}

// Close ends the connection.
func (l *oneConn) Close() error { l.conn.shut(); return nil }

// Addr is the address of nothing in particular.
func (l *oneConn) Addr() net.Addr { return memAddr{} }

type memAddr struct{}

func (memAddr) Network() string { return "memory" }
func (memAddr) String() string  { return "memory" }

// memConn is go-nfs's end of an in-memory connection that carries whole records: what is sent to in is read, and what is
// written comes out of out once it makes a record.
type memConn struct {
	in   chan []byte
	out  chan []byte
	done chan struct{}
	once sync.Once

	unread []byte // only the reader
	reply  []byte // only the writer
}

func newMemConn() *memConn {
	return &memConn{in: make(chan []byte), out: make(chan []byte, 1), done: make(chan struct{})}
}

func (c *memConn) shut() { c.once.Do(func() { close(c.done) }) }

// Read reads what is left of the current record, or waits for the next.
func (c *memConn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		select {
		case c.unread = <-c.in:
		case <-c.done:
			return 0, io.EOF
		}
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// Write collects a reply, which go-nfs writes as one fragment in pieces, and gives it out when it is whole.
func (c *memConn) Write(p []byte) (int, error) {
	c.reply = append(c.reply, p...)
	if len(c.reply) < markBytes {
		return len(p), nil
	}
	const last = 1 << 31
	if whole := markBytes + int(binary.BigEndian.Uint32(c.reply)&^last); len(c.reply) < whole {
		return len(p), nil
	}
	select {
	case c.out <- c.reply:
		c.reply = nil
		return len(p), nil
	case <-c.done:
		return 0, net.ErrClosed
	}
}

// Close ends the connection.
func (c *memConn) Close() error { c.shut(); return nil }

// LocalAddr is the address of nothing in particular.
func (c *memConn) LocalAddr() net.Addr { return memAddr{} }

// RemoteAddr is the address of nothing in particular; the client's is in the request.
func (c *memConn) RemoteAddr() net.Addr { return memAddr{} }

// SetDeadline does nothing: the session keeps time.
func (c *memConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: the session keeps time.
func (c *memConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: the session keeps time.
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
