package nsm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/server/peer"
	"pmemfs/server/rpc"
)

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
