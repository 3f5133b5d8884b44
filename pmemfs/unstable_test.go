package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/writeback"
	"pmemfs/pmemfs/testpart"
)

// TestUnstableStable asks for it where a fence is cheap.
func TestUnstableStable(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 8<<20)
	h := mkfile(t, fs, "f")
	if n, stable, a, err := fs.WriteUnstable(superuser, nil, h, make([]byte, 5000), 7); n != 5000 || !stable || a.Size != 5007 || err != nil {
		t.Errorf("%d, %v, %+v, %v", n, stable, a, err)
	}
	must(t, fs.Commit(nil, h, 0, 0))
	checkFS(t, fs)
	closeFS(t, fs)
}

// sights are calls that see a file, each of which must find what was written unstable.
var sights = map[string]func(fs *FS, h Handle) (Attr, error){
	"getattr": func(fs *FS, h Handle) (Attr, error) { return fs.Getattr(nil, h) },
	"lookup":  func(fs *FS, h Handle) (Attr, error) { return fs.Lookup(superuser, nil, fs.Root(), []byte("f")) },
	"readdir": func(fs *FS, h Handle) (a Attr, err error) {
		err = fs.Readdir(superuser, nil, fs.Root(), 0, true, func(e *DirEntry) bool {
			if string(e.Name) == "f" {
				a = e.Attr
			}
			return true
		})
		return a, err
	},
	"setattr of nothing": func(fs *FS, h Handle) (Attr, error) { return fs.Setattr(superuser, nil, h, &SetAttr{}) },
	"read": func(fs *FS, h Handle) (Attr, error) {
		p := make([]byte, 9000)
		if n, eof, err := fs.Read(superuser, nil, h, p, 0); n != 8005 || !eof || err != nil || p[8004] != 7 || p[0] != 7 || p[4096] != 0 {
			return Attr{}, fmt.Errorf("%d, %v, %w", n, eof, err)
		}
		return fs.Getattr(nil, h)
	},
	"commit":   func(fs *FS, h Handle) (Attr, error) { return fs.stat(h, fs.Commit(nil, h, 0, 0)) },
	"sync":     func(fs *FS, h Handle) (Attr, error) { return fs.stat(h, fs.Sync(h)) },
	"sync all": func(fs *FS, h Handle) (Attr, error) { return fs.stat(h, fs.SyncAll()) },
	"seek": func(fs *FS, h Handle) (Attr, error) {
		_, err := fs.SeekHole(superuser, nil, h, 0)
		return fs.stat(h, err)
	},
	"xattrs": func(fs *FS, h Handle) (Attr, error) {
		_, err := fs.ListXattr(superuser, nil, h)
		return fs.stat(h, err)
	},
	"no rename": func(fs *FS, h Handle) (Attr, error) {
		return fs.stat(h, fs.Rename(superuser, nil, fs.Root(), []byte("f"), fs.Root(), []byte("f"), 0))
	},
}

func (fs *FS) stat(h Handle, err error) (Attr, error) {
	if err != nil {
		return Attr{}, err
	}
	return fs.Getattr(nil, h)
}

// TestUnstableSeen writes unstable and looks at the file in every way: size, times and change counter are those that the
// write was answered with.
func TestUnstableSeen(t *testing.T) {
	testpart.NotRace(t)
	for name, see := range sights {
		fs := lazyFS(t, 8<<20)
		h := mkfile(t, fs, "f")
		writeUnstable(t, fs, h, []byte{7, 7, 7}, 0)
		call := &Call{}
		n, stable, want, err := fs.WriteUnstable(&Cred{}, call, h, []byte{7, 7, 7, 7, 7}, 8000)
		if n != 5 || stable || err != nil || want.Size != 8005 || call.WCC[0].Post != want || call.WCC[0].Pre.Size != 3 || !call.WCC[0].HasPre {
			t.Errorf("%s: %d, %v, %v: %+v", name, n, stable, err, call.WCC[0])
		}
		got, err := see(fs, h)
		want.Used = got.Used
		if err != nil || got != want {
			t.Errorf("%s: %+v, expected %+v (%v)", name, got, want, err)
		}
		checkFS(t, fs)
		closeFS(t, fs)
	}
}

