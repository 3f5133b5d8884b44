package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"pmemfs/integration/conformance"
)

func init() {
	verbs["conform"] = verb{"conform DIR [noacl] [nousers]: runs the conformance suite in a directory, prints one line per case", -1, conform}
}

// kernelCaps are what system calls can express.
const kernelCaps = conformance.CapUsers | conformance.CapLinks | conformance.CapNodes | conformance.CapOpen | conformance.CapOpenCheck |
	conformance.CapKinds | conformance.CapParents | conformance.CapNow | conformance.CapAccess | conformance.CapStatfs |
	conformance.CapSetLink | conformance.CapUsed | conformance.CapDots | conformance.CapExact | conformance.CapACL

// conform runs the suite on a directory of this kernel.
func conform(args []string) error {
	syscall.Umask(0)
	cases, caps := 0, kernelCaps
	for _, without := range args[1:] {
		switch without {
		case "noacl":
			caps &^= conformance.CapACL
		case "nousers":
			caps &^= conformance.CapUsers
		default:
			return fmt.Errorf("conform does not know %q", without)
		}
	}
	conformance.Run(osFS{base: args[0]}, caps, func(o conformance.Outcome) {
		fmt.Println(o.String())
		cases++
	})
	fmt.Println("cases", cases)
	return nil
}

// osFS is a directory of this kernel. Each call takes on its user on a thread of its own.
type osFS struct {
	base string
	user conformance.User
}

// As implements conformance.FS.
func (f osFS) As(u conformance.User) conformance.FS { return osFS{f.base, u} }

// At implements conformance.FS.
func (f osFS) At(dir string) conformance.FS { return osFS{f.path(dir), f.user} }

func (f osFS) path(name string) string { return f.base + "/" + name }

// do calls call as the user, whose filesystem ids are the thread's meanwhile; a thread that could not become root again ends.
func (f osFS) do(call func() error) error {
	if f.user.UID == 0 {
		return call()
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		result <- f.become(call)
	}()
	return <-result
}

func (f osFS) become(call func() error) error {
	groups := make([]int, len(f.user.Groups))
	for i, g := range f.user.Groups {
		groups[i] = int(g)
	}
	if err := unix.Setgroups(groups); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setfsgid(int(f.user.GID)); err != nil {
		return fmt.Errorf("setfsgid: %w", err)
	}
	if err := syscall.Setfsuid(int(f.user.UID)); err != nil {
		return fmt.Errorf("setfsuid: %w", err)
	}
	return call()
}

// Getattr implements conformance.FS.
func (f osFS) Getattr(path string) (a conformance.Attr, err error) {
	err = f.do(func() error {
		var st unix.Stat_t
		if err := unix.Lstat(f.path(path), &st); err != nil {
			return err
		}
		a = attrOf(&st)
		return nil
	})
	return a, err
}

func attrOf(st *unix.Stat_t) conformance.Attr {
	return conformance.Attr{
		Type: conformance.Type(st.Mode >> 12), Mode: st.Mode & 0o7777, Nlink: uint32(st.Nlink), UID: st.Uid, GID: st.Gid,
		Size: uint64(st.Size), Used: uint64(st.Blocks) * 512, Major: unix.Major(uint64(st.Rdev)), Minor: unix.Minor(uint64(st.Rdev)),
		Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Ino: st.Ino, FSID: uint64(st.Dev),
	}
}

// Setattr implements conformance.FS, with a system call for each attribute.
func (f osFS) Setattr(path string, s conformance.Set) error {
	return f.do(func() error { return setattr(f.path(path), s) })
}

