package ninep_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// TestVersion checks what is agreed on, and that it begins anew.
func TestVersion(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.dial()
	f.fails(syscall.EPROTO, c.Attach(0, "/", 0)) // before Tversion
	for _, v := range []struct {
		msize   uint32
		version string
		want    string
		agreed  uint32
	}{
		{8192, "9P2000.L", "9P2000.L", 8192},
		{1 << 31, "9P2000.L", "9P2000.L", messageBytes},
		{1 << 20, "9P2000.L.Google.7", "9P2000.L", 1 << 20},
		{8192, "9P2000.u", "unknown", 8192},
		{8192, "9P2000", "unknown", 8192},
		{8192, "", "unknown", 8192},
	} {
		a, err := c.Call(ninetest.Version, v.msize, v.version)
		f.ok(err)
		if msize, got := a.Uint32(), a.String(); msize != v.agreed || got != v.want {
			t.Errorf("%q, %d: %q, %d", v.version, v.msize, got, msize)
		}
	}
	f.fails(syscall.EPROTO, c.Attach(0, "/", 0)) // after an unknown one
	f.fails(syscall.EINVAL, c.Begin(100, 0, "/", 0))
	f.ok(c.Begin(8192, 0, "/", 0))
	f.file(c, 1, "f", "x", 0o644)
	f.ok(c.Begin(8192, 0, "/", 0)) // the fids are gone
	_, err := c.Read(1, 0, 1)
	f.fails(syscall.EBADF, err)
	f.fails(syscall.EMSGSIZE, c.Do(ninetest.Clunk, ninetest.Raw(make([]byte, 9000))))
	f.fails(syscall.ENOENT, c.Do(ninetest.Auth, uint32(1), "root", "/", uint32(0)))
	for _, kind := range []uint8{0, 6, 7, 10, 112, 114, 124, 126, 127, 128, 255} {
		f.fails(syscall.EOPNOTSUPP, c.Do(kind, uint32(0)))
	}
}

// TestAttach checks exports, users and squashing.
func TestAttach(t *testing.T) {
	f := serve(t, ninep.Limits{})
	root := f.mount(0)
	_, err := root.Made(ninetest.Mkdir, uint32(0), "sub", uint32(0o777), uint32(0))
	f.ok(err)
	f.walk(root, 0, 1, "sub")
	_, err = root.Made(ninetest.Mkdir, uint32(1), "below", uint32(0o700), uint32(0))
	f.ok(err)
	whole, sub, closed := export.Default(), export.Default(), export.Default()
	sub.Name, sub.Subtree, sub.Squash, sub.AnonUID, sub.AnonGID = "/s", "/sub", export.SquashAll, 500, 501
	closed.Name, closed.Clients = "/closed", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.export(whole, sub, closed)
	c := f.dial()
	f.ok(c.Begin(8192, 0, "/s", 0))
	f.fails(syscall.EACCES, c.Attach(1, "/closed", 0))
	f.fails(syscall.EACCES, c.Attach(1, "/s/below/deep", 0)) // of root, whom the export does not believe
	f.fails(syscall.ENOENT, c.Attach(1, "/s/nothing", 0))
	f.fails(syscall.EBADF, c.Attach(0, "/s", 0))
	f.fails(syscall.EBADF, c.Do(ninetest.Attach, uint32(1), uint32(7), "", "/s", uint32(0)))
	f.ok(c.Attach(2, "", 0)) // the whole
	f.ok(c.Attach(3, "/sub", 0))
	f.walk(c, 0, 4)
	f.ok(c.Create(4, "f", openRDWR, 0o644, 1000))
	if a, err := c.Getattr(4); err != nil || a.UID != 500 || a.GID != 501 {
		t.Errorf("squashed: %d, %d, %v", a.UID, a.GID, err)
	}
	// Nothing above an export, or above what was attached.
	for _, fid := range []uint32{0, 3} {
		at, err := c.Getattr(fid)
		f.ok(err)
		list, err := c.Walk(fid, 9, "..", "..")
		if err != nil || list[0].Path != at.Qid.Path || list[1].Path != at.Qid.Path {
			t.Errorf("..: %v, %v, want %v", list, err, at.Qid)
		}
		f.ok(c.Do(ninetest.Clunk, uint32(9)))
	}
	f.export(sub) // the others are gone
	_, err = c.Getattr(2)
	f.fails(syscall.ESTALE, err)
	_, err = c.Getattr(0)
	f.ok(err)
	f.ok(c.Do(ninetest.Clunk, uint32(2)))
}

