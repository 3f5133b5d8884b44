package server_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/nfswire"
	"pmemfs/server/portmap"
	"pmemfs/server/rpc"
)

// TestFirstRunAndNext makes an image, stops with a client connected, and starts again on the same one.
func TestFirstRunAndNext(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	s, err := server.Open(config(image))
	must(t, err)
	i := s.Images()[0]
	if !i.Created() || i.Info().Domain == "" || len(i.Exports()) != 1 {
		t.Errorf("first run: created %v, %+v", i.Created(), i.Info())
	}
	uuid := i.Info().UUID
	stop := run(t, s)
	conn, err := net.Dial("tcp", s.Addr().String())
	must(t, err)
	defer conn.Close()
	if _, err := server.Open(config(image)); !errors.Is(err, pmemfs.ErrLocked) {
		t.Errorf("a second server: %v", err)
	}
	stop()
	info, err := pmemfs.ReadInfo(image)
	must(t, err)
	if !info.Clean || info.ReplayRecords != 0 {
		t.Errorf("after the stop: %+v", info)
	}
	checkClean(t, image)

	s, err = server.Open(config(image))
	must(t, err)
	if i := s.Images()[0]; i.Created() || i.Info().UUID != uuid {
		t.Errorf("next run: created %v, %+v", i.Created(), i.Info())
	}
	must(t, s.Close())
	checkClean(t, image)
	if left, err := filepath.Glob(image + "*"); err != nil || len(left) != 1 {
		t.Errorf("left behind %q, %v", left, err)
	}
}

// TestPortmapperBeside: the portmapper is at an address of its own, with the host of NFS if none is named, and ends with the server.
func TestPortmapperBeside(t *testing.T) {
	c := config(filepath.Join(t.TempDir(), "image"))
	c.Finding.Portmap = ":0"
	s, err := server.Open(c)
	must(t, err)
	stop := run(t, s)
	if s.Portmap().Addr() != s.Addr().Addr() || s.Portmap().Port() == s.Addr().Port() || s.Registered() {
		t.Errorf("a portmapper at %v beside %v", s.Portmap(), s.Addr())
	}
	e := rpc.NewEncoder(nil)
	for _, w := range []uint32{nfswire.ProgNFS, 3, 6, 0} {
		e.Uint32(w)
	}
	const getport = 3
	for _, call := range []func(context.Context, netip.Addr, netip.AddrPort, *rpc.OutCall) ([]byte, error){rpc.CallUDP, rpc.CallTCP} {
		got, err := call(t.Context(), netip.Addr{}, s.Portmap(), &rpc.OutCall{Prog: portmap.Number, Vers: 2, Proc: getport, Args: e.Bytes()})
		must(t, err)
		if port := rpc.NewDecoder(got).Uint32(); port != uint32(s.Addr().Port()) {
			t.Errorf("NFS is told to be at %d", port)
		}
	}
	stop()
	l, err := net.Listen("tcp", s.Portmap().String())
	must(t, err)
	must(t, l.Close())
}

// TestInterruptedFirstRun: the remains of a first run that was cut short are no obstacle and never an image.
func TestInterruptedFirstRun(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(image+".new", []byte("half"), 0o600))
	s, err := server.Open(config(image))
	must(t, err)
	must(t, s.Close())
	checkClean(t, image)
}

// TestRefusals: what cannot be served is refused before anything is made, and what is not ours is left alone.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer busy.Close()
	for name, change := range map[string]func(*server.Config){
		"stack":     func(c *server.Config) { c.NFSStack = "knfsd" },
		"address":   func(c *server.Config) { c.NFS = "nowhere" },
		"port":      func(c *server.Config) { c.NFS = "127.0.0.1:99999" },
		"portmap":   func(c *server.Config) { c.Finding.Portmap = "nowhere" },
		"both":      func(c *server.Config) { c.Finding = server.Finding{Portmap: ":0", Register: true} },
		"no export": func(c *server.Config) { c.Images[0].Exports = nil },
		"no image":  func(c *server.Config) { c.Images[0].Path = "" },
		"no size":   func(c *server.Config) { c.Images[0].New.Size = 0 },
		"no folder": func(c *server.Config) { c.Images[0].Path = filepath.Join(dir, "none", "image") },
	} {
		c := config(image)
		change(&c)
		if s, err := server.Open(c); err == nil {
			t.Errorf("%s: opened", name)
			must(t, s.Close())
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("refusals left %v, %v", left, err)
	}
	text := bytes.Repeat([]byte("not an image\n"), 100000)
	must(t, os.WriteFile(image, text, 0o600))
	if _, err := server.Open(config(image)); !errors.Is(err, pmemfs.ErrNotImage) {
		t.Errorf("a foreign file: %v", err)
	}
	if got, err := os.ReadFile(image); err != nil || !bytes.Equal(got, text) {
		t.Error("a foreign file was changed")
	}
	must(t, os.Remove(image))
	for name, change := range map[string]func(*server.Config){
		"busy port": func(c *server.Config) { c.NFS = busy.Addr().String() },
		"busy map":  func(c *server.Config) { c.Finding.Portmap = busy.Addr().String() },
		"rpcbind": func(c *server.Config) {
			c.Finding = server.Finding{Register: true, Rpcbind: portmap.Rpcbind{Sockets: []string{dir}}}
		},
		"subtree": func(c *server.Config) { c.Images[0].Exports[0].Subtree = "/none" },
	} {
		c := config(image)
		change(&c)
		if _, err := server.Open(c); err == nil {
			t.Errorf("%s: opened", name)
		}
		if _, err := os.Stat(image); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: an image was made: %v", name, err)
		}
	}
}

func TestBeyondLoopbackWarns(t *testing.T) {
	var mu sync.Mutex
	var text strings.Builder
	c := config(filepath.Join(t.TempDir(), "image"))
	c.NFS = "0.0.0.0:0"
	c.Logger = slog.New(slog.NewTextHandler(writer(func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		text.Write(p)
	}), nil))
	s, err := server.Open(c)
	must(t, err)
	must(t, s.Close())
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(text.String(), "level=WARN") {
		t.Errorf("no warning in %q", text.String())
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }
