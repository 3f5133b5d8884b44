package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func init() {
	verbs["fsx"] = verb{"fsx DIR SEED STEPS [nomap]: changes files at random, drops the kernel's caches, and compares with what must be there", -3, fsx}
}

const (
	fsxFiles = 4
	fsxMost  = 96 << 10 // bytes of a file
	fsxPiece = 20 << 10 // bytes of one change
)

// fsxFile is a file and what must be in it.
type fsxFile struct {
	name string
	want []byte
	f    *os.File // nil while it is closed
	did  []string // the last that happened to it
}

// fsxRun is one run. Everything that it does comes of its seed.
type fsxRun struct {
	r     *rand.Rand
	files [fsxFiles]*fsxFile
	step  int
}

// fsx does what programs do to files, of which the caches know less and less, and wants at each step what a local filesystem would have.
func fsx(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	steps, err := number(args[2])
	if err != nil {
		return err
	}
	x := &fsxRun{r: rand.New(rand.NewPCG(seed, 0))}
	for i := range x.files {
		x.files[i] = &fsxFile{name: filepath.Join(args[0], fmt.Sprint("fsx", i))}
	}
	actions := []func(*fsxFile) error{
		x.write, x.write, x.write, x.append, x.append, x.appendTwice, x.read, x.read, x.truncate, x.closeFile, x.closeFile,
		x.sync, x.drop, x.drop, x.anew, x.rename,
	}
	if len(args) == 3 {
		actions = append(actions, x.mapped)
	}
	for x.step = range steps {
		f := x.files[x.r.IntN(fsxFiles)]
		if err := actions[x.r.IntN(len(actions))](f); err != nil {
			return fmt.Errorf("seed %d, step %d, %s: %w\n%s", seed, x.step, f.name, err, strings.Join(f.did, "\n"))
		}
	}
	for _, f := range x.files {
		if err := errors.Join(x.closeFile(f), x.drop(f), x.compare(f)); err != nil {
			return fmt.Errorf("seed %d, at the end, %s: %w\n%s", seed, f.name, err, strings.Join(f.did, "\n"))
		}
	}
	fmt.Println("steps", steps)
	return nil
}

// fsxHistory is how much of what happened to a file a failure tells.
const fsxHistory = 20

// did notes what happens to a file; nil for all.
func (x *fsxRun) did(f *fsxFile, format string, args ...any) {
	for _, g := range x.files {
		if f == nil || g == f {
			g.did = append(g.did[max(0, len(g.did)-fsxHistory):], fmt.Sprint(x.step, " ", fmt.Sprintf(format, args...)))
		}
	}
}

// open opens a file, which is made if it is not there.
func (x *fsxRun) open(f *fsxFile) (err error) {
	if f.f == nil {
		x.did(f, "open")
		f.f, err = os.OpenFile(f.name, os.O_RDWR|os.O_CREATE, 0o644)
	}
	return err
}

func (x *fsxRun) closeFile(f *fsxFile) error {
	if f.f == nil {
		return nil
	}
	x.did(f, "close")
	err := f.f.Close()
	f.f = nil
	return err
}

func (x *fsxRun) piece() []byte {
	p := make([]byte, 1+x.r.IntN(fsxPiece))
	for i := range p {
		p[i] = byte(x.r.Uint32())
	}
	return p
}

// put notes what a write does.
func (f *fsxFile) put(p []byte, at int) {
	if n := at + len(p) - len(f.want); n > 0 {
		f.want = append(f.want, make([]byte, n)...)
	}
	copy(f.want[at:], p)
}

func (x *fsxRun) write(f *fsxFile) error {
	p := x.piece()
	at := x.r.IntN(fsxMost - len(p))
	if err := x.open(f); err != nil {
		return err
	}
	x.did(f, "write %d at %d of %d", len(p), at, len(f.want))
	f.put(p, at)
	_, err := f.f.WriteAt(p, int64(at))
	return err
}

