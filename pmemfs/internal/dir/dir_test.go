package dir

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/layout"
)

const ino = 20

var key = Key{3, 4}

// folder is a directory on a medium.
type folder struct {
	t testing.TB
	m *alloctest.Medium
}

func newFolder(t testing.TB, blocks uint64) *folder {
	f := &folder{t, alloctest.New(t, blocks, false)}
	f.m.NewInode(t, ino, layout.ModeDir)
	return f
}

func (f *folder) view() *Dir {
	d := Open(f.m.J, nil, f.m.Inode(ino), key)
	return &d
}

func (f *folder) edit(change func(d *Dir) error) error {
	return f.m.Try(func(op *alloc.Op) error {
		d := Open(f.m.J, op, op.Tx.Inode(alloctest.InodeOffset(ino)), key)
		return change(&d)
	})
}

func (f *folder) insert(name string, number uint64) error {
	_, found, free, err := f.view().Lookup([]byte(name), new(Position))
	if err != nil || found {
		return fmt.Errorf("%q: found %v, %w", name, found, err)
	}
	return f.edit(func(d *Dir) error { return d.Insert(new(Position), free, []byte(name), number, 8) })
}

func (f *folder) remove(name string) error {
	e, found, _, err := f.view().Lookup([]byte(name), new(Position))
	if err != nil || !found {
		return fmt.Errorf("%q: found %v, %w", name, found, err)
	}
	return f.edit(func(d *Dir) error { return d.Remove(new(Position), e) })
}

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// list scans from a cookie and returns names and cookies.
func (f *folder) list(after uint64) (names []string, cookies []uint64) {
	f.t.Helper()
	f.must(f.view().Scan(after, func(e Entry) bool {
		names, cookies = append(names, string(e.Name)), append(cookies, e.Key)
		return true
	}))
	return names, cookies
}

// TestDirRandom adds, removes and replaces names of every length, and compares with a map.
func TestDirRandom(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 0))
	f := newFolder(t, 4096)
	model, cookies := map[string]uint64{}, map[string]uint64{}
	for step := range 4000 {
		n := rng.IntN(600)
		name := fmt.Sprintf("%d%s", n, bytes.Repeat([]byte{'x'}, n%253))
		_, there := model[name]
		switch {
		case !there && step%2000 < 1400:
			f.must(f.insert(name, uint64(step+1)))
			model[name] = uint64(step + 1)
		case there && rng.IntN(3) > 0:
			f.must(f.remove(name))
			delete(model, name)
		case there:
			e, _, _, err := f.view().Lookup([]byte(name), new(Position))
			f.must(err)
			f.must(f.edit(func(d *Dir) error { return d.Replace(e, uint64(step+1), 4) }))
			model[name] = uint64(step + 1)
		}
		e, found, _, err := f.view().Lookup([]byte(name), new(Position))
		want, there := model[name]
		if err != nil || found != there || found && e.Ino != want {
			t.Fatalf("seed %d step %d: %q is %d, %v, %v, expected %d, %v", seed, step, name, e.Ino, found, err, want, there)
		}
		if old, ok := cookies[name]; ok && found && old != e.Key {
			t.Fatalf("seed %d step %d: the cookie of %q changed from %#x to %#x", seed, step, name, old, e.Key)
		} else if found {
			cookies[name] = e.Key
		}
		if step%200 == 0 {
			names, keys := f.list(0)
			if len(names) != len(model) || !slices.IsSorted(keys) || f.m.Inode(ino).Size() != uint64(len(model)) {
				t.Fatalf("seed %d step %d: %d names, %d in the inode, expected %d", seed, step, len(names), f.m.Inode(ino).Size(), len(model))
			}
		}
	}
	for name := range model {
		f.must(f.remove(name))
	}
	if in := f.m.Inode(ino); in.Size() != 0 || in.Blocks() != 0 {
		t.Errorf("an emptied directory has size %d and %d blocks", in.Size(), in.Blocks())
	}
	f.m.Verify(t)
}

