package nsm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func engine(t testing.TB) *pmemfs.FS {
	t.Helper()
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	must(t, err)
	t.Cleanup(func() {
		report, err := eng.Check()
		if err != nil || len(report.Faults) != 0 {
			t.Errorf("check: %+v, %v", report, err)
		}
		must(t, eng.Close())
	})
	return eng
}

func monitor(t testing.TB, eng *pmemfs.FS, edit func(*Config)) *Monitor {
	t.Helper()
	c := Config{Engine: eng, Peers: peer.New(1), Crashed: func(Host) {}, Holds: func(Host) bool { return false }, Name: "server", Grace: time.Minute}
	if edit != nil {
		edit(&c)
	}
	m, err := Open(c)
	must(t, err)
	return m
}

func hostAt(n int, name string) Host {
	return Host{netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), name}
}

// TestDurable: a host that was watched is in the image when Watch has returned, on an ordinary file that nobody closes.
func TestDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	must(t, pmemfs.Format(path, pmemfs.FormatOptions{Size: 16 << 20}))
	eng, err := pmemfs.Open(path, pmemfs.Options{})
	must(t, err)
	m := monitor(t, eng, nil)
	fences := eng.Counters().Fences
	must(t, m.Watch(hostAt(1, "a"), peer.Route{Local: netip.MustParseAddr("10.9.9.9")}, 7))
	if got := eng.Counters().Fences - fences; got != 1 {
		t.Errorf("%d fences for the first lock", got)
	}
	must(t, m.Watch(hostAt(1, "a"), peer.Route{}, 7))
	if got := eng.Counters().Fences - fences; got != 1 {
		t.Errorf("%d fences for two locks", got)
	}
	if m.State() != 3 || m.InGrace() {
		t.Errorf("state %d, grace %v", m.State(), m.InGrace())
	}
	must(t, eng.Close())
	eng, err = pmemfs.Open(path, pmemfs.Options{})
	must(t, err)
	m = monitor(t, eng, nil)
	x := m.hosts[hostAt(1, "a")]
	if m.State() != 5 || !m.InGrace() || x == nil || x.state != 7 || x.local.String() != "10.9.9.9" || !x.recovering || x.told {
		t.Errorf("state %d, grace %v, host %+v", m.State(), m.InGrace(), x)
	}
	m.saved = false // as if the image had refused the state number: it is asked again before a known host gets a lock
	fences = eng.Counters().Fences
	must(t, m.Watch(hostAt(1, "a"), peer.Route{}, 7))
	if got := eng.Counters().Fences - fences; got != 1 || !m.saved {
		t.Errorf("%d fences for the state number", got)
	}
	must(t, eng.Close())
	if err := m.Watch(hostAt(2, "b"), peer.Route{}, 0); !errors.Is(err, pmemfs.ErrClosed) {
		t.Errorf("a host that the image cannot take: %v", err)
	}
	if m.hosts[hostAt(2, "b")] != nil {
		t.Error("it is known all the same")
	}
}

// TestBounds: one address cannot have all the hosts, and names are those of hosts.
func TestBounds(t *testing.T) {
	m := monitor(t, engine(t), nil)
	n := 0
	for ; ; n++ {
		err := m.Watch(hostAt(1, fmt.Sprint(n)), peer.Route{}, 0)
		if errors.Is(err, ErrFull) {
			break
		}
		must(t, err)
	}
	if n != hostsMax/2 {
		t.Errorf("%d hosts at one address", n)
	}
	// Nor can a network, whatever number of addresses it has.
	for n := 256; ; n++ {
		if err := m.Watch(hostAt(n, "x"), peer.Route{}, 0); errors.Is(err, ErrFull) {
			break
		} else {
			must(t, err)
		}
	}
	must(t, m.Watch(hostAt(1<<15, "another"), peer.Route{}, 0))
	for _, h := range []Host{{hostAt(3, "").Addr, ""}, {netip.Addr{}, "x"}, hostAt(3, strings.Repeat("n", NameMax+1))} {
		if err := m.Watch(h, peer.Route{}, 0); !errors.Is(err, ErrName) {
			t.Errorf("%v: %v", h, err)
		}
	}
	m.Close()
	names, err := m.c.Engine.Keys()
	if err != nil || len(names) != 1 || len(m.hosts) != 0 || len(m.at) != 0 || len(m.near) != 0 {
		t.Errorf("at the end: %d states, %d hosts, %d addresses, %v", len(names), len(m.hosts), len(m.at), err)
	}
}

