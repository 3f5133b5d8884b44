//go:build !race && !invariants

package ninep

import (
	"net/netip"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
)

// TestNoAllocations holds the requests of a busy server to none.
func TestNoAllocations(t *testing.T) {
	eng, err := pmemfs.OpenMemory(64<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	set, err := export.NewSet([]export.Export{export.Default()})
	if err != nil {
		t.Fatal(err)
	}
	table := export.NewTable(eng)
	table.Store(set)
	srv := New(Config{Images: []Image{{Engine: eng, Exports: table}}, MessageMax: 1 << 20})
	s := srv.Session(netip.AddrPort{}, netip.MustParseAddrPort("127.0.0.1:1000"))
	defer s.Close()
	defer s.Stop()
	e := rpc.NewEncoder(make([]byte, 0, 2<<20))
	send := func(kind uint8, fields ...any) {
		r := &rpc.Request{Record: ninetest.Message(kind, 1, ninetest.Args(fields...))[4:]}
		do(t, s, r, e)
		if kind := e.Bytes()[lengthBytes]; kind == byte(rLerror) {
			t.Fatalf("kind %d: error %d", kind, le.Uint32(e.Bytes()[lengthBytes+headBytes:]))
		}
	}
	send(ninetest.Version, uint32(1<<20), version)
	send(ninetest.Attach, uint32(0), noFid, "", "/", uint32(1000))
	if _, err := eng.Setattr(&pmemfs.Cred{}, nil, eng.Root(), &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o777}); err != nil {
		t.Fatal(err)
	}
	send(ninetest.Walk, uint32(0), uint32(1), uint16(0))
	send(ninetest.Lcreate, uint32(1), "file", uint32(2), uint32(0o644), uint32(1000))
	for name, list := range map[string][][]byte{
		"Tgetattr": {ninetest.Message(ninetest.Getattr, 1, ninetest.Args(uint32(1), uint64(0x7ff)))},
		"Tread":    {ninetest.Message(ninetest.Read, 1, ninetest.Args(uint32(1), uint64(0), uint32(4096)))},
		"Twrite":   {ninetest.Message(ninetest.Write, 1, ninetest.Args(uint32(1), uint64(0), uint32(4096), ninetest.Raw(make([]byte, 4096))))},
		"Twalk": {ninetest.Message(ninetest.Walk, 1, ninetest.Args(uint32(0), uint32(2), uint16(1), "file")),
			ninetest.Message(ninetest.Clunk, 1, ninetest.Args(uint32(2)))},
	} {
		var requests []*rpc.Request
		for _, m := range list {
			requests = append(requests, &rpc.Request{Record: m[4:]})
		}
		n := testing.AllocsPerRun(200, func() {
			for _, r := range requests {
				do(t, s, r, e)
			}
		})
		if n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// do has a session answer a request, beside the others if it wants to.
func do(t *testing.T, s rpc.Session, r *rpc.Request, e *rpc.Encoder) {
	t.Helper()
	e.Truncate(0)
	e.Extend(lengthBytes)
	if r.MayWait = false; s.Serve(r, e) == rpc.Wait {
		e.Truncate(lengthBytes)
		r.MayWait = true
		s.Serve(r, e)
		s.Sent(r)
	}
}
