package integration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/lan"
	"pmemfs/integration/rawnfs"
	"pmemfs/server/portmap"
	"pmemfs/server/rpc"
)

// Programs and procedures of locking (RFC 1813 section 6.3, X/Open XNFS). A _MSG is 5 more, and its result 10.
const (
	progNLM    = 100021
	progStatus = 100024

	nlmTest    = 1
	nlmLock    = 2
	nlmCancel  = 3
	nlmUnlock  = 4
	nlmGranted = 5
	nlmMsg     = 5
	nlmRes     = 10

	nlmStatGranted = 0
	nlmStatDenied  = 1
	nlmStatBlocked = 3
	nlmStatGrace   = 4
)

// heard is a call that the lock daemon of a Mac was sent.
type heard struct {
	vers, proc uint32
	from       netip.AddrPort
	args       []byte
}

// lockd is the lock daemon of a Mac, at an address of its own with a portmapper: it calls from the socket that it is called on,
// over UDP, and has most of its answers by calls.
type lockd struct {
	t      *testing.T
	calls  chan heard
	socket *rpc.Datagrams
	server netip.AddrPort // where the server's is
	fh     rawnfs.Handle
	cookie uint32
}

const macAddr = "10.77.0.9"

// startLockd serves a lock daemon at macAddr, and the portmapper that tells where it is.
func startLockd(t *testing.T) *lockd {
	t.Helper()
	if out, err := exec.Command("ip", "addr", "add", macAddr+"/24", "dev", "lan").CombinedOutput(); err != nil {
		t.Fatalf("ip: %v\n%s", err, out)
	}
	l := &lockd{t: t, calls: make(chan heard, 100)}
	program := rpc.Program{Number: progNLM, Low: 1, High: 4, Datagrams: true, Serve: l.serve}
	l.socket = l.listen(":0", program)
	services := portmap.ServicesOf([]rpc.Program{program}, netip.AddrPort{}, l.socket.Addr())
	l.listen(fmt.Sprintf(":%d", portmap.Port), portmap.New(portmap.Config{Services: services}).Program())
	return l
}

func (l *lockd) listen(port string, p rpc.Program) *rpc.Datagrams {
	l.t.Helper()
	pc, err := net.ListenPacket("udp", macAddr+port)
	if err != nil {
		l.t.Fatal(err)
	}
	d, err := rpc.NewServer(rpc.Config{Programs: []rpc.Program{p}}).NewDatagrams(pc.(*net.UDPConn))
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Error(err)
		}
	})
	return d
}

// serve notes a call, and accepts a lock that is granted.
func (l *lockd) serve(r *rpc.Request, e *rpc.Encoder) rpc.Result {
	if r.Proc != 0 {
		l.calls <- heard{r.Vers, r.Proc, r.Remote, bytes.Clone(r.Args)}
	}
	if r.Proc == nlmGranted {
		e.Opaque(rpc.NewDecoder(r.Args).Opaque(1024))
		e.Uint32(nlmStatGranted)
	}
	return rpc.Success
}

// lockArgs are the arguments of a procedure for one owner and bytes 10 to 19, and a cookie of its own.
func (l *lockd) lockArgs(vers, proc, owner uint32, block bool) (cookie, args []byte) {
	l.cookie++
	cookie = fmt.Appendf(nil, "cookie%d", l.cookie)
	e := rpc.NewEncoder(nil)
	e.Opaque(cookie)
	if proc == nlmLock || proc == nlmCancel {
		e.Bool(block)
	}
	if proc != nlmUnlock {
		e.Bool(true) // exclusive
	}
	e.Opaque([]byte("mac.local"))
	e.Opaque([]byte(l.fh))
	e.Opaque(fmt.Appendf(nil, "owner%d", owner))
	e.Uint32(owner)
	for _, n := range []uint64{10, 10} {
		if vers == 4 {
			e.Uint64(n)
		} else {
			e.Uint32(uint32(n))
		}
	}
	if proc == nlmLock {
		e.Bool(false) // no reclaim
		e.Uint32(1)   // state
	}
	return cookie, e.Bytes()
}

// outcome demands a cookie and a status.
func (l *lockd) outcome(b, cookie []byte, want uint32, what string) {
	l.t.Helper()
	d := rpc.NewDecoder(b)
	got, stat := d.Opaque(1024), d.Uint32()
	if !d.OK() || !bytes.Equal(got, cookie) || stat != want {
		l.t.Errorf("%s: cookie %q, status %d; want %q, %d", what, got, stat, cookie, want)
	}
}