// TestUnstableChanges lets every call that changes a file follow an unstable write.
func TestUnstableChanges(t *testing.T) {
	testpart.NotRace(t)
	for name, change := range map[string]func(fs *FS, h Handle) error{
		"write": func(fs *FS, h Handle) error { _, _, err := fs.Write(superuser, nil, h, []byte("x"), 2); return err },
		"truncate": func(fs *FS, h Handle) error {
			_, err := fs.Setattr(superuser, nil, h, &SetAttr{Mask: SetSize, Size: 3})
			return err
		},
		"allocate": func(fs *FS, h Handle) error { return fs.Allocate(superuser, nil, h, 0, 10_000, false) },
		"punch":    func(fs *FS, h Handle) error { return fs.PunchHole(superuser, nil, h, 1, 2) },
		"xattr":    func(fs *FS, h Handle) error { return fs.SetXattr(superuser, nil, h, []byte("user.a"), []byte("b"), 0) },
		"link":     func(fs *FS, h Handle) error { _, err := fs.Link(superuser, nil, h, fs.Root(), []byte("g")); return err },
		"rename": func(fs *FS, h Handle) error {
			return fs.Rename(superuser, nil, fs.Root(), []byte("f"), fs.Root(), []byte("h"), 0)
		},
	} {
		a, b := lazyFS(t, 8<<20), lazyFS(t, 8<<20)
		var got [2][]byte
		for i, fs := range []*FS{a, b} {
			h := mkfile(t, fs, "f")
			if i == 0 {
				writeUnstable(t, fs, h, []byte("hello"), 0)
			} else {
				_, _, err := fs.Write(superuser, nil, h, []byte("hello"), 0)
				must(t, err)
			}
			if err := change(fs, h); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got[i] = make([]byte, 20_000)
			n, _, err := fs.Read(superuser, nil, h, got[i], 0)
			must(t, err)
			got[i] = got[i][:n]
			checkFS(t, fs)
			closeFS(t, fs)
		}
		if !bytes.Equal(got[0], got[1]) {
			t.Errorf("%s: %q, expected %q", name, got[0], got[1])
		}
	}
}

