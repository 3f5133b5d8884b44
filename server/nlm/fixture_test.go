package nlm

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bytes"
	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nsm"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var superuser = &pmemfs.Cred{}

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

// quick is a Timing for tests.
var quick = nsm.Timing{
	Quiet: 300 * time.Millisecond, AfterClaim: 50 * time.Millisecond, Idle: time.Hour, GiveUp: time.Minute, Retry: 50 * time.Millisecond, Tick: 20 * time.Millisecond,
	Answer: time.Second,
}

// site is a filesystem with a few files, and a lock server on it that listens on 127.0.0.1 by TCP and UDP.
type site struct {
	t       testing.TB
	eng     *pmemfs.FS
	table   *export.Table
	codec   handle.Codec
	mapPort uint16 // of every client's portmapper
	grace   time.Duration
	timing  nsm.Timing

	files [3]pmemfs.Handle // of mode 0666, and one of the user 5 with mode 0600
	s     *Server
	addr  netip.AddrPort
	end   func() // stops the server
}

func newSite(t testing.TB) *site {
	t.Helper()
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	must(t, err)
	x := &site{t: t, eng: eng, table: export.NewTable(eng), codec: handle.New(eng), mapPort: freePort(t), grace: patience, timing: quick}
	for i := range x.files {
		set := &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o666}
		if i == 2 {
			set = &pmemfs.SetAttr{Mask: pmemfs.SetMode | pmemfs.SetUID, Mode: 0o600, UID: 5}
		}
		a, err := eng.Create(superuser, nil, eng.Root(), fmt.Appendf(nil, "file%d", i), &pmemfs.CreateOptions{Attr: *set})
		must(t, err)
		x.files[i] = a.Handle
	}
	ro, narrow := export.Default(), export.Default()
	ro.Name, ro.ReadOnly = "/ro", true
	narrow.Name, narrow.Clients = "/narrow", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	set, err := export.NewSet([]export.Export{export.Default(), ro, narrow})
	must(t, err)
	x.table.Store(set)
	x.serve()
	t.Cleanup(func() {
		x.end()
		report, err := eng.Check()
		if err != nil || len(report.Faults) != 0 {
			t.Errorf("check: %+v, %v", report, err)
		}
		must(t, eng.Close())
	})
	return x
}

