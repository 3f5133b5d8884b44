package integration

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

// Addresses of clients: the one that behaves, and attackers.
const (
	goodHost = "127.0.0.9"
	badHost  = "127.0.0.66"
)

// attackPatience is how long the client that behaves waits for an answer: only a server that has stopped takes so long.
const attackPatience = harness.Patience

// goodClient is the client beside the attackers.
type goodClient struct {
	t    *testing.T
	addr string
	*rawnfs.Client
	root, file rawnfs.Handle
}

func newGoodClient(t *testing.T, addr string) *goodClient {
	t.Helper()
	g := &goodClient{t: t, addr: addr}
	g.connect()
	var err error
	if g.root, err = g.Mount("/"); err != nil {
		t.Fatal(err)
	}
	if g.file, err = g.Create(g.root, "good"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write(g.file, 0, make([]byte, 1<<20), true); err != nil {
		t.Fatal(err)
	}
	return g
}

// connect connects anew.
func (g *goodClient) connect() {
	g.t.Helper()
	c, err := rawnfs.DialFrom(goodHost, g.addr, attackPatience)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	g.Client = c
}

// latency is the median of what a small call takes. Each has to succeed.
func (g *goodClient) latency() time.Duration {
	g.t.Helper()
	const calls = 100
	times := make([]time.Duration, calls)
	for i := range times {
		start := time.Now()
		if _, err := g.Getattr(g.file); err != nil {
			g.t.Fatalf("call %d: %v", i, err)
		}
		times[i] = time.Since(start)
		time.Sleep(time.Millisecond) // so that each call comes at another moment
	}
	slices.Sort(times)
	return times[calls/2]
}

// works does what needs each part of the server's memory, on a new connection.
func (g *goodClient) works() {
	g.t.Helper()
	g.connect()
	data := make([]byte, 1<<20)
	if _, err := g.Write(g.file, 0, data, true); err != nil {
		g.t.Fatal(err)
	}
	if got, _, err := g.Read(g.file, 0, len(data)); err != nil || len(got) != len(data) {
		g.t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := g.Write(g.file, 0, data[:64<<10], true); err != nil {
		g.t.Fatal(err)
	}
}

// A call may take ten times as long beside attackers as without, in the median. What is quiet between processes of one machine takes less time than any
// network does, and the attackers share the processors with the client, which they do not in life: so it counts as quietTime at least.
const (
	slower    = 10
	quietTime = 1500 * time.Microsecond
)

// TestAttacks has a client that behaves beside each attacker. It is served, nearly as fast as without, and the server ends in order.
func TestAttacks(t *testing.T) {
	portmap := net.JoinHostPort("127.0.0.1", fmt.Sprint(harness.FreePort(t)))
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--memory", "64MiB", "--portmap", portmap)
	good := newGoodClient(t, server.Addr())
	quiet := good.latency()
	for _, a := range []struct {
		attack, addr string
		connections  int
	}{
		{"half-records", server.Addr(), 200},
		{"half-writes", server.Addr(), 200},
		{"ignored-reads", server.Addr(), 200},
		{"getattrs", server.Addr(), 200},
		{"reads", server.Addr(), 200},
		{"writes", server.Addr(), 200},
		{"silence", server.Addr(), 1500},
		{"silence", portmap, 300},
		{"junk", server.Addr(), 200},
	} {
		stop := harness.Attack(t, a.attack, a.addr, badHost, a.connections, string(good.file))
		time.Sleep(300 * time.Millisecond) // that it has begun
		beside := good.latency()
		good.works()
		if a.addr == portmap {
			conn, err := net.DialTimeout("tcp", portmap, attackPatience)
			if err != nil {
				t.Errorf("%s: %v", a.attack, err)
			} else {
				conn.Close()
			}
		}
		stop()
		quiet = max(quiet, good.latency()) // the machine may have become busy with other things
		t.Logf("%-14s on %s, %4d connections: a call takes %v, %v without: %.1f times", a.attack, a.addr, a.connections, beside, quiet, float64(beside)/float64(quiet))
		if beside > slower*max(quiet, quietTime) {
			t.Errorf("%s: a call takes %v, %v without", a.attack, beside, quiet)
		}
	}
}

// TestMemoryConfined holds the memory for requests to what control groups allow, under the traffic that takes most: many clients that
// pipeline writes which wait for the medium, over NFS and over 9P, beside others that take nothing.
func TestMemoryConfined(t *testing.T) {
	for _, size := range []int64{64 << 20, 256 << 20} {
		t.Run(fmt.Sprintf("%dMiB", size>>20), func(t *testing.T) {
			nine := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
			server := harness.ServeConfined(t, size, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--9p", nine, "--squash", "none")
			good := newGoodClient(t, server.Addr())
			most := server.Watch()
			var stops []func()
			for i := range 4 {
				from := fmt.Sprintf("127.0.1.%d", 1+i)
				stops = append(stops, harness.Attack(t, "writes", server.Addr(), from, 32, string(good.file)),
					harness.Attack(t, "nine-writes", nine, from, 8, ""),
					harness.Attack(t, "ignored-reads", server.Addr(), from, 16, string(good.file)),
					harness.Attack(t, "half-records", server.Addr(), from, 16, string(good.file)))
			}
			for range 2 {
				begun := time.Now()
				latency := good.latency()
				good.works()
				t.Logf("a call takes %v; all took %v", latency, time.Since(begun))
			}
			for _, stop := range stops {
				stop()
			}
			n := most()
			t.Logf("%d MiB of its own at most", n>>20)
			if n > size {
				t.Errorf("the server had %d MiB, of %d", n>>20, size>>20)
			}
		})
	}
}