// TestUnstableVerifier ends mounts in every way and compares the verifiers.
func TestUnstableVerifier(t *testing.T) {
	testpart.NotRace(t)
	fs := lazyFS(t, 8<<20)
	h := mkfile(t, fs, "f")
	v := fs.Verifier()
	expect := func(what string, same bool) {
		t.Helper()
		if got := fs.Verifier(); (got == v) != same {
			t.Errorf("%s: verifier %x after %x", what, got, v)
		}
		v = fs.Verifier()
	}
	kill := func() {
		medium := bytes.Clone(fs.region.Bytes())
		closeFS(t, fs)
		checkMedium(t, medium)
		fs = lazyBytes(t, medium)
	}
	kill()
	expect("killed without an unstable write", true)
	writeUnstable(t, fs, h, []byte("lost"), 0)
	expect("an unstable write", true)
	kill()
	expect("killed after an unstable write", false)
	if a, err := fs.Getattr(nil, h); err != nil || a.Size != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	kill()
	expect("killed without another one", true)
	writeUnstable(t, fs, h, []byte("kept"), 0)
	must(t, fs.Commit(nil, h, 0, 0))
	kill()
	expect("killed after a commit", false)
	if a, err := fs.Getattr(nil, h); err != nil || a.Size != 4 {
		t.Errorf("%+v, %v", a, err)
	}
	writeUnstable(t, fs, h, []byte("closed"), 0)
	fs.dirty.Lost() // as if some had been lost
	v = fs.Verifier()
	region := fs.region
	sure := shadowMedium(fs)
	closeFS(t, fs)
	_ = region
	fs = lazyBytes(t, sure)
	expect("closed", true)
	if a, err := fs.Getattr(nil, h); err != nil || a.Size != 6 {
		t.Errorf("%+v, %v", a, err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestUnstableRefused writes what must be refused at once, as a stable write would be.
func TestUnstableRefused(t *testing.T) {
	testpart.NotRace(t)
	fs := lazyFS(t, 8<<20)
	h := mkfile(t, fs, "f")
	user := &Cred{UID: 5}
	for what, c := range map[string]struct {
		c    *Cred
		h    Handle
		off  uint64
		want error
	}{
		"no permission": {user, h, 0, ErrAccess}, "a directory": {superuser, fs.Root(), 0, ErrIsDir},
		"too far": {superuser, h, 1 << 63, ErrFileTooBig}, "stale": {superuser, Handle{Ino: h.Ino, Gen: h.Gen + 1}, 0, ErrStale},
	} {
		if _, _, _, err := fs.WriteUnstable(c.c, nil, c.h, []byte("x"), c.off); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, expected %v", what, err, c.want)
		}
	}
	// More than there is space for, in pieces.
	var err error
	for i := uint64(0); i < 400 && err == nil; i++ {
		_, _, _, err = fs.WriteUnstable(superuser, nil, h, make([]byte, writeback.WriteMax), i*writeback.WriteMax)
	}
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("a full filesystem: %v", err)
	}
	if err := fs.Commit(nil, h, 0, 0); err != nil {
		t.Errorf("what was accepted cannot be stored: %v", err)
	}
	must(t, fs.Unlink(superuser, nil, fs.Root(), []byte("f")))
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestUnstableBounds writes more than may be buffered.
func TestUnstableBounds(t *testing.T) {
	testpart.NotRace(t)
	fs := lazyFS(t, 256<<20)
	for i := range 4 {
		h := mkfile(t, fs, fmt.Sprint(i))
		for off := uint64(0); off < 48<<20; off += writeback.WriteMax {
			_, _, _, err := fs.WriteUnstable(superuser, nil, h, make([]byte, writeback.WriteMax), off)
			must(t, err)
			if n := fs.dirty.Bytes(); n > writeback.TotalMax {
				t.Fatalf("%d bytes are buffered", n)
			}
		}
	}
	h := mkfile(t, fs, "pieces")
	for i := range uint64(3 * writeback.RunsMax) {
		_, _, _, err := fs.WriteUnstable(superuser, nil, h, []byte{1}, i*2)
		must(t, err)
	}
	must(t, fs.SyncAll())
	if fs.dirty.Bytes() != 0 || fs.dirty.Dirty() {
		t.Error("a file is still dirty")
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestUnstableModel writes random pieces, reads and commits now and then, and cuts the power: what was committed is there,
// and of each block what some write since had made of it, or nothing had.
func TestUnstableModel(t *testing.T) {
	testpart.NotRace(t)
	t.Parallel()
	for seed := range uint64(20) {
		unstableModel(t, seed)
	}
}

func unstableModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 5))
	fs := lazyFS(t, 16<<20)
	h := mkfile(t, fs, "f")
	sure := shadowMedium(fs)
	const size = 64 << 10
	now, committed := make([]byte, size), make([]byte, size)
	versions := map[int][][]byte{} // of each block since the last commit
	for step := range 120 {
		n, off := 1+rng.IntN(9000), rng.IntN(size-9001)
		if rng.IntN(3) == 0 {
			n, off = 4096, off&^4095
		}
		p := bytes.Repeat([]byte{byte(1 + rng.IntN(255))}, n)
		copy(now[off:], p)
		if rng.IntN(5) == 0 {
			_, _, err := fs.Write(superuser, nil, h, p, uint64(off))
			must(t, err)
			copy(committed, now) // it has made the others stable
			clear(versions)
		} else {
			writeUnstable(t, fs, h, p, uint64(off))
			for b := off / 4096; b <= (off+n-1)/4096; b++ {
				versions[b] = append(versions[b], bytes.Clone(now[b*4096:(b+1)*4096]))
			}
		}
		switch rng.IntN(10) {
		case 0:
			must(t, fs.Commit(nil, h, uint64(off), uint64(n)))
			copy(committed, now)
			clear(versions)
		case 1:
			got := make([]byte, size)
			m, _, err := fs.Read(superuser, nil, h, got, 0)
			if err != nil || !bytes.Equal(got[:m], now[:m]) {
				t.Fatalf("seed %d, step %d: read is not what was written (%v)", seed, step, err)
			}
			copy(committed, now)
			clear(versions)
		}
		if rng.IntN(8) == 0 {
			medium := powerCut(fs, sure, seed<<32+uint64(step))
			checkMedium(t, medium)
			cut := lazyBytes(t, medium)
			afterCut(t, cut, h, committed, versions)
			closeFS(t, cut)
		}
		if t.Failed() {
			t.Fatalf("seed %d, step %d", seed, step)
		}
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// afterCut compares a file block by block.
func afterCut(t *testing.T, fs *FS, h Handle, committed []byte, versions map[int][][]byte) {
	t.Helper()
	got := make([]byte, len(committed))
	_, _, err := fs.Read(superuser, nil, h, got, 0)
	must(t, err)
	for b := range len(got) / 4096 {
		block := got[b*4096 : (b+1)*4096]
		ok := bytes.Equal(block, committed[b*4096:(b+1)*4096])
		for _, v := range versions[b] {
			ok = ok || bytes.Equal(block, v)
		}
		if !ok {
			t.Errorf("block %d is what nobody wrote", b)
		}
	}
}

// TestUnstableFences counts: one fence in a mount for the first unstable write, none for others, and a commit costs those of
// one write.
func TestUnstableFences(t *testing.T) {
	testpart.NotRace(t)
	fs := lazyFS(t, 64<<20)
	h := mkfile(t, fs, "f")
	for i, want := range []uint64{1 + 1, 1, 1} {
		before := fs.Counters().Fences
		for off := range uint64(256) {
			writeUnstable(t, fs, h, make([]byte, 4096), (off^7)*4096)
		}
		must(t, fs.Commit(nil, h, 0, 0))
		if got := fs.Counters().Fences - before; got != want {
			t.Errorf("round %d: %d fences, expected %d", i, got, want)
		}
	}
	// Small pieces that have blocks of their own share a record.
	before := fs.Counters().Fences
	for i := range uint64(20) {
		writeUnstable(t, fs, h, []byte("piece"), i*8192)
	}
	must(t, fs.Commit(nil, h, 0, 0))
	if got := fs.Counters().Fences - before; got != 1 {
		t.Errorf("small pieces: %d fences, expected 1", got)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestUnstableAtOnce writes, reads, commits, renames and removes the same files from several goroutines.
func TestUnstableAtOnce(t *testing.T) {
	fs := lazyFS(t, 64<<20)
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 9))
			for range 300 {
				name := fmt.Appendf(nil, "f%d", rng.IntN(4))
				a, err := fs.Create(superuser, nil, fs.Root(), name, &CreateOptions{})
				if err != nil {
					continue
				}
				switch p := make([]byte, 1+rng.IntN(9000)); rng.IntN(8) {
				case 0:
					_, _, err = fs.Read(superuser, nil, a.Handle, p, 0)
				case 1:
					err = fs.Commit(nil, a.Handle, 0, 0)
				case 2:
					err = fs.Unlink(superuser, nil, fs.Root(), name)
				case 3:
					err = fs.Rename(superuser, nil, fs.Root(), name, fs.Root(), fmt.Appendf(nil, "f%d", rng.IntN(4)), 0)
				default:
					_, _, _, err = fs.WriteUnstable(superuser, nil, a.Handle, p, uint64(rng.IntN(100_000)))
				}
				if err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotExist) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, fs.SyncAll())
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestUnstableLost refuses the fence that a commit needs: the commit says so, and the verifier changes.
func TestUnstableLost(t *testing.T) {
	testpart.NotRace(t)
	fs := lazyFS(t, 8<<20)
	h := mkfile(t, fs, "f")
	writeUnstable(t, fs, h, make([]byte, layout.BlockSize), 0)
	v := fs.Verifier()
	fs.region.SetPersistHook(pmem.Before(func(pmem.Range) error { return errors.New("refused by the test") }))
	if err := fs.Commit(nil, h, 0, 0); !errors.Is(err, ErrReadOnly) {
		t.Errorf("commit: %v", err)
	}
	if fs.Verifier() == v {
		t.Error("the verifier is the same")
	}
	if _, _, _, err := fs.WriteUnstable(superuser, nil, h, []byte("x"), 0); !errors.Is(err, ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
	fs.region.SetPersistHook(nil)
	if err := fs.Close(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("close: %v", err)
	}
}

// TestUnstableSpace fills a filesystem beside dirty data: what was answered finds its space all the same, and the free
// space that is told is what others can have.
func TestUnstableSpace(t *testing.T) {
	testpart.NotRace(t)
	fs := lazyFS(t, 32<<20)
	before, err := fs.Statfs()
	must(t, err)
	piece := bytes.Repeat([]byte("kept"), 32<<10)
	var files []Handle
	for i := range 3 {
		h := mkfile(t, fs, fmt.Sprint("kept", i))
		files = append(files, h)
		for off := 0; off < 3<<20; off += len(piece) {
			writeUnstable(t, fs, h, piece, uint64(off))
		}
	}
	after, err := fs.Statfs()
	must(t, err)
	if used := before.FreeBytes - after.FreeBytes; used < 9<<20 || used > 10<<20 {
		t.Errorf("9 MiB of dirty data take %d bytes of the free space", used)
	}
	greedy := mkfile(t, fs, "greedy")
	for off := uint64(0); ; off += 64 << 10 {
		if _, _, err := fs.Write(superuser, nil, greedy, make([]byte, 64<<10), off); err != nil {
			if !errors.Is(err, ErrNoSpace) {
				t.Fatal(err)
			}
			break
		}
	}
	for _, h := range files {
		must(t, fs.Commit(nil, h, 0, 0))
	}
	if n := fs.a.Reserved(); n != 0 {
		t.Errorf("%d blocks are reserved for nothing", n)
	}
	// What is dropped gives its reservation back.
	must(t, fs.Unlink(superuser, nil, fs.Root(), []byte("greedy")))
	h := mkfile(t, fs, "gone")
	writeUnstable(t, fs, h, piece, 0)
	must(t, fs.Unlink(superuser, nil, fs.Root(), []byte("gone")))
	if n := fs.a.Reserved(); n != 0 {
		t.Errorf("%d blocks are reserved for a file that is gone", n)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestCheapFence asks for it in every domain.
func TestCheapFence(t *testing.T) {
	for _, d := range []Domain{DomainVolatile, DomainPageCache, DomainCacheFlush, DomainEADR} {
		fs, err := OpenMemory(4<<20, d, Options{NoBackground: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := fs.CheapFence(); got != (d != DomainPageCache) {
			t.Errorf("%v: %v", d, got)
		}
		closeFS(t, fs)
	}
}
