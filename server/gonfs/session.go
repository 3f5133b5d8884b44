package gonfs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"pmemfs/server/rpc"
)

const (
	// maxRecordBytes bounds a request: the largest WRITE and its headers, with room for clients that round up.
	maxRecordBytes = ioBytes + 64<<10
	// replyBytes is what a request is taken to need besides its record; one that reads or lists needs ioBytes more.
	replyBytes = 8 << 10
	// batchBytes is how much of several replies goes into one write.
	batchBytes = 1 << 20
)

// session serves one connection.
type session struct {
	srv    *Server
	conn   net.Conn
	remote netip.AddrPort
	log    *slog.Logger
	out    chan reply    // on their way to the writer
	slots  chan struct{} // one taken by each request until its reply is sent

	mu       sync.Mutex // guards draining, and deadlines against it
	draining bool
}

// reply is a reply and what the request has taken of the memory budget.
type reply struct {
	bytes []byte
	cost  int
}

// run reads requests until the client goes, misbehaves or stays silent too long, or ctx ends; then it waits for those in
// progress, sends their replies and closes the connection.
func (s *session) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.drain)
	defer stop()
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.writeReplies()
	}()
	var requests sync.WaitGroup
	err := s.readRequests(&requests)
	requests.Wait()
	close(s.out)
	<-written
	s.finish(err)
}

// finish closes the connection and says why, if it is worth saying.
func (s *session) finish(err error) {
	if cerr := s.conn.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
		s.log.Debug("close", "err", cerr)
	}
	switch {
	case errors.Is(err, rpc.ErrRecordTooLarge), errors.Is(err, rpc.ErrNotCall):
		s.log.Warn("connection refused to go on", "err", err)
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		s.log.Debug("connection ended", "err", err)
	default:
		s.log.Info("connection lost", "err", err)
	}
}

// drain makes the reader stop before the next request.
func (s *session) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	s.setReadDeadline(time.Unix(1, 0))
}

// allow gives the reader some time, unless it is to stop.
func (s *session) allow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.setReadDeadline(time.Now().Add(d))
	}
}

func (s *session) setReadDeadline(t time.Time) {
	if err := s.conn.SetReadDeadline(t); err != nil {
		s.log.Debug("read deadline", "err", err) // the connection is gone, as the next read will say
	}
}

// readRequests reads records and starts their requests. Its error is never nil.
func (s *session) readRequests(requests *sync.WaitGroup) error {
	records := rpc.NewRecordReader(s.conn, maxRecordBytes, func() { s.allow(s.srv.limits.Partial) })
	for {
		s.allow(s.srv.limits.Idle)
		record, err := records.Next()
		if err != nil {
			return err
		}
		call, err := rpc.ParseCall(record[markBytes:])
		if err != nil {
			return err
		}
		s.slots <- struct{}{}
		r := &request{call: call, record: record, remote: s.remote}
		cost := r.cost()
		s.srv.memory.take(cost)
		requests.Go(func() { s.out <- reply{s.srv.serve(r), cost} })
	}
}

// cost estimates the memory of a request and its reply in bytes, from above.
func (r *request) cost() int {
	n := cap(r.record) + replyBytes
	if r.call.Prog == progNFS {
		switch r.call.Proc {
		case procRead, procReaddir, procReaddirPlus:
			n += 2 * ioBytes // go-nfs's buffer and the reply
		case procWrite:
			n += cap(r.record) // go-nfs's copy
		}
	}
	return n
}

// writeReplies sends replies, those that are ready together in one write. When the client does not take them it ends the
// connection, and goes on emptying the channel so that no request waits for it.
func (s *session) writeReplies() {
	var broken bool
	for first := range s.out {
		batch, cost := net.Buffers{first.bytes}, first.cost
		for size := len(first.bytes); size < batchBytes; {
			next, ok := s.ready()
			if !ok {
				break
			}
			batch, cost, size = append(batch, next.bytes), cost+next.cost, size+len(next.bytes)
		}
		count := len(batch) // WriteTo consumes it
		if !broken {
			if err := s.send(batch); err != nil {
				broken = true
				s.log.Debug("reply not sent", "err", err)
				s.drain()
			}
		}
		s.srv.memory.give(cost)
		for range count {
			<-s.slots
		}
	}
}

// ready returns a reply that is there already.
func (s *session) ready() (reply, bool) {
	select {
	case r, ok := <-s.out:
		return r, ok
	default:
		return reply{}, false
	}
}

func (s *session) send(batch net.Buffers) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.srv.limits.Partial)); err != nil {
		return err
	}
	_, err := batch.WriteTo(s.conn)
	return err
}
