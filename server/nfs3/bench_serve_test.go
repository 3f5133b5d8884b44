package nfs3_test

import (
	"encoding/binary"
	"testing"

	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// BenchmarkServe is what a call costs without the network.
func BenchmarkServe(b *testing.B) {
	f := newFixture(b)
	serve := f.srv.Program().Serve
	for name, r := range hotCalls(b, f) {
		b.Run(name, func(b *testing.B) {
			e := rpc.NewEncoder(make([]byte, 0, 2<<20))
			b.ReportAllocs()
			for range b.N {
				e.Truncate(0)
				if serve(r, e) != rpc.Success || binary.BigEndian.Uint32(e.Bytes()) != 0 {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkMake is a CREATE and the REMOVE that follows it.
func BenchmarkMake(b *testing.B) {
	f := newFixture(b)
	serve := f.srv.Program().Serve
	create := f.request(nfswire.ProcCreate, args(f.root(), "name", nfswire.CreateGuarded, noAttr))
	remove := f.request(nfswire.ProcRemove, args(f.root(), "name"))
	e := rpc.NewEncoder(make([]byte, 0, 4096))
	b.ReportAllocs()
	for range b.N {
		for _, r := range []*rpc.Request{create, remove} {
			r.XID += 2
			e.Truncate(0)
			if serve(r, e) != rpc.Success || binary.BigEndian.Uint32(e.Bytes()) != 0 {
				b.Fatal("refused")
			}
		}
	}
}

// BenchmarkReaddirPlus lists a directory of 1,000 names, in pages; one operation is one page of some 300.
func BenchmarkReaddirPlus(b *testing.B) {
	f := newFixture(b)
	f.create("file %d", 0, 1000)
	serve := f.srv.Program().Serve
	r := f.request(nfswire.ProcReaddirPlus, args(f.root(), uint64(0), uint64(0), 65536, 65536))
	e := rpc.NewEncoder(make([]byte, 0, 128<<10))
	b.ReportAllocs()
	for range b.N {
		e.Truncate(0)
		if serve(r, e) != rpc.Success || binary.BigEndian.Uint32(e.Bytes()) != 0 {
			b.Fatal("refused")
		}
	}
}