func setattr(path string, s conformance.Set) error {
	if s.UID != nil || s.GID != nil {
		if err := unix.Lchown(path, idOr(s.UID), idOr(s.GID)); err != nil {
			return err
		}
	}
	if s.Mode != nil {
		if err := unix.Chmod(path, *s.Mode); err != nil {
			return err
		}
	}
	if s.Size != nil {
		if err := unix.Truncate(path, int64(*s.Size)); err != nil {
			return err
		}
	}
	if ts, any := timesOf(s); any {
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, ts[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	return nil
}

func idOr(id *uint32) int {
	if id == nil {
		return -1
	}
	return int(*id)
}

func timesOf(s conformance.Set) (ts [2]unix.Timespec, any bool) {
	for i, t := range []struct {
		at  *int64
		now bool
	}{{s.Atime, s.AtimeNow}, {s.Mtime, s.MtimeNow}} {
		switch {
		case t.now:
			ts[i].Nsec, any = unix.UTIME_NOW, true
		case t.at != nil:
			ts[i], any = unix.NsecToTimespec(*t.at), true
		default:
			ts[i].Nsec = unix.UTIME_OMIT
		}
	}
	return ts, any
}

// Access implements conformance.FS.
func (f osFS) Access(path string, want uint32) (got uint32, err error) {
	err = f.do(func() error {
		for _, bit := range []uint32{1, 2, 4} {
			switch err := unix.Faccessat(unix.AT_FDCWD, f.path(path), want&bit, unix.AT_EACCESS); {
			case want&bit == 0:
			case err == nil:
				got |= bit
			case err != unix.EACCES:
				return err
			default:
				// What forbids may also be the way there.
				if err := unix.Faccessat(unix.AT_FDCWD, f.path(path), unix.F_OK, unix.AT_EACCESS); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return got, err
}

// Readlink implements conformance.FS.
func (f osFS) Readlink(path string) (target string, err error) {
	err = f.do(func() error {
		buf := make([]byte, 8192)
		n, err := unix.Readlink(f.path(path), buf)
		target = string(buf[:max(n, 0)])
		return err
	})
	return target, err
}

// Read implements conformance.FS.
func (f osFS) Read(path string, off uint64, n int) (data []byte, err error) {
	err = f.with(path, unix.O_RDONLY, func(o *osFile) error {
		data, err = o.Read(off, n)
		return err
	})
	return data, err
}

// Write implements conformance.FS.
func (f osFS) Write(path string, off uint64, data []byte) error {
	return f.with(path, unix.O_WRONLY, func(o *osFile) error { return o.Write(off, data) })
}

// with opens a file, as the user, for one call.
func (f osFS) with(path string, flags int, call func(*osFile) error) error {
	return f.do(func() error {
		fd, err := unix.Open(f.path(path), flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		o := &osFile{fd: fd}
		if err := call(o); err != nil {
			o.Close()
			return err
		}
		return o.Close()
	})
}

// Create implements conformance.FS.
func (f osFS) Create(path string, how conformance.How) error {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	if how.Existing == conformance.Refuse {
		flags |= unix.O_EXCL
	}
	if how.Size != nil {
		flags |= unix.O_TRUNC
	}
	return f.do(func() error {
		fd, err := unix.Open(f.path(path), flags, how.Mode)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
}

// Mkdir implements conformance.FS.
func (f osFS) Mkdir(path string, mode uint32) error {
	return f.do(func() error { return unix.Mkdir(f.path(path), mode) })
}

// Symlink implements conformance.FS.
func (f osFS) Symlink(target, path string) error {
	return f.do(func() error { return unix.Symlink(target, f.path(path)) })
}

// Mknod implements conformance.FS.
func (f osFS) Mknod(path string, t conformance.Type, mode, major, minor uint32) error {
	return f.do(func() error { return unix.Mknod(f.path(path), uint32(t)<<12|mode, int(unix.Mkdev(major, minor))) })
}

// Unlink implements conformance.FS.
func (f osFS) Unlink(path string) error {
	return f.do(func() error { return unix.Unlink(f.path(path)) })
}

// Rmdir implements conformance.FS.
func (f osFS) Rmdir(path string) error { return f.do(func() error { return unix.Rmdir(f.path(path)) }) }

// Rename implements conformance.FS.
func (f osFS) Rename(from, to string) error {
	return f.do(func() error { return unix.Rename(f.path(from), f.path(to)) })
}

// Link implements conformance.FS.
func (f osFS) Link(old, path string) error {
	return f.do(func() error { return unix.Link(f.path(old), f.path(path)) })
}

// Names implements conformance.FS.
func (f osFS) Names(path string) (names []string, err error) {
	err = f.do(func() error {
		fd, err := unix.Open(f.path(path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		d := os.NewFile(uintptr(fd), path)
		names, err = d.Readdirnames(-1)
		if err != nil {
			d.Close()
			return err
		}
		return d.Close()
	})
	return names, err
}

// Statfs implements conformance.FS.
func (f osFS) Statfs() (s conformance.Statfs, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(f.base, &st); err != nil {
		return s, err
	}
	unit := uint64(st.Bsize)
	return conformance.Statfs{Total: st.Blocks * unit, Free: st.Bfree * unit, Avail: st.Bavail * unit, Files: st.Files, FreeFiles: st.Ffree,
		NameMax: uint32(st.Namelen)}, nil
}

// Open implements conformance.FS.
func (f osFS) Open(path string) (conformance.File, error) {
	var o *osFile
	err := f.do(func() error {
		fd, err := unix.Open(f.path(path), unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		o = &osFile{fd: fd}
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// osFile is an open file.
type osFile struct{ fd int }

// Getattr implements conformance.File.
func (o *osFile) Getattr() (conformance.Attr, error) {
	var st unix.Stat_t
	if err := unix.Fstat(o.fd, &st); err != nil {
		return conformance.Attr{}, err
	}
	return attrOf(&st), nil
}

// Setattr implements conformance.File.
func (o *osFile) Setattr(s conformance.Set) error {
	if s.Mode != nil {
		if err := unix.Fchmod(o.fd, *s.Mode); err != nil {
			return err
		}
	}
	if s.Size != nil {
		return unix.Ftruncate(o.fd, int64(*s.Size))
	}
	return nil
}

// Read implements conformance.File.
func (o *osFile) Read(off uint64, n int) ([]byte, error) {
	data := make([]byte, n)
	for got := 0; ; {
		m, err := unix.Pread(o.fd, data[got:], int64(off)+int64(got))
		if err != nil {
			return nil, err
		}
		if got += m; m == 0 || got == n {
			return data[:got], nil
		}
	}
}

// Write implements conformance.File.
func (o *osFile) Write(off uint64, data []byte) error {
	for done := 0; ; {
		n, err := unix.Pwrite(o.fd, data[done:], int64(off)+int64(done))
		if err != nil {
			return err
		}
		if done += n; done >= len(data) {
			return nil
		}
	}
}

// Close implements conformance.File.
func (o *osFile) Close() error { return unix.Close(o.fd) }
