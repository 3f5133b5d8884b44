package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/control"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/ninetest"
	"pmemfs/server/nsm"
	"pmemfs/server/rpc"
)

// several is a server of images in a folder, one for each list of exports, which everybody may write to.
func several(dir string, exports ...[]string) server.Config {
	c := server.Config{NFS: "127.0.0.1:0", NineP: []string{"127.0.0.1:0"}, Admin: server.Admin{Address: "127.0.0.1:0"}}
	for n, names := range exports {
		i := server.ImageConfig{Path: filepath.Join(dir, fmt.Sprint("image", n)), New: server.NewImage{Size: imageBytes, Owner: &server.Owner{Mode: 0o1777}}}
		for _, name := range names {
			x := export.Default()
			x.Name, x.Squash = name, export.SquashNone
			i.Exports = append(i.Exports, x)
		}
		c.Images = append(c.Images, i)
	}
	return c
}

// trees are the exports of the images of most tests: the name of one begins with that of another image's, and that of one with all.
var trees = [][]string{{"/a", "/a2"}, {"/a/b"}, {"/"}}

// TestImagesNFS serves three images to one client over one connection: each file is in its image, whatever else has its name or number.
func TestImagesNFS(t *testing.T) {
	cfg := several(t.TempDir(), trees...)
	s, err := server.Open(cfg)
	must(t, err)
	stop := run(t, s)
	c := dialNFS(t, s.Addr().String())
	names := []string{"/a", "/a/b", "/", "/a2"}
	var roots, files [][]byte
	for _, name := range names[:3] {
		roots = append(roots, c.mount(name))
		files = append(files, c.create(roots[len(roots)-1], "file", "of "+name))
	}
	fsids := map[uint64]bool{}
	for n, fh := range files {
		if data, st := c.read(fh); st != nfswire.OK || data != "of "+names[n] {
			t.Errorf("%s: %q, %v", names[n], data, st)
		}
		st, d := c.nfs(nfswire.ProcGetattr, fh)
		d.Fixed(44)
		if fsids[d.Uint64()] = true; st != nfswire.OK {
			t.Errorf("GETATTR of %s: %v", names[n], st)
		}
	}
	if len(fsids) != 3 {
		t.Errorf("filesystems %v", fsids)
	}
	second := c.mount("/a2") // the same image as /a
	if fh, st := c.lookup(second, "file"); st != nfswire.OK {
		t.Errorf("another export of an image: %v", st)
	} else if data, _ := c.read(fh); data != "of /a" {
		t.Errorf("another export of an image: %q", data)
	}
	for n, to := range [][]byte{roots[1], roots[2], second} { // what is of other images, and another export of the same
		if st, _ := c.nfs(nfswire.ProcRename, roots[0], "file", to, fmt.Sprint("to", n)); st != nfswire.ErrXDev {
			t.Errorf("RENAME to another device %d: %v", n, st)
		}
		if st, _ := c.nfs(nfswire.ProcLink, files[0], to, fmt.Sprint("to", n)); st != nfswire.ErrXDev {
			t.Errorf("LINK to another device %d: %v", n, st)
		}
	}
	if st, _ := c.nfs(nfswire.ProcRename, roots[1], "file", roots[1], "renamed"); st != nfswire.OK {
		t.Errorf("RENAME within an image: %v", st)
	}
	foreign := slices.Clone(files[0])
	foreign[0] ^= 1
	if _, st := c.read(foreign); st != nfswire.ErrStale {
		t.Errorf("a handle of no image: %v", st)
	}
	if st, _ := c.nfs(nfswire.ProcRename, roots[0], "file", foreign, "x"); st != nfswire.ErrStale {
		t.Errorf("RENAME to no image: %v", st)
	}
	if st, _ := c.nfs(nfswire.ProcGetattr, "short"); st != nfswire.ErrBadHandle {
		t.Errorf("a handle of another form: %v", st)
	}
	c.call(nfswire.ProgNFS, nfswire.ProcNull)
	if d := c.call(nfswire.ProgACL, 1, files[2], 1); d.Uint32() != 0 {
		t.Error("GETACL of the third image")
	}
	listed(t, c)
	stop()
	for _, i := range cfg.Images {
		checkClean(t, i.Path)
	}
}

// listed demands that MOUNT and RQUOTA know the exports of all images.
func listed(t *testing.T, c *nfsClient) {
	t.Helper()
	got := opaques(c.call(progMount, 5), func(d *rpc.Decoder) string {
		name := string(d.Opaque(1000))
		opaques(d, func(d *rpc.Decoder) string { return string(d.Opaque(1000)) })
		return name
	})
	if !slices.Equal(got, []string{"/a", "/a2", "/a/b", "/"}) {
		t.Errorf("EXPORT: %q", got)
	}
	dump := func() []string {
		return opaques(c.call(progMount, 2), func(d *rpc.Decoder) string { d.Opaque(1000); return string(d.Opaque(1000)) })
	}
	if got := dump(); !slices.Equal(got, []string{"/a", "/a/b", "/", "/a2"}) {
		t.Errorf("DUMP: %q", got)
	}
	c.call(progMount, 3, "/a/b")
	if got := dump(); !slices.Equal(got, []string{"/a", "/", "/a2"}) {
		t.Errorf("DUMP after UMNT: %q", got)
	}
	c.call(progMount, 4)
	if got := dump(); len(got) != 0 {
		t.Errorf("DUMP after UMNTALL: %q", got)
	}
}

