package pmemfs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// treeAsText returns all that a user sees below a directory: a line for each name.
func treeAsText(t *testing.T, fs *FS, h Handle) map[string]string {
	t.Helper()
	m := map[string]string{}
	c := &Cred{}
	var walk func(path string, h Handle)
	walk = func(path string, h Handle) {
		type kid struct {
			name string
			a    Attr
		}
		var kids []kid
		if err := fs.Readdir(c, nil, h, 0, true, func(e *DirEntry) bool {
			if string(e.Name) != "." && string(e.Name) != ".." {
				if !e.HasAttr {
					_, lerr := fs.Lookup(c, nil, h, e.Name)
					t.Errorf("%s/%s %d has no attributes: %v", path, e.Name, e.Ino, lerr)
				}
				kids = append(kids, kid{string(e.Name), e.Attr})
			}
			return true
		}); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, k := range kids {
			p, a := path+"/"+k.name, k.a
			line := fmt.Sprintf("%d %d type %d mode %o links %d size %d mtime %d", a.Ino, a.Gen, a.Type, a.Mode, a.Nlink, a.Size, a.Mtime)
			switch a.Type {
			case TypeDir:
				walk(p, a.Handle)
			case TypeRegular:
				buf := make([]byte, a.Size)
				n, _, err := fs.Read(c, nil, a.Handle, buf, 0)
				if err != nil || n != len(buf) {
					t.Fatalf("%s: %d of %d bytes, %v", p, n, len(buf), err)
				}
				line += fmt.Sprintf(" %x", sha256.Sum256(buf))
			case TypeSymlink:
				target, err := fs.Readlink(nil, a.Handle)
				if err != nil {
					t.Fatalf("%s: %v", p, err)
				}
				line += fmt.Sprintf(" %x", sha256.Sum256(target))
			}
			names, err := fs.ListXattr(c, nil, a.Handle)
			if err != nil {
				t.Fatalf("%s: %v", p, err)
			}
			for _, name := range names {
				v, err := fs.GetXattr(c, nil, a.Handle, name)
				if err != nil {
					t.Fatalf("%s: %s: %v", p, name, err)
				}
				line += fmt.Sprintf(" %s=%x", name, sha256.Sum256(v))
			}
			m[p] = line
		}
	}
	walk("", h)
	return m
}

func sameTree(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for p, line := range want {
		if got[p] != line {
			t.Errorf("%s: %s is %q, expected %q", what, p, got[p], line)
		}
	}
	for p := range got {
		if _, ok := want[p]; !ok {
			t.Errorf("%s: %s should not be there", what, p)
		}
	}
}

// changer makes random changes.
type changer struct {
	t     *testing.T
	fs    *FS
	rng   *rand.Rand
	files map[string]Handle
	dirs  map[string]Handle
}

func newChanger(t *testing.T, fs *FS, seed uint64) *changer {
	return &changer{t, fs, rand.New(rand.NewPCG(seed, 5)), map[string]Handle{}, map[string]Handle{"": fs.Root()}}
}

// learn finds out what there is.
func (x *changer) learn() {
	x.files, x.dirs = map[string]Handle{}, map[string]Handle{"": x.fs.Root()}
	var walk func(path string, h Handle)
	walk = func(path string, h Handle) {
		var dirs []string
		if err := x.fs.Readdir(&Cred{}, nil, h, 0, true, func(e *DirEntry) bool {
			p := path + "/" + string(e.Name)
			switch {
			case string(e.Name) == "." || string(e.Name) == "..":
			case e.Type == TypeDir:
				x.dirs[p] = e.Attr.Handle
				dirs = append(dirs, p)
			default:
				x.files[p] = e.Attr.Handle
			}
			return true
		}); err != nil {
			x.t.Fatal(err)
		}
		for _, d := range dirs {
			walk(d, x.dirs[d])
		}
	}
	walk("", x.fs.Root())
}

func pickPath(rng *rand.Rand, m map[string]Handle) string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return "-"
	}
	// maps have no order: the smallest of a few is as good as any, but the same in each run
	best, at := "", rng.Uint64()
	var low uint64
	for _, k := range keys {
		h := sha256.Sum256(fmt.Appendf(nil, "%d%s", at, k))
		if v := uint64(h[0])<<16 | uint64(h[1])<<8 | uint64(h[2]); best == "" || v < low || v == low && k < best {
			best, low = k, v
		}
	}
	return best
}