// appendWith writes pieces through a descriptor of its own that always writes at the end.
func (x *fsxRun) appendWith(f *fsxFile, flags int, pieces ...[]byte) error {
	a, err := os.OpenFile(f.name, flags|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if len(f.want)+len(p) > fsxMost {
			break
		}
		x.did(f, "append %d to %d with %#x", len(p), len(f.want), flags)
		f.put(p, len(f.want))
		if _, err := a.Write(p); err != nil {
			return errors.Join(err, a.Close())
		}
	}
	return a.Close()
}

func (x *fsxRun) flags() int { return []int{os.O_WRONLY, os.O_RDWR}[x.r.IntN(2)] }

func (x *fsxRun) append(f *fsxFile) error { return x.appendWith(f, x.flags(), x.piece()) }

func (x *fsxRun) appendTwice(f *fsxFile) error {
	return x.appendWith(f, x.flags(), []byte("0123456789"), []byte("abc"))
}

func (x *fsxRun) read(f *fsxFile) error {
	if err := x.open(f); err != nil {
		return err
	}
	x.did(f, "read")
	return x.compare(f)
}

// compare reads all of a file, through a descriptor of its own if it is closed.
func (x *fsxRun) compare(f *fsxFile) error {
	var got []byte
	var err error
	if f.f == nil {
		got, err = os.ReadFile(f.name)
		if errors.Is(err, os.ErrNotExist) && len(f.want) == 0 {
			return nil
		}
	} else {
		got, err = io.ReadAll(io.NewSectionReader(f.f, 0, 1<<30))
	}
	if err != nil || bytes.Equal(got, f.want) {
		return err
	}
	at := 0
	for at < min(len(got), len(f.want)) && got[at] == f.want[at] {
		at++
	}
	return fmt.Errorf("%d bytes, want %d; they differ from byte %d on: % x, want % x", len(got), len(f.want), at,
		got[at:min(at+16, len(got))], f.want[at:min(at+16, len(f.want))])
}

func (x *fsxRun) truncate(f *fsxFile) error {
	n := x.r.IntN(fsxMost)
	if err := x.open(f); err != nil {
		return err
	}
	x.did(f, "truncate %d to %d", len(f.want), n)
	if n < len(f.want) {
		f.want = f.want[:n:n]
	} else {
		f.put(nil, n)
	}
	return f.f.Truncate(int64(n))
}

// mapped writes through a shared mapping, where the mount has such.
func (x *fsxRun) mapped(f *fsxFile) error {
	if err := x.open(f); err != nil || len(f.want) == 0 {
		return err
	}
	mem, err := unix.Mmap(int(f.f.Fd()), 0, len(f.want), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == unix.EINVAL || err == unix.ENODEV {
		return nil // with cache=none there are none
	}
	if err != nil {
		return err
	}
	p := x.piece()
	at := x.r.IntN(len(mem))
	n := copy(mem[at:], p)
	x.did(f, "write %d at %d of a mapping of %d", n, at, len(mem))
	copy(f.want[at:], p)
	return unix.Munmap(mem)
}

func (x *fsxRun) sync(f *fsxFile) error {
	if err := x.open(f); err != nil {
		return err
	}
	x.did(f, "fsync")
	return f.f.Sync()
}

// drop has the kernel forget all that it need not keep: names, inodes and clean pages.
func (x *fsxRun) drop(*fsxFile) error {
	x.did(nil, "drop caches")
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

// anew removes a file and makes another of its name, which may get its number.
func (x *fsxRun) anew(f *fsxFile) error {
	if err := x.closeFile(f); err != nil {
		return err
	}
	x.did(f, "remove")
	f.want = nil
	if err := os.Remove(f.name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return x.open(f)
}

func (x *fsxRun) rename(f *fsxFile) error {
	to, moved := strings.CutSuffix(f.name, ".moved")
	if !moved {
		to += ".moved"
	}
	err := os.Rename(f.name, to)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	x.did(f, "rename")
	f.name = to
	return err
}
