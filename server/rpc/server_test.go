package rpc_test

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

func TestServerAnswers(t *testing.T) {
	s := startServer(t, rpc.Limits{})
	c := dial(t, s.addr)
	arg := words(1, 2, 3)
	ok := words(1, 0, 0, 0, 0)
	cases := []struct {
		name string
		call [4]uint32
		want []byte
	}{
		{"echo", [4]uint32{2, testProgram, 3, procEcho}, append(bytes.Clone(ok), arg...)},
		{"lower version", [4]uint32{2, testProgram, 2, procEcho}, append(bytes.Clone(ok), arg...)},
		{"version too high", [4]uint32{2, testProgram, 4, procEcho}, words(1, 0, 0, 0, 2, 2, 3)},
		{"version too low", [4]uint32{2, testProgram, 1, procEcho}, words(1, 0, 0, 0, 2, 2, 3)},
		{"no such program", [4]uint32{2, 7, 3, procEcho}, words(1, 0, 0, 0, 1)},
		{"no such procedure", [4]uint32{2, testProgram, 3, 99}, words(1, 0, 0, 0, 3)},
		{"bad arguments", [4]uint32{2, testProgram, 3, procBad}, words(1, 0, 0, 0, 4)},
		{"panic", [4]uint32{2, testProgram, 3, procPanic}, words(1, 0, 0, 0, 5)},
		{"waits for ever", [4]uint32{2, testProgram, 3, procStuck}, words(1, 0, 0, 0, 5)},
		{"weak credential", [4]uint32{2, testProgram, 3, procWeak}, words(1, 1, 1, 5)},
		{"another RPC", [4]uint32{3, testProgram, 3, procEcho}, words(1, 1, 0, 2, 2)},
	}
	for i, k := range cases {
		b := callBytes(uint32(i), k.call, arg)
		c.send(mark(len(b), true), b)
		if xid, got := c.recv(); xid != uint32(i) || !bytes.Equal(got, k.want) {
			t.Errorf("%s: xid %d, % x, want % x", k.name, xid, got, k.want)
		}
	}
}

func TestServerCredentials(t *testing.T) {
	s := startServer(t, rpc.Limits{})
	c := dial(t, s.addr)
	sys := rpc.NewEncoder(nil)
	sys.Uint32(0)
	sys.Opaque([]byte("host"))
	for _, v := range []uint32{1, 2, 1, 3} { // uid, gid, one more group
		sys.Uint32(v)
	}
	for name, k := range map[string]struct {
		flavor uint32
		body   []byte
		want   []byte
	}{
		"AUTH_SYS":            {1, sys.Bytes(), words(1, 0, 0, 0, 0)},
		"AUTH_SYS cut":        {1, sys.Bytes()[:len(sys.Bytes())-4], words(1, 1, 1, 1)},
		"AUTH_SYS and more":   {1, append(bytes.Clone(sys.Bytes()), 0, 0, 0, 0), words(1, 1, 1, 1)},
		"AUTH_SYS, 17 groups": {1, append(append(bytes.Clone(sys.Bytes()[:len(sys.Bytes())-8]), words(17)...), make([]byte, 17*4)...), words(1, 1, 1, 1)},
		"AUTH_SHORT":          {2, nil, words(1, 1, 1, 5)},
		"RPCSEC_GSS":          {6, words(1, 0, 0, 1, 0), words(1, 1, 1, 5)},
	} {
		e := rpc.NewEncoder(nil)
		e.Raw(words(9, 0, 2, testProgram, 3, procEcho, k.flavor))
		e.Opaque(k.body)
		e.Raw(words(0, 0))
		c.send(mark(e.Len(), true), e.Bytes())
		if _, got := c.recv(); !bytes.Equal(got, k.want) {
			t.Errorf("%s: % x, want % x", name, got, k.want)
		}
	}
}

// TestServerFragments sends calls in fragments of all sizes, cut by writes at other offsets.
func TestServerFragments(t *testing.T) {
	s := startServer(t, rpc.Limits{})
	c := dial(t, s.addr)
	arg := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	for i, size := range []int{1, 3, 4, 100, 4096, 70_000, 300_000, 400_000} {
		arg := arg[:min(len(arg), 40*size)&^3]
		call := callBytes(uint32(i), [4]uint32{2, testProgram, 3, procEcho}, arg)
		var stream []byte
		for rest := call; len(rest) > 0; {
			n := min(size, len(rest))
			stream = append(append(stream, mark(n, false)...), rest[:n]...)
			rest = rest[n:]
		}
		stream = append(stream, mark(0, true)...)
		go func() {
			for rest := stream; len(rest) > 0; {
				n := min(max(size*7/5, len(stream)/500), len(rest))
				if _, err := c.Write(rest[:n]); err != nil {
					return // the reply will be missing
				}
				rest = rest[n:]
			}
		}()
		if xid, got := c.recv(); xid != uint32(i) || !bytes.Equal(got[20:], arg) {
			t.Fatalf("fragments of %d: xid %d, %d bytes", size, xid, len(got))
		}
	}
}

// TestServerPipelines sends many calls at once: all replies come, in order for calls that need not wait.
func TestServerPipelines(t *testing.T) {
	s := startServer(t, rpc.Limits{})
	c := dial(t, s.addr)
	const calls = 20000
	go func() {
		var stream []byte
		for i := range uint32(calls) {
			stream = append(stream, testCall(i, procEcho, words(i, i+1, i+2))...)
		}
		if _, err := c.Write(stream); err != nil {
			t.Error(err)
		}
	}()
	for i := range uint32(calls) {
		if xid, got := c.recv(); xid != i || !bytes.Equal(got[20:], words(i, i+1, i+2)) {
			t.Fatalf("reply %d: xid %d % x", i, xid, got)
		}
	}
}

