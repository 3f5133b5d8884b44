package portmap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pmemfs/pmemfs/testpart"
	"pmemfs/server/rpc"
)

// at is an address of a test.
func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var testServices = []Service{
	{100003, 3, false, at("[::]:2049")},
	{100005, 1, false, at("127.0.0.1:20048")},
	{100005, 3, false, at("127.0.0.1:20048")},
	{100005, 3, true, at("127.0.0.1:20048")},
	{100021, 4, true, at("[::1]:5000")},
}

// serveOn serves programs on a port of an address over TCP and UDP until the test ends.
func serveOn(t *testing.T, host string, programs ...rpc.Program) netip.AddrPort {
	t.Helper()
	srv := rpc.NewServer(rpc.Config{Programs: programs})
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	uc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	d, err := srv.NewDatagrams(uc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, serve := range []func() error{func() error { return srv.Serve(ctx, l) }, func() error { return d.Serve(ctx) }} {
		wg.Go(func() {
			if err := serve(); err != nil {
				t.Errorf("serve: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// asker asks a portmapper.
type asker struct {
	t    *testing.T
	to   netip.AddrPort
	call func(context.Context, netip.Addr, netip.AddrPort, *rpc.OutCall) ([]byte, error)
}

// args builds arguments of numbers and strings.
func args(items ...any) []byte {
	e := rpc.NewEncoder(nil)
	for _, item := range items {
		switch v := item.(type) {
		case int:
			e.Uint32(uint32(v))
		case string:
			e.Opaque([]byte(v))
		}
	}
	return e.Bytes()
}

func (a asker) ask(vers, proc uint32, items ...any) (*rpc.Decoder, error) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	b, err := a.call(ctx, netip.Addr{}, a.to, &rpc.OutCall{Prog: Number, Vers: vers, Proc: proc, Args: args(items...)})
	return rpc.NewDecoder(b), err
}

// number and text demand results of that form.
func (a asker) number(want uint32, vers, proc uint32, items ...any) {
	a.t.Helper()
	d, err := a.ask(vers, proc, items...)
	if got := d.Uint32(); err != nil || got != want || !d.Done() {
		a.t.Errorf("version %d procedure %d of %v: %d, %v; want %d", vers, proc, items, got, err, want)
	}
}

func (a asker) text(want string, vers, proc uint32, items ...any) {
	a.t.Helper()
	d, err := a.ask(vers, proc, items...)
	if got := string(d.Opaque(200)); err != nil || got != want || !d.Done() {
		a.t.Errorf("version %d procedure %d of %v: %q, %v; want %q", vers, proc, items, got, err, want)
	}
}

// everywhere asks over TCP and UDP, and IPv4 and IPv6.
func everywhere(t *testing.T, s *Server, f func(a asker, udp, v6 bool)) {
	v4, v6 := serveOn(t, "127.0.0.1", s.Program()), serveOn(t, "::1", s.Program())
	for _, is6 := range []bool{false, true} {
		to := v4
		if is6 {
			to = v6
		}
		f(asker{t, to, rpc.CallTCP}, false, is6)
		f(asker{t, to, rpc.CallUDP}, true, is6)
	}
}

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

// TestVersions3And4 asks what they have in common, and what 4 has more.
func TestVersions3And4(t *testing.T) {
	everywhere(t, New(Config{Services: testServices}), func(a asker, udp, v6 bool) {
		asked := strings.TrimSuffix(uaddr(netip.AddrPortFrom(a.to.Addr(), 0)), ".0.0")
		own := map[bool]string{false: "tcp", true: "tcp6"}[v6]
		other := map[bool]string{true: "tcp", false: "tcp6"}[v6]
		for _, vers := range []uint32{3, 4} {
			a.number(0, vers, procSet, 100003, 3, "tcp", "1.2.3.4.8.1", "root")
			a.number(0, vers, procUnset, 100003, 3, "tcp", "", "")
			a.text(asked+".8.1", vers, procGet, 100003, 3, own, "", "")
			a.text(asked+".8.1", vers, procGet, 100003, 4, own, "9.9.9.9.0.111", "x")
			a.text("", vers, procGet, 100003, 3, "udp", "", "")
			a.text("127.0.0.1.78.80", vers, procGet, 100005, 3, "udp", "", "")
			a.text("::1.19.136", vers, procGet, 100021, 4, "udp6", "", "")
			a.text("", vers, procGet, 100003, 3, "local", "", "")
			a.text("", vers, procGet, 9, 3, own, "", "")
			if !udp {
				a.text(asked+".8.1", vers, procGet, 100003, 3, "", "", "")
			}
			if v6 {
				a.text("10.1.1.1.8.1", vers, procGet, 100003, 3, other, "10.1.1.1.0.111", "")
				a.text("0.0.0.0.8.1", vers, procGet, 100003, 3, other, "nonsense", "")
			} else {
				a.text("fd00::7.8.1", vers, procGet, 100003, 3, other, "fd00::7.0.111", "")
				a.text("::.8.1", vers, procGet, 100003, 3, other, "ff02::1.0.111", "")
			}
			d, err := a.ask(vers, procGetTime)
			if now := d.Uint32(); err != nil || time.Since(time.Unix(int64(now), 0)).Abs() > time.Hour {
				t.Errorf("it is %d, %v", now, err)
			}
			for _, text := range []string{"127.0.0.1.8.1", "fd00::1.1.2"} {
				d, err := a.ask(vers, procUaddr2Taddr, text)
				size, taddr := d.Uint32(), d.Opaque(100)
				if err != nil || int(size) != len(taddr) || !d.Done() {
					t.Fatalf("%s: %d, % x, %v", text, size, taddr, err)
				}
				a.text(text, vers, procTaddr2Uaddr, 100, string(taddr))
			}
			if d, err := a.ask(vers, procUaddr2Taddr, "1.2.3"); err != nil || d.Uint64() != 0 || !d.Done() {
				t.Errorf("an address of no host: %v", err)
			}
			a.text("", vers, procTaddr2Uaddr, 2, "ab")
			a.dump34(vers)
		}
		a.text(asked+".8.1", 4, proc4GetVers, 100003, 3, own, "", "")
		a.text("", 4, proc4GetVers, 100003, 4, own, "", "")
		a.list(v6)
		if d, err := a.ask(4, proc4GetStat); err != nil || len(d.Rest()) != 3*17*4 {
			t.Errorf("GETSTAT: %d bytes, %v", len(d.Rest()), err)
		}
	})
}

// dump34 demands all services, each with its transport.
func (a asker) dump34(vers uint32) {
	a.t.Helper()
	d, err := a.ask(vers, procDump)
	var got []string
	for d.Bool() {
		b := decodeRpcb(d)
		got = append(got, b.netid+" "+b.addr)
	}
	want := "tcp 0.0.0.0.8.1,tcp6 ::.8.1,tcp 127.0.0.1.78.80,tcp 127.0.0.1.78.80,udp 127.0.0.1.78.80,udp6 ::1.19.136"
	if s := strings.Join(got, ","); err != nil || s != want || !d.Done() {
		a.t.Errorf("DUMP: %s, %v", s, err)
	}
}

// list asks for one program by all transports.
func (a asker) list(v6 bool) {
	a.t.Helper()
	d, err := a.ask(4, proc4GetList, 100005, 3, "", "", "")
	n := 0
	for d.Bool() {
		addr, id, semantics := string(d.Opaque(100)), string(d.Opaque(100)), d.Uint32()
		family, proto := string(d.Opaque(100)), string(d.Opaque(100))
		if addr != "127.0.0.1.78.80" || id != proto || family != "inet" || (semantics == 1) != (id == "udp") {
			a.t.Errorf("%s %s %d %s %s", addr, id, semantics, family, proto)
		}
		n++
	}
	if want := map[bool]int{false: 2}[v6]; err != nil || n != want || !d.Done() {
		a.t.Errorf("GETADDRLIST: %d, %v", n, err)
	}
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

func TestUaddr(t *testing.T) {
	for text, want := range map[string]string{"1.2.3.4.8.1": "1.2.3.4:2049", "::1.0.111": "[::1]:111", "fe80::1.255.255": "[fe80::1]:65535",
		"::ffff:1.2.3.4.0.1": "1.2.3.4:1"} {
		if ap, ok := parseUaddr(text); !ok || ap.String() != want {
			t.Errorf("%s is %v", text, ap)
		}
	}
	for _, text := range []string{"", ".", "..", "1.2.3.4", "1.2.3.4.8", "1.2.3.4.8.256", "1.2.3.4.-1.1", "host.0.1", "fe80::1%eth0.0.1", "1.2.3.4.8.1."} {
		if ap, ok := parseUaddr(text); ok {
			t.Errorf("%q is %v", text, ap)
		}
	}
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
