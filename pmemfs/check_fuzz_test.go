package pmemfs

import (
	"bytes"
	"errors"
	"runtime/metrics"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/repair"
	"pmemfs/pmemfs/testpart"
)

// Bounds of one execution on an image of 4 MiB. The time is for a machine that does a hundred other things.
const (
	fuzzBytesMax = 256 << 20
	fuzzTimeMax  = 60 * time.Second
)

// bounded fails the test when f allocates or takes without bound.
func bounded(t *testing.T, f func()) {
	t.Helper()
	allocated := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	start, before := time.Now(), allocated()
	f()
	if n := allocated() - before; n > fuzzBytesMax {
		t.Errorf("%d bytes allocated", n)
	}
	if d := time.Since(start); d > fuzzTimeMax {
		t.Errorf("it took %v", d)
	}
}

// seeds adds the programs that every target begins with: one step of each kind on some blocks, and a few together.
func seeds(f *testing.F) {
	for kind := range byte(16) {
		for _, block := range []byte{0, 2, 4, 7, 9, 20, 27} {
			f.Add([]byte{kind, 0, block, 0, 40 + block, 0, 7, 0, 1, 0, 0, 0, 0, 0, 0, 0xff})
		}
	}
	f.Add(bytes.Repeat([]byte{9, 0, 8, 0, 3, 0, 26, 0, 2, 0, 0, 0, 0, 0, 0, 0}, 3))
	f.Add([]byte("PMEMFS: not an image, and not even a program"))
}

// FuzzCheck checks mutated images, and the program itself as one. The check must end, without a panic, whatever it finds.
func FuzzCheck(f *testing.F) {
	testpart.NotRace(f)
	m := [2]*mutant{newMutant(f, false), newMutant(f, true)}
	seeds(f)
	f.Fuzz(func(t *testing.T, program []byte) { fuzzCheck(t, m[len(program)%2], program) })
}

func fuzzCheck(t *testing.T, m *mutant, program []byte) {
	defer m.restore()
	for _, medium := range [][]byte{m.run(program), program} {
		bounded(t, func() {
			r, err := check.Run(medium, nil)
			if err == nil && len(r.Faults) > check.MaxFaults {
				t.Errorf("%d faults kept", len(r.Faults))
			}
		})
	}
}

// FuzzRepair repairs mutated images. A repair must end, and the check finds nothing afterwards, unless there was nothing to
// begin with or there is no room.
func FuzzRepair(f *testing.F) {
	testpart.NotRace(f)
	m := [2]*mutant{newMutant(f, false), newMutant(f, true)}
	seeds(f)
	f.Fuzz(func(t *testing.T, program []byte) {
		fuzzRepair(t, m[len(program)%2], program, len(program) > 0 && program[0]%8 == 0)
	})
}

func fuzzRepair(t *testing.T, m *mutant, program []byte, commit bool) {
	defer m.restore()
	if _, err := repair.New(check.Image{Bytes: program}, 1); err == nil {
		t.Error("a program was repaired")
	}
	medium := m.run(program)
	bounded(t, func() {
		p, err := repair.New(check.Image{Bytes: medium}, 1)
		if errors.Is(err, repair.ErrUnrepairable) || errors.Is(err, layout.ErrNotImage) || errors.Is(err, layout.ErrVersion) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if full := p.Head.FreeBlocks < 16; !full {
			reportFaults(t, checkReport(p.After), nil)
		}
		if len(p.Notes) > repair.MaxNotes {
			t.Errorf("%d notes", len(p.Notes))
		}
		if commit {
			commitAndMount(t, medium, p)
		}
	})
}

// commitAndMount stores a plan and uses what it makes.
func commitAndMount(t *testing.T, medium []byte, p *repair.Plan) {
	t.Helper()
	region := memoryOf(t, medium)
	if err := p.Commit(region); err != nil {
		t.Fatal(err)
	}
	if p.After.Clean() {
		r, err := check.Run(region.Bytes(), nil)
		reportFaults(t, checkReport(r), err)
	}
	fs, err := mount(region, Options{NoBackground: true})
	if err != nil {
		t.Fatalf("mount after repair: %v", err)
	}
	use(fs)
	if p.After.Clean() {
		checkFS(t, fs)
	}
	closeFS(t, fs)
}

// FuzzOpen opens mutated images and uses what can be opened. Any error will do.
func FuzzOpen(f *testing.F) {
	testpart.NotRace(f)
	m := [2]*mutant{newMutant(f, false), newMutant(f, true)}
	seeds(f)
	f.Fuzz(func(t *testing.T, program []byte) { fuzzOpen(t, m[len(program)%2], program) })
}

func fuzzOpen(t *testing.T, m *mutant, program []byte) {
	defer m.restore()
	medium := m.run(program)
	if len(medium) < layout.BlockSize {
		return
	}
	bounded(t, func() {
		region, err := pmem.NewMemory(int64(len(medium)), pmem.CacheFlush)
		if err != nil {
			t.Fatal(err)
		}
		region.Write(0, medium)
		fs, err := mount(region, Options{NoBackground: true})
		if err != nil {
			if err := region.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		use(fs)
		if err := fs.Close(); err != nil && !errors.Is(err, ErrReadOnly) && !errors.Is(err, ErrIO) {
			t.Errorf("close: %v", err)
		}
	})
}

// use calls what a client would, on a few files of a filesystem that may be damaged, and looks at no answer.
func use(fs *FS) {
	queue, seen := []Handle{fs.Root()}, 0
	p := make([]byte, 8192)
	for len(queue) > 0 && seen < 64 {
		h := queue[0]
		queue, seen = queue[1:], seen+1
		a, err := fs.Getattr(nil, h)
		if err != nil {
			continue
		}
		if names, err := fs.ListXattr(root, nil, h); err == nil && len(names) > 0 {
			ignore(fs.GetXattr(root, nil, h, bytes.Clone(names[0])))
			ignore(0, fs.RemoveXattr(root, nil, h, bytes.Clone(names[0])))
		}
		switch a.Type {
		case TypeDir:
			ignore(0, fs.Readdir(root, nil, h, 0, true, func(e *DirEntry) bool {
				if len(queue) < 100 && e.Ino != h.Ino {
					queue = append(queue, e.Attr.Handle)
				}
				return len(queue) < 100
			}))
			ignore(fs.Create(root, nil, h, []byte("fuzz"), &CreateOptions{}))
			ignore(0, fs.Rename(root, nil, h, []byte("fuzz"), fs.Root(), []byte("fuzz too"), 0))
			ignore(0, fs.Unlink(root, nil, fs.Root(), []byte("fuzz too")))
		case TypeSymlink:
			ignore(fs.Readlink(nil, h))
		default:
			for _, off := range []uint64{0, a.Size / 2, a.Size} {
				_, _, err := fs.Read(root, nil, h, p, off)
				ignore(0, err)
				_, _, err = fs.Write(root, nil, h, p[:1+off%8192], off)
				ignore(0, err)
			}
			ignore(fs.Setattr(root, nil, h, &SetAttr{Mask: SetSize, Size: a.Size / 3}))
			ignore(0, fs.PunchHole(root, nil, h, 0, 100_000))
		}
	}
	ignore(fs.Statfs())
	ignore(0, fs.SyncAll())
}

// ignore takes a result and an error that do not matter: the fuzzed thing is that the call returns.
func ignore[T any](T, error) {}