func splitPath(path string) (dir, name string) {
	i := bytes.LastIndexByte([]byte(path), '/')
	return path[:i], path[i+1:]
}

func (x *changer) step() {
	c, fs, rng := &Cred{}, x.fs, x.rng
	x.learn()
	dir := pickPath(rng, x.dirs)
	file := pickPath(rng, x.files)
	name := fmt.Sprintf("n%d", rng.IntN(40))
	var err error
	switch rng.IntN(14) {
	case 0, 1, 2:
		var a Attr
		if a, err = fs.Create(c, nil, x.dirs[dir], []byte(name), &CreateOptions{}); err == nil && rng.IntN(2) == 0 {
			_, _, err = fs.Write(c, nil, a.Handle, bytes.Repeat([]byte(name), 1+rng.IntN(8000)), uint64(rng.IntN(20000)))
		}
	case 3:
		if len(x.dirs) < 12 {
			_, err = fs.Mkdir(c, nil, x.dirs[dir], []byte(name), nil)
		}
	case 4:
		_, err = fs.Symlink(c, nil, x.dirs[dir], []byte(name), bytes.Repeat([]byte("t"), 1+rng.IntN(300)), nil)
	case 5, 6:
		if file != "-" {
			d, n := splitPath(file)
			err = fs.Unlink(c, nil, x.dirs[d], []byte(n))
		}
	case 7:
		if dir != "" {
			d, n := splitPath(dir)
			if err = fs.Rmdir(c, nil, x.dirs[d], []byte(n)); errors.Is(err, ErrNotEmpty) {
				err = nil
			}
		}
	case 8:
		if file != "-" {
			d, n := splitPath(file)
			err = fs.Rename(c, nil, x.dirs[d], []byte(n), x.dirs[dir], []byte(name), 0)
		}
	case 9:
		if file != "-" {
			_, err = fs.Link(c, nil, x.files[file], x.dirs[dir], []byte(name))
		}
	case 10:
		if file != "-" {
			_, err = fs.Setattr(c, nil, x.files[file], &SetAttr{Mask: SetSize, Size: uint64(rng.IntN(40000))})
		}
	case 11:
		if file != "-" {
			err = fs.SetXattr(c, nil, x.files[file], []byte("user."+name), bytes.Repeat([]byte("v"), rng.IntN(9000)), 0)
		}
	default:
		if file != "-" {
			_, _, err = fs.Write(c, nil, x.files[file], bytes.Repeat([]byte{byte(rng.Int())}, 1+rng.IntN(30000)), uint64(rng.IntN(60000)))
		}
	}
	switch {
	case err == nil, errors.Is(err, ErrExist), errors.Is(err, ErrInvalid), errors.Is(err, ErrIsDir), errors.Is(err, ErrNotDir), errors.Is(err, ErrNotSupported), errors.Is(err, ErrPerm), errors.Is(err, ErrNotEmpty):
	default:
		x.t.Fatal(err)
	}
}