// TestImagesNineP attaches to three images in one session: each file is in its image, and nothing is moved or linked from one to another.
func TestImagesNineP(t *testing.T) {
	cfg := several(t.TempDir(), trees...)
	cfg.Images[1].Volatile = true // of which no change waits, as those of the others do
	s, err := server.Open(cfg)
	must(t, err)
	stop := run(t, s)
	c, err := ninetest.Dial("tcp", s.NineP()[0])
	must(t, err)
	defer c.Close()
	must(t, c.Begin(1<<20, 0, "/a", 0))
	must(t, c.Attach(1, "/a/b", 0))
	must(t, c.Attach(2, "/", 0))
	const file = 10
	for n := range uint32(3) {
		_, err := c.Walk(n, file+n)
		must(t, err)
		must(t, c.Create(file+n, "file", 2, 0o666, 0))
		_, err = c.Write(file+n, 0, []byte(fmt.Sprint("of ", n)))
		must(t, err)
		if status, err := c.Lock(file+n, 1, 0, 0, 0, 7, "host"); err != nil || status != 0 {
			t.Errorf("a lock in image %d: %d, %v", n, status, err)
		}
	}
	for n := range uint32(3) {
		if data, err := c.Read(file+n, 0, 100); err != nil || string(data) != fmt.Sprint("of ", n) {
			t.Errorf("image %d: %q, %v", n, data, err)
		}
		to := (n + 1) % 3
		_, err := c.Walk(n, 20, "file")
		must(t, err)
		for what, err := range map[string]error{
			"Trenameat": c.Do(ninetest.Renameat, n, "file", to, "moved"),
			"Trename":   c.Do(ninetest.Rename, uint32(20), to, "moved"),
			"Tlink":     c.Do(ninetest.Link, to, uint32(20), "linked"),
		} {
			if !errors.Is(err, syscall.EXDEV) {
				t.Errorf("%s from image %d: %v", what, n, err)
			}
		}
		must(t, c.Do(ninetest.Renameat, n, "file", n, "renamed"))
		must(t, c.Do(ninetest.Clunk, uint32(20)))
	}
	must(t, c.Do(ninetest.Clunk, uint32(file)))
	for n, i := range s.Images() {
		if held := lockUnits(t, s, i.Path()); (held == 0) != (n == 0) {
			t.Errorf("image %d: %d locks", n, held)
		}
	}
	must(t, c.Begin(1<<20, 0, "/", 0)) // which ends everything of the session before
	for n, i := range s.Images() {
		if held := lockUnits(t, s, i.Path()); held != 0 {
			t.Errorf("image %d: %d locks after Tversion", n, held)
		}
	}
	stop()
	for _, i := range cfg.Images {
		checkClean(t, i.Path)
	}
}

// lockUnits is how many locks an image has, as commands are told.
func lockUnits(t *testing.T, s *server.Server, path string) int {
	t.Helper()
	for _, i := range status(t, s).Images {
		if i.Path == path {
			return i.Locks.Held
		}
	}
	t.Fatalf("%s is not served", path)
	return 0
}

// status is how a server is.
func status(t *testing.T, s *server.Server) control.Status {
	t.Helper()
	code, body := ask(t, s, "GET", "/v1/status")
	return reading[control.Status](t, code, body)
}

// TestImagesLocks: locks of two images know nothing of each other, an image without locks says so, and after a restart the one in which there were some
// is in grace. To clients the images are one host, whose state is one number.
func TestImagesLocks(t *testing.T) {
	const granted, denied, noLocks, deniedGrace = 0, 1, 2, 4
	cfg := several(t.TempDir(), trees...)
	cfg.NineP, cfg.Locking.Grace = nil, server.DefaultGrace
	alone := cfg
	alone.Images = cfg.Images[1:2]
	for _, c := range []server.Config{cfg, alone, alone} { // of which the second one has counted further then
		s, err := server.Open(c)
		must(t, err)
		must(t, s.Close())
	}
	cfg.Images[2].Exports[0].ReadOnly = true
	must(t, os.Chmod(cfg.Images[2].Path, 0o400))
	asUser := os.Geteuid() != 0 // root writes to what nobody may
	var state uint32
	for _, again := range []bool{false, true} {
		s, err := server.Open(cfg)
		must(t, err)
		stop := run(t, s)
		c := dialNFS(t, s.Addr().String())
		var fhs [][]byte
		for _, name := range []string{"/a", "/a/b"} {
			fhs = append(fhs, c.create(c.mount(name), "file", "data"))
		}
		want := granted
		if again {
			want = deniedGrace
		}
		if st := lock(t, s.Addr(), fhs[0], true, false); st != uint32(want) {
			t.Errorf("again %v: a lock in the first image: %d", again, st)
		}
		if again {
			if st := lock(t, s.Addr(), fhs[1], true, false); st != granted {
				t.Errorf("a lock in an image that is not in grace: %d", st)
			}
			if st := lock(t, s.Addr(), fhs[0], true, true); st != granted {
				t.Errorf("a claim in the first image: %d", st)
			}
		}
		if st := lock(t, s.Addr(), c.mount("/"), false, false); asUser && st != noLocks {
			t.Errorf("a lock in an image that cannot be written: %d", st)
		}
		now := statOf(t, s.Addr())
		if now <= state || now%2 != 1 {
			t.Errorf("state %d after %d", now, state)
		}
		state = now
		if !again {
			cfg = crashed(t, cfg)
		}
		stop()
	}
	var next []uint32
	for _, i := range cfg.Images[:2] {
		eng, err := pmemfs.Open(i.Path, pmemfs.Options{})
		must(t, err)
		n, err := nsm.NextState(eng)
		must(t, err)
		must(t, eng.Close())
		next = append(next, n)
	}
	if next[0] != next[1] || next[0] != state+2 {
		t.Errorf("states to come: %d, after %d", next, state)
	}
}