// call is a procedure that is answered, over UDP or TCP.
func (l *lockd) call(tcp bool, vers, proc, owner uint32, block bool, want uint32) {
	l.t.Helper()
	cookie, args := l.lockArgs(vers, proc, owner, block)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	call := l.socket.Call
	if tcp {
		call = rpc.CallTCP
	}
	b, err := call(ctx, netip.MustParseAddr(macAddr), l.server, &rpc.OutCall{Prog: progNLM, Vers: vers, Proc: proc, Args: args})
	if err != nil {
		l.t.Fatalf("version %d procedure %d: %v", vers, proc, err)
	}
	l.outcome(b, cookie, want, fmt.Sprintf("version %d procedure %d", vers, proc))
}

// message is a procedure that is answered by a call, which must come from where the server listens.
func (l *lockd) message(vers, proc, owner uint32, block bool, want uint32) {
	l.t.Helper()
	cookie, args := l.lockArgs(vers, proc, owner, block)
	err := l.socket.Send(netip.Addr{}, l.server, &rpc.OutCall{Prog: progNLM, Vers: vers, Proc: proc + nlmMsg, Args: args})
	if err != nil {
		l.t.Fatal(err)
	}
	h := l.hear(vers, proc+nlmRes)
	l.outcome(h.args, cookie, want, fmt.Sprintf("version %d procedure %d", vers, h.proc))
}

// hear waits for a call of one of some procedures.
func (l *lockd) hear(vers uint32, procs ...uint32) heard {
	l.t.Helper()
	for {
		select {
		case h := <-l.calls:
			if h.from != l.server || h.vers != vers {
				l.t.Errorf("called from %v in version %d; the server listens at %v", h.from, h.vers, l.server)
			}
			for _, p := range procs {
				if h.proc == p {
					return h
				}
			}
			l.t.Errorf("called by procedure %d, not %v", h.proc, procs)
		case <-time.After(patience):
			l.t.Fatalf("no call of procedures %v", procs)
		}
	}
}

// TestMacLocks has a Mac find the lock manager and lock by it: in versions 1, 3 and 4, over UDP from the socket where its own daemon
// listens, by calls that are answered and by messages, and over TCP.
func TestMacLocks(t *testing.T) {
	if !enclosed(t, nil) {
		return
	}
	lan.Bridge(t, 0)
	server := harness.ServeAt(t, lan.ServerAddr, 2049, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--portmap", ":111",
		"--root-owner", "501:20", "--squash", "none")
	client, err := rawnfs.Dial(server.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	root, err := client.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	l := startLockd(t)
	l.server = netip.MustParseAddrPort(server.Addr())
	if l.fh, err = client.Create(root, "locked"); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]callFrom{"udp": rpc.CallUDP, "tcp": rpc.CallTCP} {
		f := finder{t, lan.ServerAddr, call}
		for _, netid := range []string{"udp", "tcp"} {
			for _, vers := range []uint32{1, 3, 4} {
				if port := f.getaddr(4, progNLM, vers, netid); int(port) != server.Port {
					t.Errorf("asked over %s: the lock manager, version %d, over %s is at %d", name, vers, netid, port)
				}
			}
			if port := f.getaddr(3, progStatus, 1, netid); port == 0 {
				t.Errorf("asked over %s: no status monitor over %s", name, netid)
			}
		}
	}
	for _, vers := range []uint32{1, 3, 4} {
		for _, tcp := range []bool{false, true} {
			l.call(tcp, vers, nlmTest, 1, false, nlmStatGranted)
			l.call(tcp, vers, nlmLock, 1, false, nlmStatGranted)
			l.call(tcp, vers, nlmTest, 2, false, nlmStatDenied)
			l.call(tcp, vers, nlmLock, 2, false, nlmStatDenied)
			l.call(tcp, vers, nlmUnlock, 1, false, nlmStatGranted)
		}
		l.message(vers, nlmLock, 1, false, nlmStatGranted)
		l.message(vers, nlmTest, 2, false, nlmStatDenied)
		l.message(vers, nlmLock, 2, true, nlmStatBlocked)
		l.message(vers, nlmLock, 3, true, nlmStatBlocked)
		l.message(vers, nlmCancel, 3, true, nlmStatGranted)
		l.call(false, vers, nlmUnlock, 1, false, nlmStatGranted)
		h := l.hear(vers, nlmGranted, nlmGranted+nlmMsg)
		if h.proc == nlmGranted+nlmMsg {
			e := rpc.NewEncoder(nil)
			e.Opaque(rpc.NewDecoder(h.args).Opaque(1024))
			e.Uint32(nlmStatGranted)
			if err := l.socket.Send(netip.Addr{}, l.server, &rpc.OutCall{Prog: progNLM, Vers: vers, Proc: nlmGranted + nlmRes, Args: e.Bytes()}); err != nil {
				t.Fatal(err)
			}
		}
		l.message(vers, nlmTest, 1, false, nlmStatDenied)
		l.message(vers, nlmUnlock, 2, false, nlmStatGranted)
	}
}