// TestSnapshotRandom makes, reads, deletes and rolls back to snapshots among random changes: each stays what it was.
func TestSnapshotRandom(t *testing.T) {
	for seed := range uint64(8) {
		fs, err := OpenMemory(64<<20, DomainVolatile, Options{NoBackground: true, DataChecksums: seed%2 == 1})
		if err != nil {
			t.Fatal(err)
		}
		before, _ := fs.Statfs()
		x := newChanger(t, fs, seed)
		want := map[string]map[string]string{}
		for round := range 12 {
			for range 40 {
				x.step()
			}
			name := fmt.Sprintf("s%d", round)
			if _, err := fs.CreateSnapshot(name, ""); err != nil {
				t.Fatal(err)
			}
			want[name] = treeAsText(t, fs, fs.Root())
			if round%3 == 2 {
				for _, gone := range []string{fmt.Sprintf("s%d", x.rng.IntN(round)), fmt.Sprintf("s%d", x.rng.IntN(round))} {
					if err := fs.DeleteSnapshot(gone); err != nil && !errors.Is(err, ErrNotExist) {
						t.Fatal(err)
					}
					delete(want, gone)
				}
			}
			if round == 5 || round == 9 {
				for range 30 {
					x.step()
				}
				to := name
				if round == 9 {
					to = ""
					for _, s := range []string{"s4", "s5", "s6", "s7", "s8", "s9"} {
						if want[s] != nil && to == "" {
							to = s
						}
					}
				}
				if err := fs.RollbackSnapshot(to, true); err != nil {
					t.Fatalf("seed %d round %d: %v", seed, round, err)
				}
				sameTree(t, fmt.Sprintf("seed %d, rolled back to %s", seed, to), treeAsText(t, fs, fs.Root()), want[to])
				list, _, err := fs.Snapshots()
				if err != nil || list[len(list)-1].Name != to {
					t.Fatalf("%+v, %v", list, err)
				}
				for s := range want {
					if _, err := fs.SnapshotNamed(s); err != nil {
						delete(want, s)
					}
				}
			}
			for s, w := range want {
				sn, err := fs.SnapshotNamed(s)
				if err != nil {
					t.Fatalf("seed %d: %s: %v", seed, s, err)
				}
				sameTree(t, fmt.Sprintf("seed %d round %d snapshot %s", seed, round, s), treeAsText(t, fs, fs.Root().In(sn.Epoch)), w)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		emptyAgain(t, fs, x, before)
	}
}

// emptyAgain removes everything and compares the free space with that of the beginning.
func emptyAgain(t *testing.T, fs *FS, x *changer, before Statfs) {
	t.Helper()
	list, _, err := fs.Snapshots()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if err := fs.DeleteSnapshot(s.Name); err != nil {
			t.Fatal(err)
		}
	}
	x.learn()
	for f := range x.files {
		d, n := splitPath(f)
		if err := fs.Unlink(&Cred{}, nil, x.dirs[d], []byte(n)); err != nil {
			t.Fatal(err)
		}
	}
	for left := len(x.dirs); left > 1; {
		for d := range x.dirs {
			if d == "" {
				continue
			}
			up, n := splitPath(d)
			if err := fs.Rmdir(&Cred{}, nil, x.dirs[up], []byte(n)); err == nil {
				delete(x.dirs, d)
			}
		}
		if len(x.dirs) == left {
			t.Fatal("directories cannot be removed")
		}
		left = len(x.dirs)
	}
	if err := fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	_, space, err := fs.Snapshots()
	if err != nil || space != (SnapshotSpace{}) {
		t.Errorf("%+v, %v", space, err)
	}
	after, _ := fs.Statfs()
	// The table of snapshots and the table of its shards stay, and the inode file grew.
	if lost := int64(before.FreeBytes) - int64(after.FreeBytes); lost > 3*4096+64*4096 {
		t.Errorf("%d bytes are lost", lost)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRollbackFull rolls a full image back after accounting was turned on: what comes back is charged to accounts that do not exist yet.
func TestRollbackFull(t *testing.T) {
	fs, err := OpenMemory(8<<20, DomainVolatile, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cred{}
	fill := func(name string, size int) {
		a, err := fs.Create(c, nil, fs.Root(), []byte(name), &CreateOptions{})
		for off := 0; err == nil && off < size; off += 64 << 10 {
			_, _, err = fs.Write(c, nil, a.Handle, make([]byte, 64<<10), uint64(off))
		}
		if err != nil && !errors.Is(err, ErrNoSpace) {
			t.Fatal(err)
		}
	}
	fill("a", 2<<20)
	if _, err := fs.CreateSnapshot("one", ""); err != nil {
		t.Fatal(err)
	}
	want := treeAsText(t, fs, fs.Root())
	if err := fs.EnableQuotas(); err != nil {
		t.Fatal(err)
	}
	fill("b", 16<<20)
	fill("a", 16<<20)
	if err := fs.RollbackSnapshot("one", false); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "rolled back", treeAsText(t, fs, fs.Root()), want)
	if r, err := fs.Check(); err != nil || !r.Clean() {
		t.Errorf("check: %v, %+v", err, r)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRollbackMissing refuses an image of which a rollback goes to a snapshot that is not there.
func TestRollbackMissing(t *testing.T) {
	path := t.TempDir() + "/fs.img"
	if err := Format(path, FormatOptions{Size: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	fs, err := Open(path, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if _, err := fs.CreateSnapshot(name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.DeleteSnapshot("one"); err != nil {
		t.Fatal(err)
	}
	if err := fs.snaps.Frozen(func() error { return fs.snaps.SetRollback(1) }); err != nil {
		t.Fatal(err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	if fs, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
		if err == nil {
			t.Error(fs.Close())
		}
	}
}