// TestServerLarge exchanges what needs large buffers, in both directions.
func TestServerLarge(t *testing.T) {
	s := startScarce(t, rpc.Limits{})
	var clients sync.WaitGroup
	for range 8 { // more than there are large slots
		c := dial(t, s.addr)
		clients.Go(func() {
			arg := bytes.Repeat([]byte("large"), 200_000)
			for i := range uint32(20) {
				if _, err := c.Write(append(testCall(i, procEcho, arg), testCall(i, procLarge, words(1<<20))...)); err != nil {
					t.Error(err)
					return
				}
				for _, want := range []int{len(arg), 1<<20 + 4} {
					b, err := c.replies.Next()
					if err != nil || len(b)-28 != want {
						t.Errorf("%d bytes, want %d: %v", len(b)-28, want, err)
						return
					}
				}
			}
		})
	}
	clients.Wait()
}

// TestServerSlowCalls holds calls back: others on the same connection are answered meanwhile, and no more wait at once
// than the limit says.
func TestServerSlowCalls(t *testing.T) {
	s := startServer(t, rpc.Limits{InFlight: 4})
	c := dial(t, s.addr)
	c.send(testCall(1, procSlow, words(1)), testCall(2, procEcho, nil))
	if xid, _ := c.recv(); xid != 2 {
		t.Fatalf("reply %d before that of the call that need not wait", xid)
	}
	var more [][]byte
	for i := range uint32(10) {
		more = append(more, testCall(100+i, procSlow, words(100+i)))
	}
	c.send(append(more, testCall(200, procEcho, nil))...)
	for s.seen.Load() < 4 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // in which a fifth would begin
	if n := s.seen.Load(); n != 4 {
		t.Errorf("%d calls wait at once", n)
	}
	got := map[uint32]bool{}
	for range 11 {
		s.slow <- struct{}{}
	}
	for range 12 {
		xid, _ := c.recv()
		got[xid] = true
	}
	if len(got) != 12 || !got[1] || !got[109] || !got[200] {
		t.Errorf("replies to %v", got)
	}
}

func TestServerRefusesRecords(t *testing.T) {
	s := startServer(t, rpc.Limits{Record: 100_000})
	for name, stream := range map[string][]byte{
		"too large":               mark(100_001, true),
		"absurd":                  mark(1<<31-1, true),
		"too large in two":        append(append(mark(60_000, false), make([]byte, 60_000)...), mark(60_000, true)...),
		"empty fragments forever": bytes.Repeat(mark(0, false), 100_001),
		"not a call":              append(mark(4, true), 1, 2, 3, 4),
		"a reply":                 append(mark(8, true), words(1, 1)...),
	} {
		c := dial(t, s.addr)
		c.send(testCall(7, procEcho, nil))
		c.recv()
		if _, err := c.Write(stream); err != nil {
			t.Logf("%s: %v", name, err) // refused before all of it was sent
		}
		c.ended()
	}
	for deadline := time.Now().Add(patience); s.Tally().Junk != 6; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("counted: %+v", s.Tally())
		}
	}
}

func TestServerTimeouts(t *testing.T) {
	s := startServer(t, rpc.Limits{Idle: 100 * time.Millisecond, Partial: 100 * time.Millisecond})
	t.Run("idle", func(t *testing.T) { dial(t, s.addr).ended() })
	t.Run("partial", func(t *testing.T) {
		c := dial(t, s.addr)
		c.send(testCall(1, procEcho, nil)[:20])
		c.ended()
	})
	t.Run("waiting", func(t *testing.T) {
		c := dial(t, s.addr)
		c.send(testCall(1, procSlow, nil))
		time.Sleep(300 * time.Millisecond)
		s.slow <- struct{}{}
		c.recv() // a call may take as long as it takes
	})
	t.Run("replies not taken", func(t *testing.T) {
		c := dial(t, s.addr)
		var calls []byte
		for range 100 {
			calls = append(calls, testCall(1, procLarge, words(1<<20))...)
		}
		before := s.Tally().Cut
		c.send(calls)
		for s.Tally().Cut == before {
			time.Sleep(time.Millisecond)
		}
		n, err := io.Copy(io.Discard, c)
		if n >= 100<<20 {
			t.Errorf("all replies came: %v", err)
		}
	})
}

// TestServerDrains stops a server with a call in progress: its reply still comes, and then the end.
func TestServerDrains(t *testing.T) {
	s, stop := startStoppable(t, rpc.Limits{})
	c, idle := dial(t, s.addr), dial(t, s.addr)
	c.send(testCall(1, procSlow, nil))
	for s.seen.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.AfterFunc(100*time.Millisecond, func() { s.slow <- struct{}{} })
	stop()
	if xid, _ := c.recv(); xid != 1 {
		t.Errorf("reply %d", xid)
	}
	c.ended()
	idle.ended()
}

func TestServerDrainGivesUp(t *testing.T) {
	s, stop := startStoppable(t, rpc.Limits{Drain: 50 * time.Millisecond})
	c := dial(t, s.addr)
	c.send(testCall(1, procLarge, words(1<<20)), testCall(2, procLarge, words(1<<20)), testCall(3, procLarge, words(1<<20)),
		testCall(4, procLarge, words(1<<20)), testCall(5, procLarge, words(1<<20)), testCall(6, procLarge, words(1<<20)))
	time.Sleep(50 * time.Millisecond)
	stop() // although the client takes nothing
}