// freePort is a port that nobody uses on the loopback addresses of the tests' clients.
func freePort(t testing.TB) uint16 {
	for range 100 {
		port := 20000 + rand.N[uint16](10000) // none that the system gives to others
		l, err := net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.1.1"), port).String())
		if err == nil {
			must(t, l.Close())
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// serve starts a server.
func (x *site) serve() {
	x.t.Helper()
	peers := peer.New(x.mapPort)
	s, err := New(Config{Engine: x.eng, Exports: x.table, Peers: peers, Name: "server.example", Grace: x.grace, Timing: x.timing, Logger: slog.New(slog.DiscardHandler)})
	must(x.t, err)
	x.s = s
	addr, d, stop := listen(x.t, "127.0.0.1:0", s.Programs()...)
	x.addr = addr
	peers.Attach(d)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	x.end = func() {
		cancel()
		wg.Wait()
		stop()
		s.Close()
	}
}

// restart is a crash of the server: the locks are gone and nothing is said to anybody.
func (x *site) restart() {
	x.t.Helper()
	x.end()
	for _, c := range x.eng.LockClients() {
		x.eng.DropLocks(c, func(string) bool { return true })
	}
	x.serve()
}

// listen serves programs at an address by TCP and UDP.
func listen(t testing.TB, at string, programs ...rpc.Program) (netip.AddrPort, *rpc.Datagrams, func()) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	must(t, err)
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	uc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	must(t, err)
	srv := rpc.NewServer(rpc.Config{Programs: programs})
	d, err := srv.NewDatagrams(uc)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := d.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	return addr, d, func() { cancel(); wg.Wait() }
}

// client is a client's machine: its portmapper, its lock manager, which takes grants and results, and its status monitor.
type client struct {
	x     *site
	addr  netip.Addr
	name  string
	vers  uint32
	tcp   atomic.Bool
	fh    []byte
	uid   uint32
	state uint32

	mu      sync.Mutex
	got     []heard
	reply   status            // to GRANTED
	mute    bool              // answers no GRANTED
	told    chan heard        // what got is, as it comes
	reboots map[string]uint32 // the last NOTIFY, by name
}

// heard is a call that a client's lock manager has got.
type heard struct {
	vers, proc uint32
	args       arguments
}

func (x *site) client(n int, vers uint32) *client {
	x.t.Helper()
	c := &client{
		x: x, addr: netip.AddrFrom4([4]byte{127, 0, 1, byte(n)}), name: fmt.Sprintf("client%d", n), vers: vers, state: 3, told: make(chan heard, 100),
		reboots: map[string]uint32{},
	}
	c.open("/", 0)
	addr, _, stop := listen(x.t, netip.AddrPortFrom(c.addr, 0).String(),
		rpc.Program{Number: Number, Low: 1, High: 4, Datagrams: true, Serve: c.lockManager},
		rpc.Program{Number: nsm.Number, Low: 1, High: 1, Datagrams: true, Serve: c.statusMonitor})
	_, _, stopMap := listen(x.t, netip.AddrPortFrom(c.addr, x.mapPort).String(), rpc.Program{Number: 100000, Low: 2, High: 2, Datagrams: true, Serve: func(r *rpc.Request, e *rpc.Encoder) rpc.Result {
		d := rpc.NewDecoder(r.Args)
		if prog := d.Uint32(); prog != Number && prog != nsm.Number {
			e.Uint32(0)
			return rpc.Success
		}
		e.Uint32(uint32(addr.Port()))
		return rpc.Success
	}})
	x.t.Cleanup(func() { stop(); stopMap() })
	return c
}

// open makes a file the one that the client's calls are about.
func (c *client) open(export string, file int) {
	for _, e := range c.x.table.Load().All() {
		if e.Name == export {
			c.fh = c.x.codec.Append(nil, e.ID(), c.x.files[file])
		}
	}
}

// behave says what becomes of grants: no answer, or which.
func (c *client) behave(mute bool, reply status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute, c.reply = mute, reply
}

func (c *client) lockManager(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	a, ok := decode(r.Proc, r.Vers, append([]byte(nil), r.Args...))
	if !ok {
		return rpc.GarbageArgs
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := heard{r.Vers, r.Proc, a}
	c.got = append(c.got, h)
	c.told <- h
	switch {
	case c.mute:
		return rpc.SystemErr
	case r.Proc == procGranted:
		e.Opaque(a.cookie)
		e.Uint32(uint32(c.reply))
	case r.Proc == procGranted+async:
		go c.res(r.Vers, a.cookie, c.reply)
	}
	return rpc.Success
}

// res sends a GRANTED_RES.
func (c *client) res(vers uint32, cookie []byte, st status) {
	e := rpc.NewEncoder(nil)
	e.Opaque(cookie)
	e.Uint32(uint32(st))
	if _, err := c.send(vers, procRes+procGranted-1, e.Bytes()); err != nil {
		c.x.t.Error(err)
	}
}

func (c *client) statusMonitor(r *rpc.Request, _ *rpc.Encoder) rpc.Result {
	d := rpc.NewDecoder(r.Args)
	name, state := string(d.Opaque(1024)), d.Uint32()
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Proc == 6 && d.Done() {
		c.reboots[name] = state
	}
	return rpc.Success
}

// send calls the server.
func (c *client) send(vers, proc uint32, args []byte) ([]byte, error) {
	return c.call(&rpc.OutCall{Prog: Number, Vers: vers, Proc: proc, Args: args})
}

func (c *client) call(out *rpc.OutCall) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if out.Prog == Number && c.uid != 0 {
		out.Sys = &rpc.SysCred{UID: c.uid, GID: c.uid}
	}
	ask := rpc.CallUDP
	// What takes locks away is not believed of a datagram from a port that anybody may have.
	takes := out.Prog == Number && out.Proc == procFreeAll || out.Prog == nsm.Number && out.Proc == 6
	if c.tcp.Load() || takes {
		ask = rpc.CallTCP
	}
	return ask(ctx, c.addr, c.x.addr, out)
}

// want is what a client asks for.
type want struct {
	svid          uint32
	exclusive     bool
	start, length uint64
	block         bool
	reclaim       bool
	msg           bool
}

// cookie is different for each call.
var cookies = make(chan uint32, 1)

func init() { cookies <- 1 }

func newCookie() []byte {
	n := <-cookies
	cookies <- n + 1
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// args are the arguments of a procedure.
func (c *client) args(proc uint32, w want) []byte {
	e := rpc.NewEncoder(nil)
	e.Opaque(newCookie())
	if proc == procLock || proc == procNMLock || proc == procCancel {
		e.Bool(w.block)
	}
	if proc != procUnlock {
		e.Bool(w.exclusive)
	}
	l := alock{caller: []byte(c.name), fh: c.fh, oh: []byte("owner of " + c.name), svid: w.svid, start: w.start, length: w.length}
	l.encode(e, c.vers)
	if proc == procLock || proc == procNMLock {
		e.Bool(w.reclaim)
		e.Uint32(c.state)
	}
	return e.Bytes()
}

// ask makes a call, in the asynchronous form if it is to be, and returns status and what follows.
func (c *client) ask(proc uint32, w want) (status, *rpc.Decoder) {
	c.x.t.Helper()
	args := c.args(proc, w)
	cookie := rpc.NewDecoder(args).Opaque(4)
	if w.msg {
		if results, err := c.send(c.vers, proc+async, args); err != nil || len(results) != 0 {
			c.x.t.Fatalf("procedure %d: %d bytes, %v", proc+async, len(results), err)
		}
		for {
			h := c.hears()
			if h.proc != proc+2*async {
				continue
			}
			if !bytes.Equal(h.args.cookie, cookie) || h.vers != c.vers {
				c.x.t.Fatalf("result %+v", h)
			}
			return h.args.stat, nil
		}
	}
	results, err := c.send(c.vers, proc, args)
	if err != nil {
		c.x.t.Fatalf("procedure %d: %v", proc, err)
	}
	d := rpc.NewDecoder(results)
	if got := d.Opaque(objectMax); !bytes.Equal(got, cookie) {
		c.x.t.Fatalf("procedure %d: cookie %x, not %x", proc, got, cookie)
	}
	return status(d.Uint32()), d
}

// hears waits for a call to the client.
func (c *client) hears() heard {
	c.x.t.Helper()
	select {
	case h := <-c.told:
		return h
	case <-time.After(patience):
		c.x.t.Fatal("the client was not called")
	}
	return heard{}
}

// quiet fails if the client is called.
func (c *client) quiet(t *testing.T) {
	t.Helper()
	select {
	case h := <-c.told:
		t.Errorf("the client was called: %+v", h)
	case <-time.After(100 * time.Millisecond):
	}
}

// gets checks the status of a call.
func (c *client) gets(st status, proc uint32, w want) {
	c.x.t.Helper()
	if got, _ := c.ask(proc, w); got != st {
		c.x.t.Errorf("%s, version %d, procedure %d, %+v: status %d, not %d", c.name, c.vers, proc, w, got, st)
	}
}

// share makes a call about a reservation.
func (c *client) share(st status, proc uint32, oh string, mode, access uint32, reclaim bool) {
	c.x.t.Helper()
	e := rpc.NewEncoder(nil)
	e.Opaque(newCookie())
	for _, b := range [][]byte{[]byte(c.name), c.fh, []byte(oh)} {
		e.Opaque(b)
	}
	e.Uint32(mode)
	e.Uint32(access)
	e.Bool(reclaim)
	results, err := c.send(c.vers, proc, e.Bytes())
	if err != nil {
		c.x.t.Fatal(err)
	}
	d := rpc.NewDecoder(results)
	d.Opaque(objectMax)
	got := status(d.Uint32())
	if d.Uint32(); got != st || !d.Done() {
		c.x.t.Errorf("share procedure %d of %s: status %d, not %d", proc, oh, got, st)
	}
}

// notify says from an address of the machine that a host has been restarted.
func (c *client) notify(name string, state uint32) {
	c.x.t.Helper()
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte(name))
	e.Uint32(state)
	if _, err := c.call(&rpc.OutCall{Prog: nsm.Number, Vers: 1, Proc: 6, Args: e.Bytes()}); err != nil {
		c.x.t.Fatal(err)
	}
}

// eventually waits until f holds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}
