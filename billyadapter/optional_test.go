package billyadapter_test

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/util"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

func TestModes(t *testing.T) {
	f := newFS(t)
	must(t, util.WriteFile(f, "f", nil, 0o777))
	info, err := f.Stat("f")
	must(t, err)
	if info.Mode() != 0o755 {
		t.Errorf("mode %v after a umask of 022", info.Mode())
	}
	for _, m := range []fs.FileMode{0, 0o644, 0o777 | fs.ModeSetuid, 0o755 | fs.ModeSetgid, 0o700 | fs.ModeSticky,
		0o777 | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky} {
		must(t, f.Chmod("f", m))
		info, err := f.Stat("f")
		must(t, err)
		if info.Mode() != m {
			t.Errorf("chmod %v reads back as %v", m, info.Mode())
		}
	}
	must(t, f.Mknod("fifo", 0o644|fs.ModeNamedPipe, 0, 0))
	must(t, f.Mknod("dev", 0o600|fs.ModeDevice|fs.ModeCharDevice, 5, 300))
	for name, want := range map[string]fs.FileMode{"fifo": fs.ModeNamedPipe, "dev": fs.ModeDevice | fs.ModeCharDevice, ".": fs.ModeDir} {
		info, err := f.Lstat(name)
		must(t, err)
		if info.Mode().Type() != want {
			t.Errorf("%s has type %v, want %v", name, info.Mode().Type(), want)
		}
	}
	if err := f.Mknod("bad", 0o644, 0, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("mknod of a regular file: %v", err)
	}
}

func TestTimesAndOwners(t *testing.T) {
	f := newFS(t)
	must(t, util.WriteFile(f, "f", nil, 0o644))
	must(t, f.Symlink("f", "l"))
	at, mt := time.Unix(1, 2), time.Unix(3_000_000_000, 4)
	must(t, f.Chtimes("l", at, mt))
	must(t, f.Chtimes("l", time.Time{}, time.Time{}))
	must(t, f.Lchown("l", 7, -1))
	must(t, f.Chown("l", -1, 9))
	file, err := f.Stat("f")
	must(t, err)
	link, err := f.Lstat("l")
	must(t, err)
	a, l := file.(*billyadapter.FileInfo).Attr(), link.(*billyadapter.FileInfo).Attr()
	if a.Atime != at.UnixNano() || !file.ModTime().Equal(mt) {
		t.Errorf("times are %d and %v", a.Atime, file.ModTime())
	}
	if a.UID != 0 || a.GID != 9 || l.UID != 7 || l.GID != 0 {
		t.Errorf("owners are %d:%d and %d:%d", a.UID, a.GID, l.UID, l.GID)
	}
	if st, ok := file.Sys().(*syscall.Stat_t); !ok || st.Gid != 9 || st.Ino != a.Ino || st.Nlink != 1 {
		t.Errorf("Sys is %+v", file.Sys())
	}
	if err := f.Chown("f", -2, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("chown to -2: %v", err)
	}
}

func TestCredentials(t *testing.T) {
	f := newFS(t)
	alice, bob := f.WithCred(pmemfs.Cred{UID: 1000, GID: 1000}), f.WithCred(pmemfs.Cred{UID: 1001, GID: 1001})
	must(t, f.Mkdir("home", 0o755))
	must(t, f.Chown("home", 1000, 1000))
	must(t, util.WriteFile(alice, "home/private", []byte("x"), 0o600))
	info, err := bob.Stat("home/private")
	must(t, err)
	if a := info.(*billyadapter.FileInfo).Attr(); a.UID != 1000 || a.GID != 1000 {
		t.Errorf("the file belongs to %d:%d", a.UID, a.GID)
	}
	for op, err := range map[string]error{
		"read":   second(bob.Open("home/private")),
		"create": second(bob.Create("home/mine")),
		"remove": bob.Remove("home/private"),
		"chmod":  bob.Chmod("home/private", 0o777),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s by a stranger: %v", op, err)
		}
	}
	// What was opened stays open when the permissions go.
	file, err := alice.Create("home/locked")
	must(t, err)
	must(t, alice.Chmod("home/locked", 0))
	_, err = file.Write([]byte("y"))
	must(t, err)
	must(t, file.Close())
	if _, err := alice.Open("home/locked"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("opened again without permission: %v", err)
	}
}