// TestUsers checks who a client's users are taken for, and their groups.
func TestUsers(t *testing.T) {
	f := serve(t, ninep.Limits{})
	root := f.mount(0)
	f.file(root, 1, "f", "for group 50", 0o640)
	f.ok(root.Do(ninetest.Setattr, uint32(1), uint32(4), uint32(0), uint32(0), uint32(50), uint64(0), uint64(0), uint64(0), uint64(0), uint64(0)))
	c := f.mount(1000)
	for fid, who := range map[uint32]struct {
		name string
		uid  uint32
	}{10: {"someone", ninetest.NoUID}, 11: {"", ninetest.NoUID}, 12: {"", 1001}, 13: {"root", ninetest.NoUID}} {
		_, err := c.Made(ninetest.Attach, fid, ninetest.NoFid, who.name, "/", who.uid)
		f.ok(err)
	}
	for fid, may := range map[uint32]bool{0: true, 10: true, 11: false, 12: false, 13: true} {
		f.walk(c, fid, 99, "f")
		if err := c.Open(99, 0); (err == nil) != may {
			t.Errorf("attached as %d: %v", fid, err)
		}
		f.ok(c.Do(ninetest.Clunk, uint32(99)))
	}
	// What may be executed can be read, as it has to be for that; and not written.
	f.ok(root.Do(ninetest.Setattr, uint32(1), uint32(1), uint32(0o711), uint32(0), uint32(0), uint64(0), uint64(0), uint64(0), uint64(0), uint64(0)))
	f.walk(c, 12, 99, "f")
	f.fails(syscall.EACCES, c.Open(99, openRDWR))
	f.ok(c.Open(99, 0))
	if got, err := c.Read(99, 0, 100); err != nil || string(got) != "for group 50" {
		t.Errorf("read to execute: %q, %v", got, err)
	}
	f.ok(c.Do(ninetest.Clunk, uint32(99)))
	// What is made has the group of the process that the client names.
	f.walk(root, 0, 20)
	q, err := root.Made(ninetest.Mkdir, uint32(20), "open", uint32(0o777), uint32(0))
	f.ok(err)
	if q.Type != 0x80 {
		t.Errorf("a directory is %+v", q)
	}
	f.walk(c, 0, 30, "open")
	f.ok(c.Create(30, "g", openRDWR, 0o600, 50))
	if a, err := c.Getattr(30); err != nil || a.UID != 1000 || a.GID != 50 {
		t.Errorf("made by %d of %d, %v", a.UID, a.GID, err)
	}
}

// TestWalk checks partial walks, clones and numbers that are taken.
func TestWalk(t *testing.T) {
	f := serve(t, ninep.Limits{SessionFids: 8})
	c := f.mount(0)
	for _, d := range []string{"a", "b"} {
		_, err := c.Made(ninetest.Mkdir, uint32(0), d, uint32(0o755), uint32(0))
		f.ok(err)
	}
	f.walk(c, 0, 1, "a")
	f.file(c, 2, "f", "x", 0o644)
	_, err := c.Walk(0, 5, "nothing", "below")
	f.fails(syscall.ENOENT, err)
	for _, names := range [][]string{{"a", "nothing"}, {"f", "below"}, {"a", "..", "nothing", "b"}} {
		list, err := c.Walk(0, 5, names...)
		if err != nil || len(list) >= len(names) || len(list) == 0 {
			t.Errorf("walk %q: %v, %v", names, list, err)
		}
		_, err = c.Getattr(5) // not made
		f.fails(syscall.EBADF, err)
	}
	_, err = c.Walk(0, 1)
	f.fails(syscall.EBADF, err) // taken
	_, err = c.Walk(0, ninetest.NoFid)
	f.fails(syscall.EBADF, err)
	_, err = c.Walk(77, 5)
	f.fails(syscall.EBADF, err)
	_, err = c.Walk(0, 5, strings.Split(strings.Repeat("a ", 17), " ")...)
	f.fails(syscall.EINVAL, err)
	f.walk(c, 1, 1, "..", "b") // in its own place
	_, err = c.Walk(2, 2)
	f.fails(syscall.EBUSY, err) // open
	f.walk(c, 2, 3)             // a copy that is not
	_, err = c.Read(3, 0, 1)
	f.fails(syscall.EBADF, err)
	for fid := uint32(4); fid < 8; fid++ {
		f.walk(c, 0, fid)
	}
	_, err = c.Walk(0, 8)
	f.fails(syscall.EMFILE, err)
	f.ok(c.Do(ninetest.Clunk, uint32(7)))
	f.walk(c, 0, 8)
	f.fails(syscall.EBADF, c.Do(ninetest.Clunk, uint32(7)))
}

