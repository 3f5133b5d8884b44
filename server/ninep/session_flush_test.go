package ninep_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"

	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
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
	f.awaitWaits(1)
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

// TestFlushOrder flushes one request several times: the answers come in order, behind the request's, as the client takes the last one for all.
func TestFlushOrder(t *testing.T) {
	f := serve(t, ninep.Limits{})
	a, b := f.mount(0), f.mount(0)
	f.file(a, 1, "f", "content", 0o644)
	f.walk(b, 0, 1, "f")
	f.ok(b.Open(1, openRDWR))
	f.locks(a, lockGranted, 1, lockWrite, 0, 0, 0, 1)
	const asks, first, flushes = uint16(1), uint16(100), uint16(8)
	for range 200 {
		batch := ninetest.Message(ninetest.Lock, asks, ninetest.Args(uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), uint32(1), "host"))
		tags := []uint16{asks}
		for tag := first; tag < first+flushes; tag++ {
			batch = append(batch, ninetest.Message(ninetest.Flush, tag, ninetest.Args(asks))...)
			tags = append(tags, tag)
		}
		f.ok(b.SendRaw(batch))
		f.answers(b, tags...)
	}
}

// TestVersionOrder sends requests and in the same breath Tversion: what it ends has been answered before.
func TestVersionOrder(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.dial()
	for range 200 {
		f.ok(c.Begin(8192, 0, "/", 0))
		var batch []byte
		for tag := range uint16(4) {
			batch = append(batch, ninetest.Message(ninetest.Getattr, tag, ninetest.Args(uint32(0), uint64(0)))...)
		}
		f.ok(c.SendRaw(append(batch, ninetest.Message(ninetest.Version, 9, ninetest.Args(uint32(8192), "9P2000.L"))...)))
		f.answers(c, 0, 1, 2, 3, 9)
	}
}

// TestFlushOrderOfAny sends requests of every kind and flushes of any of them, of flushes too, and of what has been answered already or
// was never asked, in one segment. The answer to a Tflush comes behind that to what it is about, and behind those to the Tflushes
// of the same that were sent before, whatever memory there is.
func TestFlushOrderOfAny(t *testing.T) {
	for name, memory := range map[string]*rpc.Budget{"usual": nil, "little": rpc.NewBudget(rpc.BudgetMin)} {
		t.Run(name, func(t *testing.T) {
			f := serveWith(t, memory, ninep.Limits{})
			a := f.mount(0)
			f.file(a, 1, "f", "content", 0o644)
			f.locks(a, lockGranted, 1, lockWrite, 0, 0, 0, 1)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			var wg sync.WaitGroup
			for client := range uint64(6) {
				b := f.mount(0)
				f.walk(b, 0, 1, "f")
				f.ok(b.Open(1, openRDWR))
				wg.Go(func() {
					r := rand.New(rand.NewPCG(seed, client))
					for range 100 {
						if err := flushAny(b, r); err != nil {
							t.Errorf("client %d: %v", client, err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// flushAny sends one such segment and looks at the order of the answers.
func flushAny(c *ninetest.Client, r *rand.Rand) error {
	const requests = 40
	var batch []byte
	about := make(map[uint16]uint16) // of each Tflush
	waiting := make(map[uint16]bool) // locks that nobody has flushed
	send := func(kind uint8, tag uint16, fields ...any) {
		batch = append(batch, ninetest.Message(kind, tag, ninetest.Args(fields...))...)
	}
	tag := uint16(0)
	for ; tag < requests; tag++ {
		switch r.IntN(8) {
		case 0, 1:
			send(ninetest.Lock, tag, uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), uint32(tag), "host")
			waiting[tag] = true
		case 2:
			send(ninetest.Getattr, tag, uint32(0), uint64(0))
		case 3:
			send(ninetest.Getlock, tag, uint32(1), uint8(lockWrite), uint64(0), uint64(0), uint32(1), "host")
		default:
			about[tag] = uint16(r.IntN(requests))
			send(ninetest.Flush, tag, about[tag])
			delete(waiting, about[tag])
		}
	}
	for _, lock := range slices.Sorted(maps.Keys(waiting)) {
		about[tag] = lock
		send(ninetest.Flush, tag, lock)
		tag++
	}
	if err := c.SendRaw(batch); err != nil {
		return err
	}
	position := make(map[uint16]int)
	for i := range int(tag) {
		answer, err := c.Next()
		if err != nil {
			return err
		}
		if _, twice := position[answer.Tag]; twice {
			return fmt.Errorf("%d is answered twice", answer.Tag)
		}
		position[answer.Tag] = i
	}
	last := make(map[uint16]uint16) // the Tflush before, of the same
	for _, flush := range slices.Sorted(maps.Keys(about)) {
		of := about[flush]
		if of < flush && position[flush] < position[of] {
			return fmt.Errorf("the answer to the Tflush %d of %d comes before that to %d", flush, of, of)
		}
		if before, more := last[of]; more && before > of && position[flush] < position[before] {
			return fmt.Errorf("the answer to the Tflush %d of %d comes before that to the Tflush %d of the same", flush, of, before)
		}
		last[of] = flush
	}
	return nil
}
