package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

const enclosedVar = "TEST_PMEMFS_ENCLOSED"

// onSmallDisk runs the test that calls it once more, in a mount namespace of its own, and reports false when that has ended; in there it
// returns a folder on a filesystem of so many bytes. It needs root, or namespaces of users.
func onSmallDisk(t *testing.T, size int64) (dir string, inside bool) {
	t.Helper()
	dir = t.TempDir()
	if os.Getenv(enclosedVar) == t.Name() {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		return dir, true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v=true", "-test.count=1")
	cmd.Env = append(os.Environ(), enclosedVar+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("in a namespace of its own: %v\n%s", err, out)
	}
	return dir, false
}

// disk is a small disk with an image on it.
type disk struct {
	t             *testing.T
	path, ballast string
}

// newDisk makes a sparse image on a small disk, as cp does of one with nothing in its free space.
func newDisk(t *testing.T, dir string, size int64) *disk {
	t.Helper()
	d := &disk{t, filepath.Join(dir, "img"), filepath.Join(dir, "ballast")}
	b := builder{t: t}
	b.ok(Format(d.path, FormatOptions{Size: size}))
	medium, err := os.ReadFile(d.path)
	b.ok(err)
	d.sparse(medium)
	return d
}

// sparse makes a sparse file of a medium.
func (d *disk) sparse(medium []byte) {
	d.t.Helper()
	b := builder{t: d.t}
	b.ok(os.WriteFile(d.path+".whole", medium, 0o600))
	if out, err := exec.Command("cp", "--sparse=always", d.path+".whole", d.path).CombinedOutput(); err != nil {
		d.t.Fatalf("cp: %v\n%s", err, out)
	}
	b.ok(os.Remove(d.path + ".whole"))
}

// blocks returns how many bytes of blocks the image has.
func (d *disk) blocks() int64 {
	d.t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(d.path, &st); err != nil {
		d.t.Fatal(err)
	}
	return st.Blocks * 512
}

// fill fills the disk.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.Create(d.ballast)
	if err != nil {
		d.t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		d.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// free frees it.
func (d *disk) free() {
	d.t.Helper()
	if err := os.Remove(d.ballast); err != nil {
		d.t.Fatal(err)
	}
}

// TestSparseImage opens a sparse image where its blocks can be had, and where they cannot.
func TestSparseImage(t *testing.T) {
	const size = 16 << 20
	dir, inside := onSmallDisk(t, 2*size+1<<20)
	if !inside {
		return
	}
	d := newDisk(t, dir, size)
	sparse := d.blocks()
	if info, err := ReadInfo(d.path); err != nil || info.SparseBytes+d.blocks() != size || info.SharedBytes != 0 {
		t.Errorf("info: %d bytes are sparse, %v, want %d", info.SparseBytes, err, size-sparse)
	}
	sparse = d.blocks() // tmpfs gives blocks to what info loads from a mapping
	d.fill()
	before, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	var missing *MissingError
	_, err = Open(d.path, Options{})
	if !errors.As(err, &missing) || !errors.Is(err, ErrNoSpace) || errors.Is(err, ErrDamaged) || missing.Holes != size-sparse {
		t.Fatalf("opening a sparse image on a full disk: %v", err)
	}
	after, err := os.ReadFile(d.path)
	if err != nil || !bytes.Equal(before, after) || d.blocks() != sparse {
		t.Errorf("the image has changed: %d bytes of blocks, before %d; %v", d.blocks(), sparse, err)
	}
	d.free()
	var log logged
	fs, err := Open(d.path, log.options())
	if err != nil {
		t.Fatal(err)
	}
	if d.blocks() < size || !strings.Contains(log.String(), "was sparse") {
		t.Errorf("%d bytes of blocks after an open, want %d\n%s", d.blocks(), size, log.String())
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestHostFull serves a sparse image as it is while the disk is full: calls are refused, nothing acknowledged is lost, no block is
// taken for bad, and it goes on when there is space. So does the next open, after a crash too.
func TestHostFull(t *testing.T) {
	const size = 16 << 20
	dir, inside := onSmallDisk(t, 2*size+1<<20)
	if !inside {
		return
	}
	d := newDisk(t, dir, size)
	b := builder{t: t}
	var log logged
	o := log.options()
	o.Sparse = true
	fs, err := Open(d.path, o)
	b.ok(err)
	b.fs = fs
	content := bytes.Repeat([]byte("content "), 3<<10)
	acked := map[string]bool{}
	write := func(name string) error {
		a, err := fs.Create(root, nil, fs.Root(), []byte(name), &CreateOptions{})
		if err == nil {
			_, _, err = fs.Write(root, nil, a.Handle, content, 0)
		}
		if err == nil {
			acked[name] = true
		}
		return err
	}
	verify := func() {
		t.Helper()
		for name := range acked {
			a, err := fs.Lookup(root, nil, fs.Root(), []byte(name))
			b.ok(err)
			p := make([]byte, len(content)+1)
			if n, _, err := fs.Read(root, nil, a.Handle, p, 0); err != nil || !bytes.Equal(p[:n], content) {
				t.Errorf("%s was acknowledged: %d bytes, %v", name, n, err)
			}
		}
		if m := fs.MediaErrors(); m.Bad != 0 || m.Lost != 0 || m.Data != 0 || m.Metadata != 0 {
			t.Errorf("media errors %+v of a full host", m)
		}
	}
	b.ok(write("before"))
	for round := range 3 {
		d.fill()
		refused := 0
		for i := range 40 {
			switch err := write(fmt.Sprint(round, "-", i)); {
			case errors.Is(err, ErrNoSpace):
				refused++
			case err != nil:
				t.Fatalf("round %d: %v, want ErrNoSpace", round, err)
			}
		}
		if refused == 0 || fs.MediaErrors().Host == 0 {
			t.Errorf("round %d: %d calls refused, %+v", round, refused, fs.MediaErrors())
		}
		verify()
		d.free()
		b.ok(write(fmt.Sprint("after", round)))
		verify()
		if round == 1 { // what a kill leaves is in the page cache: another mapping sees it
			d.fill()
			_ = write("as it was killed")
			medium, err := os.ReadFile(d.path)
			b.ok(err)
			closeFS(t, fs)
			d.free()
			d.sparse(medium)
			fs, err = Open(d.path, o)
			b.ok(err)
			b.fs = fs
			verify()
		}
	}
	closeFS(t, fs)
	if text := log.String(); !strings.Contains(text, "no space") || strings.Contains(text, "memory fault") {
		t.Errorf("the log of a full host:\n%s", text)
	}
	r, err := Check(d.path, CheckOptions{})
	reportFaults(t, r, err)
}

// TestHostFullBehindFence fills the disk, and takes a block away, between the fence of a record and its store in place, as a filesystem
// that copies on write may do. Nothing more is acknowledged and nobody reads the block; the next open stores what the record says.
func TestHostFullBehindFence(t *testing.T) {
	const size = 16 << 20
	dir, inside := onSmallDisk(t, 2*size+1<<20)
	if !inside {
		return
	}
	d := newDisk(t, dir, size)
	b := builder{t: t}
	var log logged
	o := log.options()
	o.Sparse = true
	fs, err := Open(d.path, o)
	b.ok(err)
	b.fs = fs
	h, other := b.file(fs.Root(), "file", 4096), b.file(fs.Root(), "other", 4096)
	b.ok(fs.SyncAll())
	off, full := layout.BlockOffset(dataBlock(t, fs, h, 0)), false
	fs.region.SetPersistHook(func(p pmem.Failpoint, _ pmem.Range) error {
		if p.After && !full {
			full = true
			f, err := os.OpenFile(d.path, os.O_RDWR, 0)
			b.ok(err)
			b.ok(unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, 4096))
			b.ok(f.Close())
			d.fill()
		}
		return nil
	})
	content := bytes.Repeat([]byte("new "), 1024)
	if _, _, err := fs.Write(root, nil, h, content, 0); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "no space") {
		t.Errorf("write: %v", err)
	}
	fs.region.SetPersistHook(nil)
	d.free()
	if _, _, err := fs.Read(root, nil, h, make([]byte, 4096), 0); !errors.Is(err, ErrIO) {
		t.Errorf("read of a block that was not stored: %v, want ErrIO", err)
	}
	if n, _, err := fs.Read(root, nil, other, make([]byte, 4096), 0); n != 4096 || err != nil {
		t.Errorf("read of another file: %d bytes, %v", n, err)
	}
	if _, _, err := fs.Write(root, nil, other, content, 0); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a write afterwards: %v", err)
	}
	if m := fs.MediaErrors(); m.Lost != 0 || m.Bad != 0 {
		t.Errorf("media errors %+v", m)
	}
	if err := fs.Close(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("close: %v", err)
	}
	d.fill()
	if _, err := Open(d.path, o); !errors.Is(err, ErrNoSpace) || errors.Is(err, ErrDamaged) {
		t.Errorf("open on a full disk: %v", err)
	}
	d.free()
	fs, err = Open(d.path, o)
	b.ok(err)
	p := make([]byte, 4096)
	if _, _, err := fs.Read(root, nil, h, p, 0); err != nil || !bytes.Equal(p, content) {
		t.Errorf("after an open: %v, or another content", err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
