package portmap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"pmemfs/server/rpc"
)

// fakeBook is a portmapper of version 2 that takes registrations.
type fakeBook struct {
	mu   sync.Mutex
	list map[[3]uint32]uint32
	full bool
}

func (f *fakeBook) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := rpc.NewDecoder(r.Args)
	key := [3]uint32{d.Uint32(), d.Uint32(), d.Uint32()}
	port := d.Uint32()
	old, there := f.list[key]
	switch r.Proc {
	case procSet:
		if there = there && old != port || f.full; !there {
			f.list[key] = port
		}
		e.Bool(!there)
	case procUnset:
		for _, proto := range []uint32{protoTCP, protoUDP} {
			delete(f.list, [3]uint32{key[0], key[1], proto})
		}
		e.Bool(there)
	case procDump:
		for k, port := range f.list {
			e.Bool(true)
			for _, w := range append(k[:], port) {
				e.Uint32(w)
			}
		}
		e.Bool(false)
	}
	return rpc.Success
}

func (f *fakeBook) put(key [3]uint32, port uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list[key] = port
}

func (f *fakeBook) want(t *testing.T, list map[[3]uint32]uint32) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) != len(list) {
		t.Errorf("registered: %v, want %v", f.list, list)
	}
	for k, port := range list {
		if f.list[k] != port {
			t.Errorf("registered: %v, want %v", f.list, list)
		}
	}
}

// TestRegister: services are registered once, what a killed server left behind is replaced, a living server is left alone, and
// what is withdrawn is what is still there.
func TestRegister(t *testing.T) {
	ctx := context.Background()
	f := &fakeBook{list: map[[3]uint32]uint32{{1, 1, protoTCP}: 5}}
	alive := serveOn(t, "127.0.0.1", rpc.Program{Number: Number, Low: 2, High: 2, Serve: f.serve})
	where := Rpcbind{Sockets: []string{filepath.Join(t.TempDir(), "none")}, TCP: alive}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deadPort := uint32(dead.Addr().(*net.TCPAddr).Port)
	dead.Close()
	f.put([3]uint32{100005, 1, protoTCP}, deadPort)
	f.put([3]uint32{100005, 3, protoUDP}, deadPort)
	r, err := Register(ctx, where, testServices)
	if err != nil {
		t.Fatal(err)
	}
	f.want(t, map[[3]uint32]uint32{{1, 1, protoTCP}: 5, {100003, 3, protoTCP}: 2049, {100005, 1, protoTCP}: 20048,
		{100005, 3, protoTCP}: 20048, {100005, 3, protoUDP}: 20048})
	f.put([3]uint32{100003, 3, protoTCP}, 77) // by another one, meanwhile
	if err := r.Withdraw(ctx); err != nil {
		t.Fatal(err)
	}
	f.want(t, map[[3]uint32]uint32{{1, 1, protoTCP}: 5, {100003, 3, protoTCP}: 77})

	other := []Service{{Number, 2, false, at("127.0.0.1:1")}}
	f.put([3]uint32{Number, 2, protoTCP}, uint32(alive.Port())) // the book itself
	if _, err := Register(ctx, where, append(testServices[1:3:3], other...)); !errors.Is(err, ErrTaken) {
		t.Errorf("in place of a living one: %v", err)
	}
	f.mu.Lock()
	_, left := f.list[[3]uint32{100005, 1, protoTCP}]
	f.full = true
	f.mu.Unlock()
	if left {
		t.Error("half of a registration is left")
	}
	if _, err := Register(ctx, where, testServices); !errors.Is(err, ErrNotRegistered) {
		t.Errorf("refused: %v", err)
	}
	nobody := where
	nobody.TCP = netip.AddrPortFrom(alive.Addr(), uint16(deadPort))
	if _, err := Register(ctx, nobody, testServices); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without an rpcbind: %v", err)
	}
}
