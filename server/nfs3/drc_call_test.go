package nfs3_test

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// again sends a request once more and demands the same reply, byte for byte.
func (f *fixture) again(name string, r *rpc.Request, want []byte) {
	f.t.Helper()
	e := rpc.NewEncoder(nil)
	if result := f.srv.Program().Serve(r, e); result != rpc.Success || !bytes.Equal(e.Bytes(), want) {
		f.t.Errorf("%s, repeated: result %d, %d bytes: % x\nwant % x", name, result, e.Len(), e.Bytes(), want)
	}
}

// once are the procedures that must not be carried out twice.
var once = []uint32{
	nfswire.ProcSetattr, nfswire.ProcCreate, nfswire.ProcMkdir, nfswire.ProcSymlink, nfswire.ProcMknod, nfswire.ProcLink,
	nfswire.ProcRename, nfswire.ProcRemove, nfswire.ProcRmdir,
}

// TestDRC repeats every call, at once and after all others: each is answered as the first time, and nothing happens twice.
func TestDRC(t *testing.T) {
	f := newFixture(t)
	all := samples(t, f)
	type sent struct {
		name  string
		r     *rpc.Request
		reply []byte
	}
	var done []sent
	for _, name := range order {
		s := all[name]
		r := f.request(s.proc, s.args)
		e := rpc.NewEncoder(nil)
		if result := f.srv.Program().Serve(r, e); result != rpc.Success {
			t.Fatalf("%s: result %d", name, result)
		}
		for _, proc := range once {
			if s.proc != proc {
				continue
			}
			before, err := f.eng.Getattr(nil, f.eng.Root())
			if err != nil {
				t.Fatal(err)
			}
			f.again(name, r, e.Bytes())
			if after, err := f.eng.Getattr(nil, f.eng.Root()); err != nil || after != before {
				t.Errorf("%s, repeated, changes the directory: %+v, %v", name, after, err)
			}
			done = append(done, sent{name, r, e.Bytes()})
		}
	}
	for _, s := range done {
		f.again(s.name, s.r, s.reply)
	}
	if len(done) < 12 {
		t.Errorf("%d calls were repeated", len(done))
	}
}

// TestDRCTellsCallsApart changes one thing of a call at a time: it is another call then, and is carried out.
func TestDRCTellsCallsApart(t *testing.T) {
	f := newFixture(t)
	mk := func() *rpc.Request { return f.request(nfswire.ProcMkdir, args(f.root(), "d", noAttr)) }
	first := mk()
	if _, d := f.send(first); d.Uint32() != 0 {
		t.Fatal("the first fails")
	}
	for name, change := range map[string]func(*rpc.Request){
		"xid":        func(r *rpc.Request) { r.XID++ },
		"address":    func(r *rpc.Request) { r.Remote = netip.MustParseAddrPort("127.0.0.2:700") },
		"port":       func(r *rpc.Request) { r.Remote = netip.MustParseAddrPort("127.0.0.1:999") }, // as long as the connection lasts
		"arguments":  func(r *rpc.Request) { r.Args = args(f.root(), "d", mode(0o700)).Bytes() },
		"credential": func(r *rpc.Request) { r.CredBody = []byte{1, 2, 3, 4} },
	} {
		r := mk()
		r.XID = first.XID
		change(r)
		if _, d := f.send(r); nfswire.Status(d.Uint32()) != nfswire.ErrExist {
			t.Errorf("another %s: taken for the first call", name)
		}
	}
}

// TestDRCConcurrent sends one call many times at once: it is carried out once, and all replies are the same.
func TestDRCConcurrent(t *testing.T) {
	f := newFixture(t)
	for round := range 200 {
		r := f.request(nfswire.ProcCreate, args(f.root(), string(rune('a'+round%26))+string(rune('0'+round/26)), nfswire.CreateGuarded, noAttr))
		replies := make([][]byte, 8)
		var senders sync.WaitGroup
		for i := range replies {
			senders.Go(func() {
				own, e := *r, rpc.NewEncoder(nil)
				if result := f.srv.Program().Serve(&own, e); result != rpc.Success {
					t.Errorf("result %d", result)
				}
				replies[i] = e.Bytes()
			})
		}
		senders.Wait()
		for _, reply := range replies {
			if !bytes.Equal(reply, replies[0]) || !bytes.Equal(reply[:4], make([]byte, 4)) {
				t.Fatalf("round %d: % x and % x", round, reply, replies[0])
			}
		}
	}
}

// TestDRCIsBounded asks for more than is remembered, and comes from more clients than are.
func TestDRCIsBounded(t *testing.T) {
	testpart.NotRace(t)
	f := newFixture(t, func(e *export.Export) { e.Clients = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	send := func(r *rpc.Request) nfswire.Status {
		_, d := f.send(r)
		return nfswire.Status(d.Uint32())
	}
	first := f.request(nfswire.ProcMkdir, args(f.root(), "d", noAttr))
	if send(first) != nfswire.OK {
		t.Fatal("the first fails")
	}
	touch := func() { send(f.request(nfswire.ProcSetattr, args(f.root(), mode(0o777), false))) }
	for range 2000 { // as many as a client may wait for at once
		touch()
	}
	if st := send(first); st != nfswire.OK {
		t.Errorf("after 2,000 other calls: status %d", st)
	}
	for range 2100 {
		touch()
	}
	if st := send(first); st != nfswire.ErrExist {
		t.Errorf("remembered after 4,100 other calls: status %d", st)
	}
	busy := f.request(nfswire.ProcMkdir, args(f.root(), "e", noAttr))
	if send(busy) != nfswire.OK {
		t.Fatal("cannot make another")
	}
	for i := range 70000 {
		f.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 700)
		touch()
	}
	if st := send(busy); st != nfswire.OK {
		t.Errorf("forgotten after calls of 70,000 hosts that no export admits: status %d", st)
	}
	for i := range 70000 {
		f.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1 + byte(i>>16), byte(i >> 8), byte(i)}), 700)
		touch()
	}
	if st := send(busy); st != nfswire.ErrExist {
		t.Errorf("a client is remembered after 70,000 others: status %d", st)
	}
}

// TestDRCForgetsWhatCameToNothing sends arguments that cannot be read, and then with the same xid ones that can.
func TestDRCForgetsWhatCameToNothing(t *testing.T) {
	f := newFixture(t)
	r := f.request(nfswire.ProcMkdir, args(f.root(), "d"))
	for range 2 {
		if result, _ := f.send(r); result != rpc.GarbageArgs {
			t.Errorf("result %d", result)
		}
	}
	if _, err := f.eng.Lookup(&pmemfs.Cred{}, nil, f.eng.Root(), []byte("d")); err == nil {
		t.Error("made from garbage")
	}
}