// TestScanFromEveryCookie goes on after each entry, also after its removal.
func TestScanFromEveryCookie(t *testing.T) {
	f := newFolder(t, 2048)
	for i := range 300 {
		f.must(f.insert(fmt.Sprint("name", i), uint64(i+1)))
	}
	names, cookies := f.list(0)
	for i := range names {
		got, _ := f.list(cookies[i])
		if !slices.Equal(got, names[i+1:]) {
			t.Fatalf("after entry %d: %d entries, expected %d", i, len(got), len(names)-i-1)
		}
		stopped := 0
		f.must(f.view().Scan(cookies[i], func(Entry) bool { stopped++; return stopped < 3 }))
		if stopped != min(3, len(names)-i-1) {
			t.Fatalf("after entry %d: %d entries before the stop", i, stopped)
		}
	}
	for i := 0; i < len(names); i += 2 {
		f.must(f.remove(names[i]))
	}
	for i := range names {
		got, _ := f.list(cookies[i])
		if want := len(names)/2 - (i+1)/2; len(got) != want {
			t.Fatalf("after entry %d, every second one removed: %d entries, expected %d", i, len(got), want)
		}
	}
}

// TestEqualHashes puts strangers on the keys of a name's hash, as if their hashes were equal.
func TestEqualHashes(t *testing.T) {
	f := newFolder(t, 2048)
	name := []byte("victim")
	base := layout.KeyBase(siphash.Hash(key.K0, key.K1, name))
	stranger := func(d *Dir, i uint64) error {
		var buf [layout.DirentMax]byte
		p := layout.EncodeDirent(buf[:], 1000+i, 8, fmt.Appendf(nil, "stranger%d", i))
		err := d.t.Insert(base+i, p)
		d.save(1)
		return err
	}
	for _, i := range []uint64{0, 1, 2, 4} {
		f.must(f.edit(func(d *Dir) error { return stranger(d, i) }))
	}
	_, found, free, err := f.view().Lookup(name, new(Position))
	if err != nil || found || free != base+3 {
		t.Fatalf("%v, free key %d, %v, expected 3", found, free-base, err)
	}
	f.must(f.insert("victim", 7))
	for i := uint64(5); i < 128; i++ {
		f.must(f.edit(func(d *Dir) error { return stranger(d, i) }))
	}
	e, found, _, err := f.view().Lookup(name, new(Position))
	if err != nil || !found || e.Key != base+3 || e.Ino != 7 {
		t.Errorf("among 127 others: %+v, %v, %v", e, found, err)
	}
	f.must(f.remove("victim"))
	f.must(f.edit(func(d *Dir) error { return stranger(d, 3) }))
	if err := f.insert("victim", 7); !errors.Is(err, ErrFull) {
		t.Errorf("128 others: %v", err)
	}
	if names, _ := f.list(base + 126); len(names) != 1 || names[0] != "stranger127" {
		t.Errorf("after the 127th of one hash: %q", names)
	}
}

// TestMalformedEntry reads an entry that is none.
func TestMalformedEntry(t *testing.T) {
	f := newFolder(t, 2048)
	name := []byte("name")
	base := layout.KeyBase(siphash.Hash(key.K0, key.K1, name))
	f.must(f.edit(func(d *Dir) error {
		err := d.t.Insert(base, []byte("short"))
		d.save(1)
		return err
	}))
	if _, _, _, err := f.view().Lookup(name, new(Position)); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("lookup: %v", err)
	}
	if err := f.view().Scan(0, func(Entry) bool { return true }); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("scan: %v", err)
	}
}

// TestManyNames makes 300,000 names, several to an operation for speed, and finds all of them.
func TestManyNames(t *testing.T) {
	f := newFolder(t, 16384)
	const count, batch = 300_000, 100
	for i := 0; i < count; i += batch {
		f.must(f.edit(func(d *Dir) error {
			for n := i; n < i+batch; n++ {
				name := fmt.Appendf(nil, "file-%d", n)
				_, _, free, err := d.Lookup(name, new(Position))
				if err == nil {
					err = d.Insert(new(Position), free, name, uint64(n+1), 8)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}))
	}
	seen, last := 0, uint64(0)
	f.must(f.view().Scan(0, func(e Entry) bool {
		if e.Key <= last {
			t.Fatalf("key %#x after %#x", e.Key, last)
		}
		seen, last = seen+1, e.Key
		return true
	}))
	if seen != count || f.m.Inode(ino).Size() != count {
		t.Errorf("%d names, %d in the inode", seen, f.m.Inode(ino).Size())
	}
	view := f.view()
	for n := 0; n < count; n += 7 {
		e, found, _, err := view.Lookup(fmt.Appendf(nil, "file-%d", n), new(Position))
		if err != nil || !found || e.Ino != uint64(n+1) {
			t.Fatalf("name %d: %+v, %v, %v", n, e, found, err)
		}
	}
	if _, height := f.m.Inode(ino).DataRoot(); height > 4 {
		t.Errorf("the tree is %d high", height)
	}
	f.m.Verify(t)
}
