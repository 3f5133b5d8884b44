package pmem

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["full"] = createOnFull
	helpers["no-fallocate"] = createWithoutAllocate
}

// checkAllocated checks that the file has its size and that all its blocks exist.
func checkAllocated(t *testing.T, path string, size int64) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Size != size || st.Blocks*512 < size {
		t.Errorf("%s: size %d with %d bytes allocated, want %d", path, st.Size, st.Blocks*512, size)
	}
}

// inNamespace makes a helper run where it may mount: in mount, and if need be user, namespaces of its own.
func inNamespace(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	return cmd
}

// TestCreateOnFullFilesystem needs root or unprivileged user namespaces, and fails without.
func TestCreateOnFullFilesystem(t *testing.T) {
	runHelper(t, inNamespace(helper(t, "full", t.TempDir())))
}

func createOnFull(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("mount a small tmpfs: %w", err)
	}
	path := filepath.Join(dir, "image")
	if err := CreateFile(path, 2<<20, CreateOptions{}); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("2 MiB on a filesystem of 1: %v, want ENOSPC", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the failed image is still there: %v", err)
	}
	if err := CreateFile(path, 512<<10, CreateOptions{}); err != nil {
		return fmt.Errorf("what fits: %w", err)
	}
	if err := CreateFile(path, 2<<20, CreateOptions{Force: true}); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("replacing by too much: %v, want ENOSPC", err)
	}
	if err := checkZeros(path, 512<<10); err != nil {
		return fmt.Errorf("an image that was to be replaced by one that does not fit: %w", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		return fmt.Errorf("left behind: %v, %v", left, err)
	}
	return faultOnHole(filepath.Join(dir, "sparse"))
}

// faultOnHole stores into a hole that the filesystem cannot fill: the reason why CreateFile allocates.
func faultOnHole(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(4<<20), f.Close()); err != nil {
		return err
	}
	r, err := Open(path, Options{})
	if err != nil {
		return err
	}
	var fault *FaultError
	if err := guarded(r, func() error { r.Zero(0, r.Size()); return nil }); !errors.As(err, &fault) {
		return errors.Join(fmt.Errorf("filling a hole on a full filesystem: %v, want a fault", err), r.Close())
	}
	return r.Close()
}

// TestCreateWithoutAllocate creates on ramfs, which knows no fallocate.
func TestCreateWithoutAllocate(t *testing.T) {
	runHelper(t, inNamespace(helper(t, "no-fallocate", t.TempDir())))
}

// restIsNotWritten fills the holes of a file of which only the first are known, where nothing can be allocated: what is behind them, content
// too, is left alone.
func restIsNotWritten(path string) error {
	content := bytes.Repeat([]byte("content"), 1000)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	s := &survey{holes: []Range{{Off: 100, Len: 900}}, coarse: true, rest: true}
	if err := s.fill(f); !errors.Is(err, errNoAllocate) {
		return fmt.Errorf("filled what is no hole: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		return fmt.Errorf("content is overwritten, %v", err)
	}
	return nil
}

func createWithoutAllocate(dir string) error {
	if err := unix.Mount("ramfs", dir, "ramfs", 0, ""); err != nil {
		return fmt.Errorf("mount a ramfs: %w", err)
	}
	path := filepath.Join(dir, "image")
	const size = 2*zeroStep + 777
	if err := CreateFile(path, size, CreateOptions{}); err != nil {
		return err
	}
	if err := checkZeros(path, size); err != nil {
		return err
	}
	if err := restIsNotWritten(filepath.Join(dir, "holes")); err != nil {
		return err
	}
	r, err := Open(path, Options{})
	if err != nil {
		return err
	}
	if want := "MAP_SYNC refused; file is on ramfs: a power cut loses all of it"; r.DomainReason() != want {
		return fmt.Errorf("domain reason %q, want %q", r.DomainReason(), want)
	}
	return r.Close()
}
