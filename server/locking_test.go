package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/admin"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nlm"
	"pmemfs/server/nsm"
	"pmemfs/server/rpc"
)

// lock asks for a lock of a whole file by version 4, and returns the status.
func lock(t *testing.T, addr netip.AddrPort, fh []byte, exclusive, reclaim bool) uint32 {
	t.Helper()
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte("cookie"))
	e.Bool(false)
	e.Bool(exclusive)
	for _, b := range [][]byte{[]byte("client"), fh, []byte("owner")} {
		e.Opaque(b)
	}
	e.Uint32(1)
	e.Uint64(0)
	e.Uint64(0)
	e.Bool(reclaim)
	e.Uint32(1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := rpc.CallTCP(ctx, netip.Addr{}, addr, &rpc.OutCall{Prog: nlm.Number, Vers: 4, Proc: 2, Args: e.Bytes()})
	must(t, err)
	d := rpc.NewDecoder(b)
	d.Opaque(100)
	return d.Uint32()
}

// readyInGrace demands that a server is ready, and in its grace time or not; whoever waits for the end of that is told.
func readyInGrace(t *testing.T, s *server.Server, grace bool) {
	t.Helper()
	code := 0
	var body []byte
	for code != http.StatusOK { // until Serve has begun
		code, body = ask(t, s, "GET", "/readyz")
	}
	if r := reading[admin.Report](t, code, body); r.Grace != grace {
		t.Errorf("grace: %s", body)
	}
	if code, body = ask(t, s, "GET", "/readyz?grace=wait"); (code == http.StatusOK) == grace {
		t.Errorf("behind grace: %d %s", code, body)
	}
}

// TestLocking: locks outlive a restart of the server as far as their clients claim them, and can be left out.
func TestLocking(t *testing.T) {
	const granted, deniedGrace = 0, 4
	c := config(filepath.Join(t.TempDir(), "image"))
	c.Locking.Grace = server.DefaultGrace
	c.Admin.Address = "127.0.0.1:0"
	s, err := server.Open(c)
	must(t, err)
	must(t, s.Close())
	eng, err := pmemfs.Open(c.Images[0].Path, pmemfs.Options{})
	must(t, err)
	a, err := eng.Create(&pmemfs.Cred{}, nil, eng.Root(), []byte("file"), &pmemfs.CreateOptions{Attr: pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o666}})
	must(t, err)
	x, codec := export.Default(), handle.New(eng)
	fh := codec.Append(nil, x.ID(), a.Handle)
	must(t, eng.Close())
	for _, stack := range []string{server.StackNative, server.StackGoNFS} {
		c.NFSStack = stack
		for _, again := range []bool{false, true} {
			s, err := server.Open(c)
			must(t, err)
			stop := run(t, s)
			readyInGrace(t, s, again || stack == server.StackGoNFS)
			if again {
				if st := lock(t, s.Addr(), fh, true, false); st != deniedGrace {
					t.Errorf("%s: a new lock in grace: status %d", stack, st)
				}
			}
			if st := lock(t, s.Addr(), fh, true, again || stack == server.StackGoNFS); st != granted {
				t.Errorf("%s, again %v: status %d", stack, again, st)
			}
			stop()
			checkClean(t, c.Images[0].Path)
		}
	}
	c.Locking.Off = true
	s, err = server.Open(c)
	must(t, err)
	stop := run(t, s)
	for _, prog := range []uint32{nlm.Number, nsm.Number} {
		var refusal *rpc.Refusal
		_, err := rpc.CallTCP(context.Background(), netip.Addr{}, s.Addr(), &rpc.OutCall{Prog: prog, Vers: 1})
		if !errors.As(err, &refusal) || refusal.Stat != rpc.ProgUnavail {
			t.Errorf("program %d is there: %v", prog, err)
		}
	}
	stop()
	c.Locking = server.Locking{Grace: -1}
	if _, err := server.Open(c); err == nil {
		t.Error("a grace below zero is taken")
	}
}
