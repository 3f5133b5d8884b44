package integration

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/integration/lan"
	"pmemfs/server/mount3"
	"pmemfs/server/nfswire"
	"pmemfs/server/portmap"
	"pmemfs/server/rpc"
)

// callFrom is a way to call a program.
type callFrom func(context.Context, netip.Addr, netip.AddrPort, *rpc.OutCall) ([]byte, error)

// finder asks for programs as a Mac does that was told nothing but the server's name: rpcbind in version 4 or 3, over UDP or TCP,
// from a port that is not privileged.
type finder struct {
	t    *testing.T
	host string
	call callFrom
}

func (f finder) results(call callFrom, to netip.AddrPort, c *rpc.OutCall) *rpc.Decoder {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := call(ctx, netip.Addr{}, to, c)
	if err != nil {
		f.t.Fatalf("program %d version %d procedure %d at %v: %v", c.Prog, c.Vers, c.Proc, to, err)
	}
	return rpc.NewDecoder(b)
}

// getaddr is GETADDR (RFC 1833 section 2.2.1). It returns the port in the address, whose host must be the one that was asked; 0 for none.
func (f finder) getaddr(vers, prog, progVers uint32, netid string) uint16 {
	f.t.Helper()
	e := rpc.NewEncoder(nil)
	e.Uint32(prog)
	e.Uint32(progVers)
	for _, s := range []string{netid, "", ""} {
		e.Opaque([]byte(s))
	}
	to := netip.AddrPortFrom(netip.MustParseAddr(f.host), portmap.Port)
	const getaddr = 3
	d := f.results(f.call, to, &rpc.OutCall{Prog: portmap.Number, Vers: vers, Proc: getaddr, Args: e.Bytes()})
	uaddr := string(d.Opaque(100))
	if !d.Done() {
		f.t.Fatalf("GETADDR: % x", d.Rest())
	}
	if uaddr == "" {
		return 0
	}
	rest, ok := strings.CutPrefix(uaddr, f.host+".")
	high, low, two := strings.Cut(rest, ".")
	if !ok || !two {
		f.t.Fatalf("program %d is told to be at %q", prog, uaddr)
	}
	return uint16(atoi(f.t, high)<<8 | atoi(f.t, low))
}

// TestMacFinds: every address of a server is told as the one that was asked, by each version and transport, and what is told is true.
func TestMacFinds(t *testing.T) {
	if !enclosed(t, nil) {
		return
	}
	lan.Bridge(t, 0)
	server := harness.ServeAt(t, "::", 2049, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--portmap", ":111")
	for _, host := range []string{"127.0.0.1", lan.ServerAddr, "::1"} {
		six := ""
		if strings.Contains(host, ":") {
			six = "6"
		}
		for name, call := range map[string]callFrom{"udp": rpc.CallUDP, "tcp": rpc.CallTCP} {
			t.Run(host+" "+name, func(t *testing.T) {
				f := finder{t, host, call}
				for _, vers := range []uint32{4, 3} {
					if port := f.getaddr(vers, nfswire.ProgNFS, 3, "tcp"+six); int(port) != server.Port {
						t.Errorf("NFS over TCP is at %d", port)
					}
					if port := f.getaddr(vers, nfswire.ProgNFS, 3, "udp"+six); port != 0 {
						t.Errorf("NFS over UDP is at %d", port)
					}
					for netid, call := range map[string]callFrom{"udp": rpc.CallUDP, "tcp": rpc.CallTCP} {
						f.mount(call, f.getaddr(vers, mount3.Number, 3, netid+six))
					}
				}
			})
		}
	}
}

// mount mounts the root over the transport of call.
func (f finder) mount(call callFrom, port uint16) {
	f.t.Helper()
	to := netip.AddrPortFrom(netip.MustParseAddr(f.host), port)
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte("/"))
	cred := &rpc.SysCred{UID: 501, GID: 20}
	const mnt, export = 1, 5
	d := f.results(call, to, &rpc.OutCall{Prog: mount3.Number, Vers: 3, Proc: mnt, Sys: cred, Machine: "mac", Args: e.Bytes()})
	if status, handle := d.Uint32(), d.Opaque(64); status != 0 || len(handle) == 0 || !d.OK() {
		f.t.Errorf("MNT at %v: status %d, a handle of %d bytes", to, status, len(handle))
	}
	d = f.results(call, to, &rpc.OutCall{Prog: mount3.Number, Vers: 3, Proc: export, Sys: cred})
	if !d.Bool() || string(d.Opaque(100)) != "/" {
		f.t.Errorf("EXPORT at %v lacks the root", to)
	}
}
