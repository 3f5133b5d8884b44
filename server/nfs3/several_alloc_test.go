//go:build !race && !invariants

package nfs3_test

import (
	"encoding/binary"
	"testing"

	"pmemfs/server/nfs3"
	"pmemfs/server/rpc"
)

// images are servers of n images behind one address, and hot calls to them in turn.
func images(t testing.TB, n int) (program rpc.Program, calls map[string][]*rpc.Request) {
	var servers []*nfs3.Server
	calls = map[string][]*rpc.Request{}
	for range n {
		f := newFixture(t)
		servers = append(servers, f.srv)
		for name, r := range hotCalls(t, f) {
			if len(name) > len("GETATTR") {
				continue // of more bytes, which is another matter
			}
			r.MayWait = false
			calls[name] = append(calls[name], r)
		}
	}
	return nfs3.Programs(servers...)[0], calls
}

// serveInTurn answers each call in place on one connection, which keeps what belongs to it in own.
func serveInTurn(t testing.TB, p *rpc.Program, list []*rpc.Request, e *rpc.Encoder, own any) any {
	for _, r := range list {
		e.Truncate(0)
		r.Own = own
		if p.Serve(r, e) != rpc.Success || binary.BigEndian.Uint32(e.Bytes()) != 0 {
			t.Fatal("refused")
		}
		own = r.Own
	}
	return own
}

// TestSeveralNoAllocations holds calls to three images on one connection to none.
func TestSeveralNoAllocations(t *testing.T) {
	p, calls := images(t, 3)
	for name, list := range calls {
		e := rpc.NewEncoder(make([]byte, 0, 2<<20))
		own := serveInTurn(t, &p, list, e, nil)
		if n := testing.AllocsPerRun(200, func() { own = serveInTurn(t, &p, list, e, own) }); n >= 1 {
			t.Errorf("%s: %v allocations in three calls", name, n)
		}
	}
}

// BenchmarkSeveral is what a call costs without the network, of one image and of the images of a server in turn.
func BenchmarkSeveral(b *testing.B) {
	for name, n := range map[string]int{"1": 1, "2": 2, "8": 8} {
		p, calls := images(b, n)
		for call, list := range calls {
			b.Run(call+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				e := rpc.NewEncoder(make([]byte, 0, 2<<20))
				own := serveInTurn(b, &p, list, e, nil)
				for i := 0; i < b.N; i++ {
					own = serveInTurn(b, &p, list[i%n:i%n+1], e, own)
				}
			})
		}
	}
}
