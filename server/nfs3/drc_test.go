package nfs3

import (
	"net/netip"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/rpc"
)

// cacheFixture is a duplicate request cache with a clock of its own.
type cacheFixture struct {
	*drc
	t     *testing.T
	clock time.Duration
	place drcPlace
}

func newCache(t *testing.T, notes ...pmemfs.RequestNote) *cacheFixture {
	m := &cacheFixture{drc: newDRC(notes), t: t}
	m.drc.now = func() time.Duration { return m.clock }
	return m
}

func from(n, port int) *rpc.Request {
	return &rpc.Request{Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), uint16(port))}
}

func digestOf(n int) (k pmemfs.RequestKey) {
	k[0], k[1], k[2] = byte(n), byte(n>>8), byte(n>>16)
	return k
}

// ask makes a call and reports whether it was new.
func (m *cacheFixture) ask(r *rpc.Request, digest int) (isNew bool) {
	e, reply, busy := m.begin(r, digestOf(digest), &m.place)
	switch {
	case busy != nil:
		m.t.Fatal("busy")
	case e == nil && string(reply) != "reply":
		m.t.Fatalf("answered with %q", reply)
	case e != nil:
		m.finish(e, []byte("reply"))
	}
	return e != nil
}

// TestDRCLapse repeats calls before and after nobody can be waiting for them any more.
func TestDRCLapse(t *testing.T) {
	m := newCache(t)
	r := from(1, 700)
	if !m.ask(r, 1) || m.ask(r, 1) {
		t.Error("not remembered at once")
	}
	m.clock += drcLifetime
	if m.ask(r, 1) {
		t.Error("not remembered as long as a client may wait")
	}
	m.clock += time.Second
	if !m.ask(r, 1) {
		t.Error("remembered for longer than a client waits")
	}
	if m.ask(r, 1) {
		t.Error("the newer of two is not found")
	}
}

// TestDRCByPort repeats calls from the same port and from another one, of whose connection nothing is known.
func TestDRCByPort(t *testing.T) {
	m := newCache(t)
	if !m.ask(from(1, 700), 1) || !m.ask(from(1, 701), 1) || !m.ask(from(1, 702), 1) {
		t.Error("another program is taken for the first")
	}
	for port := 700; port < 703; port++ {
		if m.ask(from(1, port), 1) {
			t.Errorf("forgotten what port %d was answered", port)
		}
	}
	if n := m.total.Load(); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
}

// TestDRCUnderWay asks for what is being carried out, and lets it fail.
func TestDRCUnderWay(t *testing.T) {
	m := newCache(t)
	r := from(1, 700)
	e, _, _ := m.begin(r, digestOf(1), &m.place)
	_, _, busy := m.begin(r, digestOf(1), &m.place)
	if e == nil || busy == nil {
		t.Fatal("a call is not under way")
	}
	if other, _, _ := m.begin(from(1, 701), digestOf(1), &m.place); other == nil {
		t.Fatal("another program has to wait")
	}
	m.abandon(e)
	<-busy
	if !m.ask(r, 1) {
		t.Error("what came to nothing is remembered")
	}
}

// TestDRCOfMany comes from ever more clients: one who has asked for little keeps what it was answered.
func TestDRCOfMany(t *testing.T) {
	testpart.NotRace(t)
	m := newCache(t)
	m.ask(from(1<<20, 700), 1)
	greedy := from(2<<20, 700)
	for i := range 3 * drcPerClient {
		m.ask(greedy, i)
	}
	if n := m.total.Load(); n != drcPerClient+1 {
		t.Errorf("%d entries of one that asks for much", n)
	}
	for i := range drcMax - drcPerClient - 10 {
		m.ask(from(i%2000, 700), i)
	}
	if m.ask(from(1<<20, 700), 1) {
		t.Error("one call is forgotten although there was room")
	}
	for i := range 100 {
		m.ask(from(3<<20+i, 700), 1)
	}
	if n := m.total.Load(); n > drcMax || n < sweepTo-2001 {
		t.Errorf("%d entries after a sweep", n)
	}
	if m.ask(from(1<<20, 700), 1) {
		t.Error("the one who asks for much has swept away him who asks for little")
	}
	for i := range 2 * drcMax {
		m.clock += time.Microsecond
		m.ask(from(4<<20+i, 700), 1)
		if n := m.total.Load(); n > drcMax {
			t.Fatalf("%d entries of more clients than there is room for", n)
		}
	}
	clients := 0
	m.eachClient(func(_ netip.Addr, h *drcClient) {
		clients++
		n := 0
		for e := h.ring.next; e != &h.ring; e = e.next {
			n++
		}
		found := 0
		for _, e := range h.chains {
			for ; e != nil; e = e.older {
				found++
			}
		}
		if n != h.n || n == 0 || found != n || len(h.chains) > max(8*n, chainsMin) {
			t.Fatalf("a client of %d entries counts %d and finds %d in %d chains", n, h.n, found, len(h.chains))
		}
	})
	if int64(clients) > m.total.Load() {
		t.Errorf("%d clients with %d entries", clients, m.total.Load())
	}
}

// TestNotesLapse asks for what an earlier incarnation has done: from the same port, from another one, and too late.
func TestNotesLapse(t *testing.T) {
	testpart.NotRace(t)
	made := pmemfs.Handle{Ino: 7, Gen: 8}
	m := newCache(t, pmemfs.RequestNote{Key: requestKey(digestOf(1), 700), Made: made})
	if h, ok := m.earlier(requestKey(digestOf(1), 700)); !ok || h != made {
		t.Error("not found")
	}
	if _, ok := m.earlier(requestKey(digestOf(1), 701)); ok {
		t.Error("found for another port")
	}
	m.clock += drcLifetime + time.Second
	if _, ok := m.earlier(requestKey(digestOf(1), 700)); ok {
		t.Error("found after nobody waits any more")
	}
}
