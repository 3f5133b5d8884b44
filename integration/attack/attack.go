package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/server/rpc"
)

// target is what is attacked.
type target struct {
	addr string // of NFS, or of 9P for those programs
	from string // the address of this machine that the attacker has
	file string // handle of a file, for NFS
}

// attack attacks a target over a number of connections until ctx ends.
type attack func(ctx context.Context, t target, connections int)

// pause is between the end of a connection and the next.
const pause = 20 * time.Millisecond

// each does the same on each of a number of connections, again and again until ctx ends.
func each(ctx context.Context, t target, connections int, do func(net.Conn) error) {
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for ctx.Err() == nil {
				once(ctx, t, do)
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	all.Wait()
}

// once attacks over one connection. Its end is no error: it is what the server may do.
func once(ctx context.Context, t target, do func(net.Conn) error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(t.from)}}
	conn, err := dialer.DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return
	}
	defer conn.Close()
	// Closed with a reset, so that no port stays taken for a minute: other tests need some.
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if do(conn) == nil {
		_, _ = io.Copy(io.Discard, conn) // until somebody ends it
	}
}

const (
	megabyte = 1 << 20
	block    = 64 << 10
)

// call is a call of NFSv3 by the superuser, as a record.
func call(proc uint32, file string, args func(*rpc.Encoder)) []byte {
	e := rpc.NewEncoder(make([]byte, 4, 512))
	for _, v := range []uint32{rand.Uint32(), 0, rpc.Version, 100003, 3, proc, 0, 0, 0, 0} {
		e.Uint32(v)
	}
	e.Opaque([]byte(file))
	args(e)
	rpc.SetMark(e.Bytes())
	return e.Bytes()
}

func getattr(t target) []byte { return call(1, t.file, func(*rpc.Encoder) {}) }

func read(t target, n uint32) []byte {
	return call(6, t.file, func(e *rpc.Encoder) {
		e.Uint64(0)
		e.Uint32(n)
	})
}

// write is a stable WRITE at an offset.
func write(t target, offset uint64, data []byte) []byte {
	return call(7, t.file, func(e *rpc.Encoder) {
		e.Uint64(offset)
		e.Uint32(uint32(len(data)))
		e.Uint32(2) // FILE_SYNC
		e.Opaque(data)
	})
}

// halfRecords begins a record of 1 MiB and stops: what has come fills more than a small buffer.
func halfRecords(ctx context.Context, t target, connections int) {
	half := append(binary.BigEndian.AppendUint32(nil, 1<<31|megabyte), make([]byte, 160<<10)...)
	each(ctx, t, connections, func(conn net.Conn) error { return send(conn, half) })
}

// halfWrites sends a little less than a WRITE.
func halfWrites(ctx context.Context, t target, connections int) {
	whole := write(t, 0, make([]byte, 20<<10))
	each(ctx, t, connections, func(conn net.Conn) error { return send(conn, whole[:len(whole)-1]) })
}

// ignoredReads asks for 1 MiB again and again and takes nothing.
func ignoredReads(ctx context.Context, t target, connections int) {
	each(ctx, t, connections, func(conn net.Conn) error {
		for range 64 {
			if err := send(conn, read(t, megabyte)); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return ctx.Err()
	})
}

// getattrs keeps many calls outstanding, and sends many at once.
func getattrs(ctx context.Context, t target, connections int) {
	pipeline(ctx, t, connections, 4, bytes.Repeat(getattr(t), 1024), 1024)
}

// reads keeps some calls outstanding that bring much.
func reads(ctx context.Context, t target, connections int) {
	pipeline(ctx, t, connections, 4, read(t, megabyte), 1)
}

// writes keeps many calls outstanding that wait for the medium.
func writes(ctx context.Context, t target, connections int) {
	pipeline(ctx, t, connections, 64, write(t, 0, make([]byte, block)), 1)
}

// replies counts those that were taken.
var replies atomic.Uint64

// pipeline keeps depth bursts of calls outstanding on each connection.
func pipeline(ctx context.Context, t target, connections, depth int, burst []byte, calls int) {
	each(ctx, t, connections, func(conn net.Conn) error {
		room := make(chan struct{}, depth)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r := bufio.NewReaderSize(conn, block)
			for {
				for range calls {
					if err := skip(r); err != nil {
						return
					}
				}
				replies.Add(uint64(calls))
				<-room
			}
		}()
		for {
			select {
			case room <- struct{}{}:
			case <-ended:
				return io.ErrUnexpectedEOF
			}
			if err := send(conn, burst); err != nil {
				return err
			}
		}
	})
}

// skip reads a reply.
func skip(r *bufio.Reader) error {
	var mark [4]byte
	if _, err := io.ReadFull(r, mark[:]); err != nil {
		return err
	}
	_, err := r.Discard(int(binary.BigEndian.Uint32(mark[:]) &^ (1 << 31)))
	return err
}

// silence connects and says nothing.
func silence(ctx context.Context, t target, connections int) {
	each(ctx, t, connections, func(net.Conn) error { return nil })
}

// junk sends what is no call.
func junk(ctx context.Context, t target, connections int) {
	each(ctx, t, connections, func(conn net.Conn) error {
		b := make([]byte, 1+rand.IntN(4096))
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		return send(conn, b)
	})
}

func send(conn net.Conn, b []byte) error {
	_, err := conn.Write(b)
	return err
}
