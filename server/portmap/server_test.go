package portmap

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pmemfs/pmemfs/testpart"
	"pmemfs/server/rpc"
)

// TestVersion2 asks all of version 2.
func TestVersion2(t *testing.T) {
	everywhere(t, New(Config{Services: testServices}), func(a asker, _, _ bool) {
		if d, err := a.ask(2, procNull); err != nil || !d.Done() {
			t.Error(err)
		}
		a.number(0, 2, procSet, 100003, 3, 6, 1)
		a.number(0, 2, procUnset, 100003, 3, 6, 1)
		a.number(2049, 2, procGet, 100003, 3, 6, 0)
		a.number(0, 2, procGet, 100003, 3, 17, 0)
		a.number(2049, 2, procGet, 100003, 4, 6, 0) // another version: the server says so itself
		a.number(20048, 2, procGet, 100005, 3, 17, 0)
		a.number(0, 2, procGet, 100021, 4, 17, 0) // not by IPv4
		a.number(0, 2, procGet, 100005, 3, 99, 0)
		a.number(0, 2, procGet, 7, 3, 6, 0)
		d, err := a.ask(2, procDump)
		n := 0
		for d.Bool() {
			prog, _, proto, port := d.Uint32(), d.Uint32(), d.Uint32(), d.Uint32()
			if prog != 100003 && prog != 100005 || proto != 6 && proto != 17 || port != 2049 && port != 20048 {
				t.Errorf("%d over %d at %d", prog, proto, port)
			}
			n++
		}
		if err != nil || n != 4 || !d.Done() {
			t.Errorf("%d entries, %v", n, err)
		}
	})
}

// TestRefuses: calls made for others, arguments that make no sense, and strangers.
func TestRefuses(t *testing.T) {
	everywhere(t, New(Config{Services: testServices}), func(a asker, _, _ bool) {
		for _, c := range []struct {
			stat       rpc.Result
			vers, proc uint32
			items      []any
		}{
			{rpc.ProcUnavail, 2, 5, []any{100003, 3, 0, ""}}, // CALLIT
			{rpc.ProcUnavail, 3, 5, []any{100003, 3, 0, ""}},
			{rpc.ProcUnavail, 4, 5, []any{100003, 3, 0, ""}},  // BCAST
			{rpc.ProcUnavail, 4, 10, []any{100003, 3, 0, ""}}, // INDIRECT
			{rpc.ProcUnavail, 2, 6, nil},
			{rpc.ProcUnavail, 3, 9, nil},
			{rpc.ProcUnavail, 4, 13, nil},
			{rpc.ProcUnavail, 4, 1 << 31, nil},
			{rpc.ProgMismatch, 5, 0, nil},
			{rpc.GarbageArgs, 2, 0, []any{1}},
			{rpc.GarbageArgs, 2, 1, []any{1, 2, 3}},
			{rpc.GarbageArgs, 2, 3, []any{1, 2, 3, 4, 5}},
			{rpc.GarbageArgs, 2, 4, []any{1}},
			{rpc.GarbageArgs, 3, 3, []any{100003, 3, strings.Repeat("x", 33), "", ""}},
			{rpc.GarbageArgs, 3, 3, []any{100003, 3, "tcp", strings.Repeat("1", 129), ""}},
			{rpc.GarbageArgs, 4, 9, []any{100003, 3, "tcp"}},
			{rpc.GarbageArgs, 4, 11, nil},
			{rpc.GarbageArgs, 4, 12, []any{0}},
			{rpc.GarbageArgs, 3, 7, []any{1 << 30}},
			{rpc.GarbageArgs, 3, 8, []any{1 << 30, 1 << 30}},
		} {
			var refusal *rpc.Refusal
			if _, err := a.ask(c.vers, c.proc, c.items...); !errors.As(err, &refusal) || refusal.Stat != c.stat {
				t.Errorf("version %d procedure %d of %v: %v, want %d", c.vers, c.proc, c.items, err, c.stat)
			}
		}
	})
	s := New(Config{Services: testServices, Admit: func(netip.Addr) bool { return false }})
	everywhere(t, s, func(a asker, _, v6 bool) {
		a.number(0, 2, procGet, 100003, 3, 6, 0)
		a.number(0, 2, procDump)
		a.text("", 3, procGet, 100003, 3, "tcp", "", "")
		a.number(0, 4, procDump)
		a.number(0, 4, proc4GetList, 100003, 3, "", "", "")
	})
}

// FuzzServe: no arguments of any procedure do worse than an error.
func FuzzServe(f *testing.F) {
	testpart.NotRace(f)
	s := New(Config{Services: testServices})
	for proc := range uint32(procsOf4) {
		f.Add(uint32(4), proc, args(100003, 3, "tcp", "127.0.0.1.0.111", "x"))
		f.Add(uint32(2), proc, args(100003, 3, 6, 0))
		f.Add(uint32(3), proc, args(16, "\x02\x00\x08\x01\x7f\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"))
	}
	f.Fuzz(func(t *testing.T, vers, proc uint32, b []byte) {
		r := &rpc.Request{Call: rpc.Call{Prog: Number, Vers: version2 + vers%3, Proc: proc, Args: b}, Local: at("127.0.0.1:111")}
		e := rpc.NewEncoder(nil)
		if result := s.serve(r, e); result == rpc.Success && e.Len() > 4096 {
			t.Fatalf("%d bytes", e.Len())
		}
	})
}
