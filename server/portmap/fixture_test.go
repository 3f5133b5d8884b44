package portmap

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

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
