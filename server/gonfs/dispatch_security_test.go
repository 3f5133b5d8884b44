package gonfs_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	nfsc "github.com/willscott/go-nfs-client/nfs"
	nfsrpc "github.com/willscott/go-nfs-client/nfs/rpc"

	"pmemfs/server/export"
	"pmemfs/server/rpc"
)

// TestOwnership: files belong to whom they were made by, and the mode keeps others out, on one connection.
func TestOwnership(t *testing.T) {
	s := newSite(t, nil)
	c := s.dial()
	root := c.root()
	alice, bob, friend := c.as(1000, 1000), c.as(1001, 1001), c.as(1002, 5, 9, 1000)
	fh := alice.create(root, "private", 0o600)
	alice.write(fh, 0, "secret")
	if a := bob.getattr(fh); a.uid != 1000 || a.gid != 1000 || a.mode != 0o600 {
		t.Errorf("attributes %+v", a)
	}
	bob.want(errAcces, 6, pack(fh, uint64(0), 10))
	bob.want(errAcces, 7, pack(fh, uint64(0), 1, 2, "x"))
	bob.want(errPerm, 2, pack(fh, sattr(0o666), 0))
	bob.want(errAcces, 2, pack(fh, raw(pack(0, 0, 0, 1, uint64(0), 0, 0)), 0))
	alice.ok(2, pack(fh, sattr(0o640), 0))
	if got, _ := friend.read(fh, 0, 10); got != "secret" {
		t.Errorf("a member of the group reads %q", got)
	}
	friend.want(errAcces, 7, pack(fh, uint64(0), 1, 2, "x"))
	// Over NFS the owner may write what it opened before it took the permission away, or made without it.
	ro := alice.create(root, "readonly", 0o444)
	alice.write(ro, 0, "git does this")
	for _, k := range []struct {
		c    *client
		want uint32
	}{{alice, 0x0d}, {friend, 0x01}, {bob, 0}, {c, 0x0d}} {
		d := k.c.ok(4, pack(fh, 0x3f))
		postOp(d)
		if got := d.Uint32(); got != k.want {
			t.Errorf("ACCESS grants %#x, want %#x", got, k.want)
		}
	}
	dir := alice.mkdir(root, "dir", 0o700)
	bob.want(errAcces, 3, pack(dir, "x"))
	bob.want(errAcces, 16, pack(dir, uint64(0), uint64(0), 4096))
	bob.want(errAcces, 8, pack(dir, "x", 1, noSattr))
	st, d := bob.nfs(4, pack(bytes.Repeat([]byte{1}, 40), 1))
	if _, ok := postOp(d); st != errStale || ok { // by its first bytes, of another filesystem
		t.Errorf("ACCESS to nothing: %d, %v", st, ok)
	}
}

func TestSquash(t *testing.T) {
	for squash, want := range map[export.Squash][2]uint32{
		export.SquashNone: {0, 1000}, export.SquashRoot: {65534, 1000}, export.SquashAll: {65534, 65534},
	} {
		s := newSite(t, func(s *site) { s.exports[0].Squash = squash })
		c := s.dial()
		root := c.root()
		r, u := c.create(root, "root", 0o600), c.as(1000, 1000).create(root, "user", 0o600)
		anon := *c
		anon.cred = noAuth()
		n := anon.create(root, "anon", 0o600)
		if got := [2]uint32{c.getattr(r).uid, c.getattr(u).uid}; got != want {
			t.Errorf("squash %v: owners %v, want %v", squash, got, want)
		}
		if got := c.getattr(n).uid; got != 65534 {
			t.Errorf("squash %v: AUTH_NONE made a file of %d", squash, got)
		}
		if squash == export.SquashRoot {
			c.want(errAcces, 6, pack(u, uint64(0), 1))
		}
	}
}