// TestMalformed sends every request cut short and with something behind it: each has an error for an answer.
func TestMalformed(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	for kind, fields := range samples() {
		if kind == ninetest.Version {
			continue
		}
		for n := range fields {
			if kind == ninetest.Fsync && n == 4 {
				continue // as older clients send it
			}
			if err := c.Do(kind, ninetest.Raw(fields[:n])); kind != ninetest.Auth && err != syscall.EPROTO {
				t.Errorf("kind %d, %d of %d bytes: %v", kind, n, len(fields), err)
			}
		}
		if err := c.Do(kind, ninetest.Raw(append(fields, 0))); kind != ninetest.Auth && err != syscall.EPROTO {
			t.Errorf("kind %d, a byte too many: %v", kind, err)
		}
	}
	_, err := c.Getattr(0)
	f.ok(err)
	// What cannot be told apart ends the connection.
	for _, head := range []string{"\x06\x00\x00\x00", "\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x00\x00\x20\x00"} {
		c := f.mount(0)
		f.ok(c.SendRaw([]byte(head)))
		if a, err := c.Next(); err == nil {
			t.Errorf("%q: answer %d", head, a.Kind)
		}
	}
}

// TestSessionEnds checks that all is there for a new session, and what the old one had open is not held any more.
func TestSessionEnds(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	f.file(c, 2, "gone", strings.Repeat("x", 1<<20), 0o644)
	before, err := f.eng.Statfs()
	f.ok(err)
	f.ok(c.Do(ninetest.Unlinkat, uint32(0), "gone", uint32(0)))
	if st, err := f.eng.Statfs(); err != nil || st.FreeBytes > before.FreeBytes+512<<10 {
		t.Errorf("an open file has lost its space: %d, before %d, %v", st.FreeBytes, before.FreeBytes, err)
	}
	f.ok(c.Close())
	deadline := time.Now().Add(patience)
	for st := before; st.FreeBytes < before.FreeBytes+1<<20; time.Sleep(5 * time.Millisecond) {
		if st, err = f.eng.Statfs(); err != nil || time.Now().After(deadline) {
			t.Fatalf("space of a removed file: %d, before %d, %v", st.FreeBytes, before.FreeBytes, err)
		}
	}
	c = f.mount(0)
	f.walk(c, 0, 1, "f")
	f.ok(c.Open(1, 0))
	f.reads(c, 1, "content")
}

// TestUnixSocket checks that a unix socket serves too, but nobody there has an address.
func TestUnixSocket(t *testing.T) {
	f := serve(t, ninep.Limits{})
	t.Chdir(t.TempDir())
	c, err := ninetest.DialFrom(&net.UnixAddr{Net: "unix", Name: "10.0.0.1:700"}, f.unix) // a name that looks like an address
	f.ok(err)
	defer c.Close()
	f.ok(c.Begin(messageBytes, 0, "/", 0))
	f.file(c, 1, "f", "content", 0o644)
	f.reads(c, 1, "content")
	e := export.Default()
	e.Clients = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	f.export(e)
	_, err = c.Getattr(0)
	f.fails(syscall.EACCES, err)
}

// TestCoherence checks that what others do with the engine is seen at once, by fids as by names.
func TestCoherence(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	root := &pmemfs.Cred{}
	f.ok(f.eng.Rename(root, nil, f.eng.Root(), []byte("f"), f.eng.Root(), []byte("g"), 0))
	a, err := f.eng.Lookup(root, nil, f.eng.Root(), []byte("g"))
	f.ok(err)
	_, _, err = f.eng.Write(root, nil, a.Handle, []byte("CON"), 0)
	f.ok(err)
	f.reads(c, 1, "CONtent")
	_, err = c.Walk(0, 2, "f")
	f.fails(syscall.ENOENT, err)
	f.walk(c, 0, 2, "g")
	f.ok(f.eng.Unlink(root, nil, f.eng.Root(), []byte("g")))
	f.reads(c, 1, "CONtent") // open
	f.ok(c.Do(ninetest.Clunk, uint32(1)))
	_, err = c.Getattr(2)
	f.fails(syscall.ESTALE, err)
	if _, err := f.eng.Getattr(nil, a.Handle); !errors.Is(err, pmemfs.ErrStale) {
		t.Errorf("a file that nobody has open any more: %v", err)
	}
}
