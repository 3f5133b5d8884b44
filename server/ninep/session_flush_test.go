package ninep_test

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"

	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// flushes are segments behind a Tversion in which a request is flushed that may not have begun.
func flushes() map[string][]byte {
	msg, args := ninetest.Message, ninetest.Args
	attach := args(uint32(1), ninetest.NoFid, "", "/", uint32(0))
	getlock := args(uint32(7), uint8(0), uint64(0), uint64(0), uint32(1), "host")
	var pairs []byte
	for i := range uint16(60) {
		pairs = append(append(pairs, msg(ninetest.Attach, 2*i, attach)...), msg(ninetest.Flush, 2*i+1, args(2*i))...)
	}
	lock := msg(ninetest.Getlock, 1, getlock)
	return map[string][]byte{
		"a lock":                  append(slices.Clone(lock), msg(ninetest.Flush, 2, args(uint16(1)))...),
		"attaches":                pairs,
		"a lock, a byte too long": append(slices.Clone(lock), msg(ninetest.Flush, 2, args(uint16(1), uint8(0)))...),
		"a flush of a flush": slices.Concat(lock, msg(ninetest.Flush, 2, args(uint16(1))), msg(ninetest.Flush, 3, args(uint16(2))),
			msg(ninetest.Flush, 2, args(uint16(3)))),
	}
}

// TestFlushOfTheQueued flushes requests whose goroutines have not begun, and goes: the server stays, and forgets all of it.
func TestFlushOfTheQueued(t *testing.T) {
	f := serve(t, ninep.Limits{})
	beside := f.mount(0)
	for name, segment := range flushes() {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for i := range 50 {
						if err := leave(f.addr, segment, i%2 == 0); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			if _, err := beside.Getattr(0); err != nil {
				t.Errorf("another client: %v", err)
			}
		})
	}
}

// leave connects, sends a segment behind a Tversion, and goes, at once or when all is answered.
func leave(addr string, segment []byte, atOnce bool) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	version := ninetest.Message(ninetest.Version, 1, ninetest.Args(uint32(8192), "9P2000.L"))
	if _, err := conn.Write(append(version, segment...)); err != nil || atOnce {
		return err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// TestFlushMalformed sends a Tflush that is too long of a request that waits: it is about none, and the request keeps its tag.
func TestFlushMalformed(t *testing.T) {
	f := serve(t, ninep.Limits{})
	a, b := f.mount(0), f.mount(0)
	f.file(a, 1, "f", "content", 0o644)
	f.walk(b, 0, 1, "f")
	f.ok(b.Open(1, openRDWR))
	f.locks(a, lockGranted, 1, lockWrite, 0, 0, 0, 1)
	waits, err := b.Send(ninetest.Lock, uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), uint32(1), "host")
	f.ok(err)
	f.silent(b)
	f.fails(syscall.EPROTO, b.Do(ninetest.Flush, waits, uint8(0)))
	f.silent(b) // it still waits
	f.ok(b.SendRaw(ninetest.Message(ninetest.Getattr, waits, ninetest.Args(uint32(0), uint64(0)))))
	if _, err := f.answers(b, waits)[0].For(ninetest.Getattr); err != syscall.EINVAL {
		t.Errorf("a tag twice: %v", err)
	}
	flush, err := b.Send(ninetest.Flush, waits)
	f.ok(err)
	if _, err := f.answers(b, waits, flush)[0].For(ninetest.Lock); err != syscall.EINTR {
		t.Errorf("flushed: %v", err)
	}
}