// TestExports has two exports of which one is a read-only subtree, and one that this client may not use.
func TestExports(t *testing.T) {
	s := newSite(t, func(s *site) {
		sub, far := export.Default(), export.Default()
		sub.Name, sub.Subtree, sub.ReadOnly = "/sub", "/dir", true
		far.Name, far.Clients = "/far", []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		s.exports = append(s.exports, sub, far)
	})
	c := s.dial()
	root := c.root()
	dir := c.lookup(root, "dir")
	c.create(dir, "file", 0o644)
	deep := c.mkdir(dir, "deep", 0o755)
	sub, st := c.mnt("/sub")
	if st != 0 {
		t.Fatalf("MNT /sub: %d", st)
	}
	file := c.lookup(sub, "file")
	c.want(errROFS, 7, pack(file, uint64(0), 1, 2, "x"))
	c.want(errROFS, 12, pack(sub, "file"))
	d := c.ok(4, pack(file, 0x3f))
	postOp(d)
	if got := d.Uint32(); got&0x1c != 0 {
		t.Errorf("ACCESS on a read-only export grants %#x", got)
	}
	if up := c.lookup(sub, ".."); !bytes.Equal(up, sub) {
		t.Error("the subtree has a way up")
	}
	list(c, sub, true, 8192, func(names []string) {
		if len(names) != 4 {
			t.Errorf("the subtree has %q", names)
		}
	})
	c.want(errXDev, 15, pack(file, dir, "link"))
	if below, st := c.mnt("/sub/deep"); st != 0 || c.getattr(below).ino != c.getattr(deep).ino {
		t.Errorf("MNT /sub/deep: %d", st)
	}
	c.ok(10, pack(root, "link", noSattr, "/dir"))
	for path, want := range map[string]uint32{"/far": errAcces, "/none": errNoEnt, "/sub/file": errNotDir, "/link": 0, "/sub/../..": 0, "": errNoEnt} {
		if _, st := c.mnt(path); st != want {
			t.Errorf("MNT %q: %d, want %d", path, st, want)
		}
	}
	_, d = c.rpc(100005, 3, 5, nil)
	var names []string
	for d.Bool() {
		names = append(names, string(d.Opaque(1024)))
		for d.Bool() {
			names = append(names, string(d.Opaque(255)))
		}
	}
	if fmt.Sprint(names) != "[/ /sub]" || !d.Done() {
		t.Errorf("EXPORT lists %q", names)
	}
	for _, proc := range []uint32{2, 4} {
		if st, _ := c.rpc(100005, 3, proc, nil); st != rpc.Success {
			t.Errorf("MOUNT procedure %d: %d", proc, st)
		}
	}
	if st, _ := c.rpc(100005, 3, 3, pack("/")); st != rpc.Success {
		t.Errorf("UMNT: %d", st)
	}
}

// TestConcurrentClients has clients of several users work in one directory.
func TestConcurrentClients(t *testing.T) {
	s := newSite(t, nil)
	root := s.dial().root()
	var wg sync.WaitGroup
	for w := range 8 {
		c := s.dial().as(uint32(1000+w), 100)
		wg.Go(func() {
			for i := range 30 {
				name := fmt.Sprintf("%d-%d", w, i)
				fh := c.create(root, name, 0o644)
				c.write(fh, 0, name)
				if got, _ := c.read(fh, 0, 100); got != name {
					t.Errorf("%s reads %q", name, got)
				}
				if a := c.getattr(fh); a.uid != uint32(1000+w) {
					t.Errorf("%s belongs to %d", name, a.uid)
				}
				c.ok(14, pack(root, name, root, name+"r"))
				if i%3 == 0 {
					c.ok(12, pack(root, name+"r"))
				}
			}
		})
	}
	wg.Wait()
	requireAll(t, list(s.dial(), root, true, 8192, func([]string) {}), 8*20)
}

// TestGoNFSClient uses another program's idea of the protocol.
func TestGoNFSClient(t *testing.T) {
	s := newSite(t, nil)
	conn, err := nfsrpc.DialTCP("tcp", s.addr, false)
	must(t, err)
	defer conn.Close()
	mounter := nfsc.Mount{Client: conn}
	target, err := mounter.Mount("/", nfsrpc.AuthNull)
	must(t, err)
	_, err = target.Mkdir("/dir", 0o755)
	must(t, err)
	f, err := target.OpenFile("/dir/file", 0o644)
	must(t, err)
	text := bytes.Repeat([]byte("some text "), 30000)
	_, err = f.Write(text)
	must(t, err)
	must(t, f.Close())
	f, err = target.Open("/dir/file")
	must(t, err)
	got := make([]byte, 0, len(text))
	buf := make([]byte, 64<<10)
	for {
		n, err := f.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil || n == 0 {
			break
		}
	}
	if !bytes.Equal(got, text) {
		t.Errorf("read %d bytes of %d", len(got), len(text))
	}
	entries, err := target.ReadDirPlus("/dir")
	must(t, err)
	if len(entries) != 1 || entries[0].FileName != "file" || entries[0].Attr.Attr.Filesize != uint64(len(text)) {
		t.Errorf("entries %+v", entries)
	}
	must(t, target.Rename("/dir/file", "/moved"))
	must(t, target.RmDir("/dir"))
	must(t, target.Remove("/moved"))
	must(t, mounter.Unmount())
}
