package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pmemfs/pmemfs/testpart"
	"pmemfs/server/rpc"
)

const program = 400000

// host is a client's machine on loopback, with a portmapper on a port and a program elsewhere.
type host struct {
	mu     sync.Mutex
	absent bool
	asked  int // the portmapper
	called []netip.AddrPort
	addr   netip.AddrPort
}

func serve(t *testing.T, at netip.AddrPort, tcp, udp bool, programs ...rpc.Program) (netip.AddrPort, *rpc.Datagrams, func()) {
	t.Helper()
	srv := rpc.NewServer(rpc.Config{Programs: programs})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	run := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	if tcp {
		run(func() error { return srv.Serve(ctx, l) })
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var d *rpc.Datagrams
	if udp {
		uc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
		if err == nil {
			d, err = srv.NewDatagrams(uc)
		}
		if err != nil {
			t.Fatal(err)
		}
		run(func() error { return d.Serve(ctx) })
	}
	return addr, d, func() { cancel(); wg.Wait() }
}

// newHost returns a host whose programs are served by TCP, UDP or both, and the port of its portmapper.
func newHost(t *testing.T, ip string, tcp, udp bool) (*host, uint16) {
	t.Helper()
	h := &host{}
	at := netip.AddrPortFrom(netip.MustParseAddr(ip), 0)
	addr, _, stop := serve(t, at, tcp, udp, rpc.Program{Number: program, Low: 1, High: 1, Datagrams: true, Serve: func(r *rpc.Request, e *rpc.Encoder) rpc.Result {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.called = append(h.called, r.Remote)
		e.Uint32(r.Proc)
		return rpc.Success
	}})
	h.addr = addr
	maps, _, stopMaps := serve(t, at, tcp, udp, rpc.Program{Number: progPortmap, Low: 2, High: 3, Datagrams: true, Serve: h.portmap})
	t.Cleanup(func() { stop(); stopMaps() })
	return h, maps.Port()
}

func (h *host) portmap(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	port := h.addr.Port()
	switch {
	case r.Vers == 2 && h.absent:
		e.Uint32(0)
	case r.Vers == 2:
		e.Uint32(uint32(port))
	case h.absent:
		e.Opaque(nil)
	default:
		hi, lo := netip.AddrFrom4([4]byte{byte(port >> 8), byte(port), 0, 0}), ""
		lo = hi.String() // "hi.lo.0.0"
		e.Opaque([]byte("::1." + lo[:len(lo)-len(".0.0")]))
	}
	return rpc.Success
}

// calls is how often the host was called.
func (h *host) calls() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.called)
}

func call(t *testing.T, c *Caller, r Route) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	results, err := c.Call(ctx, r, &rpc.OutCall{Prog: program, Vers: 1, Proc: 9})
	if d := rpc.NewDecoder(results); err == nil && (d.Uint32() != 9 || !d.Done()) {
		t.Errorf("results %x", results)
	}
	return err
}

// TestCall: over each transport, over IPv4 and IPv6, and over the other transport where there is one only.
func TestCall(t *testing.T) {
	for _, ip := range []string{"127.0.3.1", "::1"} {
		for _, has := range []struct{ tcp, udp bool }{{true, true}, {true, false}, {false, true}} {
			h, port := newHost(t, ip, has.tcp, has.udp)
			c := New(port)
			for range 2 {
				for _, udp := range []bool{true, false} {
					if err := call(t, c, Route{Host: netip.MustParseAddr(ip), UDP: udp}); err != nil {
						t.Errorf("%s %+v udp %v: %v", ip, has, udp, err)
					}
				}
			}
			h.mu.Lock()
			if len(h.called) != 4 || h.asked > 4 {
				t.Errorf("%s %+v: called %d times, portmapper asked %d times", ip, has, len(h.called), h.asked)
			}
			h.mu.Unlock()
		}
	}
}

// TestOwnSocket: over UDP the call comes from the server's socket, and from the address that the client knows.
func TestOwnSocket(t *testing.T) {
	h, port := newHost(t, "127.0.3.2", true, true)
	at, d, stop := serve(t, netip.MustParseAddrPort("127.0.0.1:0"), true, true)
	defer stop()
	c := New(port)
	c.Attach(d)
	r := Route{Host: h.addr.Addr(), Local: at.Addr(), UDP: true}
	if err := call(t, c, r); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.Send(ctx, r, &rpc.OutCall{Prog: program, Vers: 1, Proc: 9}); err != nil {
		t.Fatal(err)
	}
	r.UDP = false
	if err := c.Send(ctx, r, &rpc.OutCall{Prog: program, Vers: 1, Proc: 9}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(3 * time.Minute); h.calls() < 3 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.called) != 3 || h.called[0] != at || h.called[2].Addr() != at.Addr() {
		t.Errorf("called from %v, not %v", h.called, at)
	}
}

// TestAbsent: a program that the portmapper does not know, one that has moved, and a host that is not there.
func TestAbsent(t *testing.T) {
	h, port := newHost(t, "127.0.3.3", true, true)
	c := New(port)
	r := Route{Host: h.addr.Addr(), UDP: true}
	if err := call(t, c, r); err != nil {
		t.Fatal(err)
	}
	c.remember(wanted{r.Host, program, 1, true}, netip.AddrPortFrom(r.Host, 9)) // where nobody is
	if err := call(t, c, r); err != nil {
		t.Errorf("over the other transport: %v", err)
	}
	if err := call(t, c, r); err != nil {
		t.Error(err)
	}
	h.mu.Lock()
	h.absent = true
	h.mu.Unlock()
	c.Forget(r.Host)
	if err := call(t, c, r); !errors.Is(err, ErrAbsent) {
		t.Errorf("an absent program: %v", err)
	}
	if err := call(t, c, Route{Host: netip.MustParseAddr("127.0.3.99")}); err == nil {
		t.Error("a host that is not there answers")
	}
}

// FuzzPort reads a portmapper's answers.
func FuzzPort(f *testing.F) {
	testpart.NotRace(f)
	f.Add([]byte{0, 0, 8, 1}, true)
	f.Add([]byte("\x00\x00\x00\x07::1.8.1\x00"), false)
	f.Fuzz(func(t *testing.T, b []byte, old bool) {
		vers := uint32(3)
		if old {
			vers = 2
		}
		if port, ok := portIn(b, vers); !ok && len(b) == 0 && port != 0 {
			t.Errorf("port %d of nothing", port)
		}
	})
}