// TestNonsense: records that make no sense keep nobody from starting.
func TestNonsense(t *testing.T) {
	eng := engine(t)
	must(t, eng.PutValue("nsm", []byte("long state")))
	must(t, eng.PutValue("nsm.x", []byte{1, 2, 3}))
	must(t, eng.PutValue("nsm.y", encode(hostAt(1, "a"), netip.Addr{}, 1))) // under a wrong name
	must(t, eng.PutValue("other", []byte{1}))
	m := monitor(t, eng, nil)
	names, err := eng.Keys()
	if err != nil || len(names) != 2 || len(m.hosts) != 0 || m.State()%2 != 1 || m.InGrace() {
		t.Errorf("%v, %v, %d hosts, state %d", names, err, len(m.hosts), m.State())
	}
}

// TestTold: a host that does not answer as it should is told again and again until it does.
func TestTold(t *testing.T) {
	eng := engine(t)
	here := netip.MustParseAddr("127.0.0.1")
	silent := Host{here, "silent"}
	m := monitor(t, eng, nil)
	must(t, m.Watch(silent, peer.Route{Local: here}, 0))

	// A portmapper and a status monitor in one, which answers the third time.
	var asked atomic.Int32
	uc, err := net.ListenUDP("udp", &net.UDPAddr{IP: here.AsSlice()})
	must(t, err)
	port := uint16(uc.LocalAddr().(*net.UDPAddr).Port)
	srv := rpc.NewServer(rpc.Config{Programs: []rpc.Program{
		{Number: 100000, Low: 2, High: 2, Datagrams: true, Serve: func(_ *rpc.Request, e *rpc.Encoder) rpc.Result {
			e.Uint32(uint32(port))
			return rpc.Success
		}},
		{Number: Number, Low: 1, High: 1, Datagrams: true, Serve: func(r *rpc.Request, _ *rpc.Encoder) rpc.Result {
			if asked.Add(1) < 3 {
				return rpc.SystemErr
			}
			return rpc.Success
		}},
	}})
	d, err := srv.NewDatagrams(uc)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	m = monitor(t, eng, func(c *Config) {
		c.Peers = peer.New(port)
		c.Timing = Timing{Retry: time.Millisecond, Tick: time.Millisecond, GiveUp: time.Hour}
	})
	m.hosts[silent].local = netip.Addr{} // so that there is one name only
	wg.Go(func() { m.Run(ctx) })
	told := func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.hosts[silent].told
	}
	for deadline := time.Now().Add(3 * time.Minute); !told() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	if n := asked.Load(); n < 3 || !m.hosts[silent].told {
		t.Errorf("told %d times", n)
	}
}

// TestToldLaterAndLater: the time until a host is told once more doubles, up to a limit, and in the end it is given up.
func TestToldLaterAndLater(t *testing.T) {
	deaf := hostAt(1, "deaf")
	m := monitor(t, engine(t), nil)
	must(t, m.Watch(deaf, peer.Route{}, 0))
	x := m.hosts[deaf]
	x.told = false // as it is after a restart
	for tries := range 20 {
		begun := time.Now()
		m.toldOnce(deaf, false, errors.New("no answer"))
		want := min(m.c.Timing.Retry<<min(tries, 16), retryLongest)
		if x.told || x.next.Before(begun.Add(want)) || x.next.After(time.Now().Add(want)) {
			t.Fatalf("after %d tries: told %v, next in %v, want %v", tries+1, x.told, x.next.Sub(begun), want)
		}
	}
	m.start = m.start.Add(-2 * m.c.Timing.GiveUp)
	if m.toldOnce(deaf, false, errors.New("no answer")); !x.told {
		t.Error("a host is told for ever")
	}
}

// FuzzRecord holds decode to encode.
func FuzzRecord(f *testing.F) {
	testpart.NotRace(f)
	f.Add(encode(hostAt(1, "a"), netip.Addr{}, 7))
	f.Add(encode(Host{netip.MustParseAddr("fd00::1"), strings.Repeat("n", NameMax)}, netip.MustParseAddr("fd00::2"), 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, x, ok := decode(b)
		if !ok {
			return
		}
		h2, x2, ok := decode(encode(h, x.local, x.state))
		if !ok || h2 != h || x2 != x {
			t.Errorf("%v %+v became %v %+v", h, x, h2, x2)
		}
	})
}