// statOf is the state number that the status monitor tells.
func statOf(t *testing.T, addr netip.AddrPort) uint32 {
	t.Helper()
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte("host"))
	b, err := rpc.CallTCP(t.Context(), netip.Addr{}, addr, &rpc.OutCall{Prog: 100024, Vers: 1, Proc: 1, Args: e.Bytes()})
	must(t, err)
	d := rpc.NewDecoder(b)
	d.Uint32()
	return d.Uint32()
}

// crashed leaves the images of a server that serves as a SIGKILL at this moment would, in another folder, and returns the configuration for those.
func crashed(t *testing.T, cfg server.Config) server.Config {
	t.Helper()
	dir := t.TempDir()
	cfg.Images = slices.Clone(cfg.Images)
	for n := range cfg.Images {
		i := &cfg.Images[n]
		st, err := os.Stat(i.Path)
		must(t, err)
		b, err := os.ReadFile(i.Path)
		must(t, err)
		i.Path = filepath.Join(dir, filepath.Base(i.Path))
		must(t, os.WriteFile(i.Path, b, st.Mode()))
	}
	return cfg
}

// TestImagesCrash kills a server of two images: both have all that was answered.
func TestImagesCrash(t *testing.T) {
	var log safeBuffer
	cfg := several(t.TempDir(), trees[:2]...)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := server.Open(cfg)
	must(t, err)
	stop := run(t, s)
	c := dialNFS(t, s.Addr().String())
	for n := range 20 {
		for _, name := range []string{"/a", "/a/b"} {
			c.create(c.mount(name), fmt.Sprint("file", n), name)
		}
	}
	next := crashed(t, cfg)
	stop()
	s, err = server.Open(next)
	must(t, err)
	stop = run(t, s)
	c = dialNFS(t, s.Addr().String())
	for n := range 20 {
		for _, name := range []string{"/a", "/a/b"} {
			fh, st := c.lookup(c.mount(name), fmt.Sprint("file", n))
			if data, _ := c.read(fh); st != nfswire.OK || data != name {
				t.Errorf("%s, file %d: %v, %q", name, n, st, data)
			}
		}
	}
	stop()
	for _, i := range next.Images {
		checkClean(t, i.Path)
	}
	if text := log.String(); strings.Count(text, "image="+next.Images[1].Path) == 0 {
		t.Errorf("the log does not say which image it is about: %s", text)
	}
}

// TestImagesFail: an image whose file is cut off under the server fails, and the other one is served as before and closed in order.
func TestImagesFail(t *testing.T) {
	cfg := several(t.TempDir(), trees[:2]...)
	s, err := server.Open(cfg)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	c := dialNFS(t, s.Addr().String())
	bad, good := c.create(c.mount("/a"), "file", "data"), c.create(c.mount("/a/b"), "file", "data")
	must(t, os.Truncate(cfg.Images[0].Path, 4096))
	if st := c.write(bad, "more"); st == nfswire.OK {
		t.Error("a write to an image without a medium is answered as done")
	}
	for range 10 {
		if st := c.write(good, "more"); st != nfswire.OK {
			t.Errorf("a write to the other image: %v", st)
		}
	}
	if data, st := c.read(good); st != nfswire.OK || data != "more" {
		t.Errorf("a read from the other image: %q, %v", data, st)
	}
	if st := status(t, s).Images[1]; st.State != "ok" {
		t.Errorf("the other image: %s, %s", st.State, st.Reason)
	}
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), cfg.Images[0].Path) || strings.Contains(err.Error(), cfg.Images[1].Path) {
		t.Errorf("the end: %v", err)
	}
	checkClean(t, cfg.Images[1].Path)
	info, err := pmemfs.ReadInfo(cfg.Images[1].Path)
	if must(t, err); !info.Clean {
		t.Error("the other image was not closed in order")
	}
}
