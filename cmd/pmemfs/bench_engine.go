package main

import (
	"errors"
	"strconv"

	"pmemfs/pmemfs"
)

const (
	benchOldFiles = 1000    // in the directory that is worked in, and looked up
	benchFile     = 1 << 20 // bytes of the file that is read and written
)

// benchNames are the names used by all targets: built before anything is timed.
type benchNames struct{ old, a, b []string }

func newBenchNames(count int) benchNames {
	var n benchNames
	for i := range count {
		n.a = append(n.a, "a"+strconv.Itoa(i))
		n.b = append(n.b, "b"+strconv.Itoa(i))
	}
	for i := range benchOldFiles {
		n.old = append(n.old, "old"+strconv.Itoa(i))
	}
	return n
}

// engineTarget runs the operations on the engine, as root, in one directory.
type engineTarget struct {
	eng  *pmemfs.FS
	cred pmemfs.Cred
	dir  pmemfs.Handle
	file pmemfs.Handle // of benchFile bytes
	tail pmemfs.Handle // appended to
	buf  []byte

	old, a, b [][]byte
}

const benchCountMax = 20000

func newEngineTarget(eng *pmemfs.FS) (*engineTarget, error) {
	t := &engineTarget{eng: eng, buf: make([]byte, 64<<10)}
	names := newBenchNames(benchCountMax)
	for _, list := range []struct {
		from []string
		to   *[][]byte
	}{{names.old, &t.old}, {names.a, &t.a}, {names.b, &t.b}} {
		for _, name := range list.from {
			*list.to = append(*list.to, []byte(name))
		}
	}
	dir, err := eng.Mkdir(&t.cred, nil, eng.Root(), []byte("bench"), &pmemfs.SetAttr{})
	if err != nil {
		return nil, err
	}
	t.dir = dir.Handle
	for i := range benchOldFiles {
		if err := t.create(t.old, i); err != nil {
			return nil, err
		}
	}
	attr, err := eng.Create(&t.cred, nil, t.dir, []byte("file"), &pmemfs.CreateOptions{})
	if err != nil {
		return nil, err
	}
	t.file = attr.Handle
	_, _, err = eng.Write(&t.cred, nil, t.file, make([]byte, benchFile), 0)
	return t, err
}

// close ends nothing: the engine goes with everything in it.
func (t *engineTarget) close() error { return nil }

func (t *engineTarget) create(names [][]byte, i int) error {
	_, err := t.eng.Create(&t.cred, nil, t.dir, names[i], &pmemfs.CreateOptions{Mode: pmemfs.Guarded})
	return err
}

func (t *engineTarget) unlink(names [][]byte) func(int) error {
	return func(i int) error { return t.eng.Unlink(&t.cred, nil, t.dir, names[i]) }
}

// all repeats an operation for every number below n.
func all(op func(int) error) func(int) error {
	return func(n int) error {
		for i := range n {
			if err := op(i); err != nil {
				return err
			}
		}
		return nil
	}
}

func (t *engineTarget) cases() []benchCase {
	create := func(i int) error { return t.create(t.a, i) }
	mkdir := func(i int) error {
		_, err := t.eng.Mkdir(&t.cred, nil, t.dir, t.a[i], &pmemfs.SetAttr{})
		return err
	}
	rmdir := func(i int) error { return t.eng.Rmdir(&t.cred, nil, t.dir, t.a[i]) }
	return append([]benchCase{
		{name: "create", run: create, tidy: all(t.unlink(t.a))},
		{name: "unlink", prepare: all(create), run: t.unlink(t.a)},
		{name: "mkdir", run: mkdir, tidy: all(rmdir)},
		{name: "rmdir", prepare: all(mkdir), run: rmdir},
		{name: "rename", prepare: all(create), tidy: all(t.unlink(t.b)), run: func(i int) error {
			return t.eng.Rename(&t.cred, nil, t.dir, t.a[i], t.dir, t.b[i], 0)
		}},
		{name: "link", tidy: all(t.unlink(t.a)), run: func(i int) error {
			_, err := t.eng.Link(&t.cred, nil, t.file, t.dir, t.a[i])
			return err
		}},
		{name: "symlink", tidy: all(t.unlink(t.a)), run: func(i int) error {
			_, err := t.eng.Symlink(&t.cred, nil, t.dir, t.a[i], t.old[0], &pmemfs.SetAttr{})
			return err
		}},
		{name: "setattr", run: func(i int) error {
			_, err := t.eng.Setattr(&t.cred, nil, t.file, &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o600 + uint32(i&1)})
			return err
		}},
	}, t.dataCases()...)
}

func (t *engineTarget) dataCases() []benchCase {
	write := func(size, span int) func(int) error {
		return func(i int) error {
			_, _, err := t.eng.Write(&t.cred, nil, t.file, t.buf[:size], uint64(i%span*size))
			return err
		}
	}
	return []benchCase{
		{name: "write 512 B", run: write(512, benchFile/512)},
		{name: "write 4 KiB", run: write(4<<10, benchFile/(4<<10))},
		{name: "write 64 KiB", run: write(64<<10, benchFile/(64<<10))},
		{name: "append 4 KiB", prepare: t.newTail, tidy: t.dropTail, run: func(i int) error {
			_, _, err := t.eng.Write(&t.cred, nil, t.tail, t.buf[:4<<10], uint64(i)*(4<<10))
			return err
		}},
		{name: "truncate", prepare: t.newTail, tidy: t.dropTail, run: func(i int) error {
			_, err := t.eng.Setattr(&t.cred, nil, t.tail, &pmemfs.SetAttr{Mask: pmemfs.SetSize, Size: uint64(i&1) << 20})
			return err
		}},
		{name: "lookup", run: func(i int) error {
			_, err := t.eng.Lookup(&t.cred, nil, t.dir, t.old[i%benchOldFiles])
			return err
		}},
		{name: "getattr", run: func(int) error {
			_, err := t.eng.Getattr(nil, t.file)
			return err
		}},
		{name: "read 4 KiB", run: func(i int) error {
			n, _, err := t.eng.Read(&t.cred, nil, t.file, t.buf[:4<<10], uint64(i%(benchFile/(4<<10))*(4<<10)))
			if err == nil && n != 4<<10 {
				err = errShort
			}
			return err
		}},
	}
}

var errShort = errors.New("short read")

func (t *engineTarget) newTail(int) error {
	attr, err := t.eng.Create(&t.cred, nil, t.dir, []byte("tail"), &pmemfs.CreateOptions{Mode: pmemfs.Guarded})
	t.tail = attr.Handle
	return err
}

func (t *engineTarget) dropTail(int) error { return t.eng.Unlink(&t.cred, nil, t.dir, []byte("tail")) }