func second(_ billy.File, err error) error { return err }

func TestLinkRenameXattrIdentity(t *testing.T) {
	f := newFS(t)
	must(t, util.WriteFile(f, "a", []byte("one"), 0o644))
	must(t, f.Link("a", "b"))
	if err := f.Link("a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("link over a file: %v", err)
	}
	h, err := f.Handle("a")
	must(t, err)
	if hb, err := f.Handle("b"); err != nil || hb != h {
		t.Errorf("two names of one file: %v, %v, %v", h, hb, err)
	}
	must(t, util.WriteFile(f, "c", []byte("two"), 0o644))
	if err := f.RenameFlags("a", "c", pmemfs.RenameNoReplace); !errors.Is(err, fs.ErrExist) {
		t.Errorf("rename without replacing: %v", err)
	}
	must(t, f.RenameFlags("a", "c", pmemfs.RenameExchange))
	got, err := util.ReadFile(f, "c")
	if err != nil || string(got) != "one" {
		t.Errorf("after the exchange: %q, %v", got, err)
	}
	byID, err := f.OpenHandle(h, 0)
	must(t, err)
	must(t, byID.Sync())
	must(t, byID.Close())
	must(t, f.SetXattr("c", "user.k", []byte("v"), 0))
	v, err := f.GetXattr("b", "user.k")
	if err != nil || string(v) != "v" {
		t.Errorf("xattr through another name: %q, %v", v, err)
	}
	names, err := f.ListXattr("c")
	if err != nil || !slices.Contains(names, "user.k") {
		t.Errorf("xattrs: %v, %v", names, err)
	}
	must(t, f.RemoveXattr("c", "user.k"))
	if _, err := f.GetXattr("c", "user.k"); err == nil {
		t.Error("a removed xattr is still there")
	}
	must(t, f.Sync())
	if s, err := f.Statfs(); err != nil || s.TotalBytes == 0 || s.FreeBytes > s.TotalBytes {
		t.Errorf("statfs: %+v, %v", s, err)
	}
}

func TestHoles(t *testing.T) {
	f := newFS(t)
	file, err := f.Create("f")
	must(t, err)
	b := file.(*billyadapter.File)
	defer func() { must(t, b.Close()) }()
	must(t, b.Allocate(0, 1<<20, false))
	_, err = b.WriteAt([]byte{1, 2, 3, 4}, 1<<19)
	must(t, err)
	must(t, b.PunchHole(1<<19, 2))
	got := make([]byte, 4)
	if _, err := b.ReadAt(got, 1<<19); err != nil || string(got) != "\x00\x00\x03\x04" {
		t.Fatalf("around the hole: %v, %v", got, err)
	}
	if err := b.PunchHole(-1, 2); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a hole at -1: %v", err)
	}
	if at, err := b.SeekHole(0); err != nil || at > 1<<20 {
		t.Errorf("first hole at %d, %v", at, err)
	}
}

func TestReadOnly(t *testing.T) {
	eng := newEngine(t)
	must(t, util.WriteFile(billyadapter.New(eng, pmemfs.Cred{}), "f", []byte("x"), 0o644))
	f := billyadapter.New(eng, pmemfs.Cred{}, billyadapter.WithReadOnly())
	if billy.CapabilityCheck(f, billy.WriteCapability) {
		t.Error("claims to be writable")
	}
	for op, err := range map[string]error{
		"create": second(f.Create("g")), "write": second(f.OpenFile("f", 2, 0)), "remove": f.Remove("f"),
		"mkdir": f.Mkdir("d", 0o755), "mkdirall": f.MkdirAll("d/e", 0o755), "rename": f.Rename("f", "g"),
		"symlink": f.Symlink("f", "l"), "link": f.Link("f", "l"), "chmod": f.Chmod("f", 0),
		"setxattr": f.SetXattr("f", "user.a", nil, 0),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v", op, err)
		}
	}
}
