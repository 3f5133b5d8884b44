package pmemfs

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// keyOf returns the n-th key.
func keyOf(n int) (k RequestKey) {
	binary.LittleEndian.PutUint64(k[:], uint64(n)+1)
	return k
}

// reborn returns the filesystem as it is after a kill; the old one is closed.
func reborn(t testing.TB, fs *FS) *FS {
	t.Helper()
	medium := bytes.Clone(fs.region.Bytes())
	closeFS(t, fs)
	return mountBytes(t, medium)
}

// noted are operations that log a note, with the file that the note names.
var noted = map[string]func(f *fixture) (made Handle, err error){
	"create": func(f *fixture) (Handle, error) {
		return made(f.fs.Create(&f.c, f.call, f.root, []byte("new"), &CreateOptions{}))
	},
	"create exclusive": func(f *fixture) (Handle, error) {
		return made(f.fs.Create(&f.c, f.call, f.root, []byte("new"), &CreateOptions{Mode: Exclusive}))
	},
	"create what is there, shorter": func(f *fixture) (Handle, error) {
		return made(f.fs.Create(&f.c, f.call, f.root, []byte("file"), &CreateOptions{Attr: SetAttr{Mask: SetSize}}))
	},
	"mkdir": func(f *fixture) (Handle, error) { return made(f.fs.Mkdir(&f.c, f.call, f.root, []byte("new"), nil)) },
	"symlink": func(f *fixture) (Handle, error) {
		return made(f.fs.Symlink(&f.c, f.call, f.root, []byte("new"), bytes.Repeat([]byte("t"), 200), nil))
	},
	"mknod": func(f *fixture) (Handle, error) {
		return made(f.fs.Mknod(&f.c, f.call, f.root, []byte("new"), TypeFIFO, 0, 0, nil))
	},
	"link":   func(f *fixture) (Handle, error) { return made(f.fs.Link(&f.c, f.call, f.file, f.tree, []byte("new"))) },
	"unlink": func(f *fixture) (Handle, error) { return Handle{}, f.fs.Unlink(&f.c, f.call, f.root, []byte("big")) },
	"rmdir":  func(f *fixture) (Handle, error) { return Handle{}, f.fs.Rmdir(&f.c, f.call, f.root, []byte("empty")) },
	"rename": func(f *fixture) (Handle, error) {
		return Handle{}, f.fs.Rename(&f.c, f.call, f.root, []byte("file"), f.tree, []byte("new"), 0)
	},
	"setattr": func(f *fixture) (Handle, error) {
		_, err := f.fs.Setattr(&f.c, f.call, f.file, &SetAttr{Mask: SetMode, Mode: 0o600})
		return Handle{}, err
	},
	"set attribute": func(f *fixture) (Handle, error) {
		return Handle{}, f.fs.SetXattr(&f.c, f.call, f.file, []byte("user.a"), []byte("value"), 0)
	},
}

func made(a Attr, err error) (Handle, error) {
	if err != nil {
		return Handle{}, err
	}
	return a.Handle, nil
}

// TestNotes makes each operation that logs a note and looks for it after a kill, after another one, after a checkpoint, and
// after a clean end.
func TestNotes(t *testing.T) {
	testpart.NotRace(t)
	t.Parallel()
	for name, run := range noted {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, false)
			f.call = &Call{Key: keyOf(1)}
			h, err := run(f)
			if err != nil {
				t.Fatal(err)
			}
			want := []RequestNote{{keyOf(1), h}}
			if len(f.fs.RequestNotes()) != 0 {
				t.Errorf("notes of this mount: %v", f.fs.RequestNotes())
			}
			fs := f.fs
			for _, end := range []func(){func() {}, func() {}, func() { must(t, fs.SyncAll()) }, func() { must(t, fs.j.CheckpointClean()) }} {
				end()
				if fs = reborn(t, fs); !slices.Equal(fs.RequestNotes(), want) {
					t.Errorf("%v, expected %v", fs.RequestNotes(), want)
				}
			}
			checkFS(t, fs)
			closeFS(t, fs)
		})
	}
}

// TestNotesOfNothing makes calls that log no note though they have one: they fail, or change nothing, or may be repeated.
func TestNotesOfNothing(t *testing.T) {
	testpart.NotRace(t)
	f := newFixture(t, false)
	f.call = &Call{Key: keyOf(1)}
	for _, op := range callOps {
		if !op.changes && op.name != "create what is there, shorter" || op.name == "write" || op.name == "allocate" {
			f.call.WCC = [2]WCC{}
			if err := op.run(f); err != op.want && op.want == nil {
				t.Errorf("%s: %v", op.name, err)
			}
		}
	}
	fs := reborn(t, f.fs)
	if len(fs.RequestNotes()) != 0 {
		t.Errorf("notes %v", fs.RequestNotes())
	}
	closeFS(t, fs)
}

// TestNoteCosts compares every operation without and with a note: no further fence, and at most one more line.
func TestNoteCosts(t *testing.T) {
	testpart.NotRace(t)
	for _, op := range operations {
		var cost [2]Counters
		for i := range cost {
			f := newFixture(t, false)
			f.call = &Call{}
			if i == 1 {
				f.call.Key = keyOf(1)
			}
			before := f.fs.Counters()
			must(t, op.run(f))
			after := f.fs.Counters()
			cost[i] = Counters{Fences: after.Fences - before.Fences, Lines: after.Lines - before.Lines}
			closeFS(t, f.fs)
		}
		if cost[1].Fences != cost[0].Fences || cost[1].Lines > cost[0].Lines+1 {
			t.Errorf("%s: %+v without a note, %+v with one", op.name, cost[0], cost[1])
		}
	}
}

// TestNotesFence counts the fences of opening. The head that counts and the new one take one each; notes take one where there is nothing
// to replay, and share one where there is.
func TestNotesFence(t *testing.T) {
	testpart.NotRace(t)
	for _, c := range []struct {
		note, window bool
		fences       uint64
	}{{false, false, 2}, {false, true, 3}, {true, false, 3}, {true, true, 3}} {
		f := newFixture(t, false)
		f.call = &Call{}
		if c.note {
			f.call.Key = keyOf(1)
		}
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte("new"), &CreateOptions{})
		must(t, err)
		if !c.window {
			must(t, f.fs.SyncAll())
		}
		fs := reborn(t, f.fs)
		if got := fs.Counters().Fences; got != c.fences {
			t.Errorf("%+v: %d fences", c, got)
		}
		closeFS(t, fs)
	}
}

// TestNotesBound makes more operations with notes than are kept, or than the ring has room for, through restarts of which
// one has a window that fills the ring.
func TestNotesBound(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	t.Parallel()
	for _, c := range []struct {
		size  int64
		notes int // kept after the first restart, at least
		carry int // kept after the second one
	}{{4 << 20, 500, 500}, {1 << 30, 8192, 8192}} {
		fs, err := OpenMemory(c.size, DomainVolatile, Options{NoBackground: true})
		must(t, err)
		call := &Call{}
		cred, n := &Cred{}, 0
		for ; n < 10_000; n++ {
			call.Key = keyOf(n)
			_, err := fs.Setattr(cred, call, fs.Root(), &SetAttr{Mask: SetMode, Mode: 0o700 + uint32(n%2)})
			must(t, err)
		}
		for i, least := range []int{c.notes, c.carry, c.carry} {
			fs = reborn(t, fs)
			got := fs.RequestNotes()
			if len(got) < least || len(got) > 8192 {
				t.Fatalf("restart %d: %d notes, expected %d to 8192", i, len(got), least)
			}
			for k, note := range got {
				if note.Key != keyOf(n-len(got)+k) {
					t.Fatalf("restart %d: note %d of %d is of operation %d of %d", i, k, len(got), binary.LittleEndian.Uint64(note.Key[:])-1, n)
				}
			}
		}
		checkFS(t, fs)
		closeFS(t, fs)
	}
}

// TestNotesOnce logs one key twice: the note is that of the later operation.
func TestNotesOnce(t *testing.T) {
	testpart.NotRace(t)
	f := newFixture(t, false)
	f.call = &Call{Key: keyOf(1)}
	for _, name := range []string{"one", "two"} {
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte(name), &CreateOptions{})
		must(t, err)
	}
	a, err := f.fs.Lookup(&f.c, f.call, f.root, []byte("two"))
	must(t, err)
	fs := reborn(t, f.fs)
	if want := []RequestNote{{keyOf(1), a.Handle}}; !slices.Equal(fs.RequestNotes(), want) {
		t.Errorf("%v, expected %v", fs.RequestNotes(), want)
	}
	closeFS(t, fs)
}

// TestNotesFullWindow restarts with windows of every length up to the ring's, twice.
func TestNotesFullWindow(t *testing.T) {
	testpart.NotRace(t)
	for _, used := range []uint64{80, 87, 88, 90, 95, 99} {
		fs := memFS(t, 4<<20)
		call := &Call{}
		cred, n := &Cred{}, 0
		a, err := fs.Create(cred, call, fs.Root(), []byte("f"), &CreateOptions{})
		must(t, err)
		must(t, fs.SyncAll())
		start := fs.j.Appended()
		for p := make([]byte, 3000); fs.j.Appended()-start < layout.MinRingBlocks*layout.BlockSize*used/100-4000; n++ {
			call.Key = keyOf(n)
			_, _, err := fs.Write(cred, call, a.Handle, p, uint64(n))
			must(t, err)
			_, err = fs.Setattr(cred, call, a.Handle, &SetAttr{Mask: SetMode, Mode: uint32(n) & 0o777})
			must(t, err)
		}
		ckpt := fs.Counters().Checkpoints
		for i := range 3 {
			fs = reborn(t, fs)
			if got := fs.RequestNotes(); len(got) < n*80/100 || len(got) > 0 && got[len(got)-1].Key != keyOf(n-1) {
				t.Errorf("%d%% used, restart %d: %d notes of %d", used, i, len(got), n)
			}
		}
		t.Logf("%d%% used: %d of %d notes, %d checkpoints", used, len(fs.RequestNotes()), n, ckpt)
		checkFS(t, fs)
		closeFS(t, fs)
	}
}

func benchOpen(b *testing.B, notes, window bool) {
	fs, err := OpenMemory(1<<30, DomainVolatile, Options{NoBackground: true})
	must(b, err)
	call := &Call{}
	cred := &Cred{}
	spin := func(until uint64) {
		for n := 0; fs.j.Appended() < until; n++ {
			if notes {
				call.Key = keyOf(n)
			}
			_, err := fs.Setattr(cred, call, fs.Root(), &SetAttr{Mask: SetMode, Mode: 0o700 + uint32(n%2)})
			must(b, err)
		}
	}
	spin(20 << 20)
	must(b, fs.SyncAll())
	if window {
		spin(24 << 20)
	}
	medium := bytes.Clone(fs.region.Bytes())
	closeFS(b, fs)
	region := memoryOf(b, medium)
	sb := fs.super()
	head := layout.BlockOffset(layout.JournalHeadA)
	end := sb.RingOffset() + sb.RingBytes()
	for b.Loop() {
		b.StopTimer()
		region.Write(head, medium[head:end])
		b.StartTimer()
		fs, err := mount(region, Options{NoBackground: true})
		must(b, err)
		b.StopTimer()
		fs.j.Close()
		b.StartTimer()
	}
	must(b, region.Close())
}

// TestNotesReach notes calls between writes that fill the ring again and again: after a crash there are at least those whose records are in the
// newest three quarters of the ring, as DESIGN.md promises.
func TestNotesReach(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 64<<20)
	call := &Call{}
	a, err := fs.Create(&Cred{}, nil, fs.Root(), []byte("f"), &CreateOptions{})
	must(t, err)
	ring := uint64(fs.super().RingBytes())
	var at []uint64
	for block := make([]byte, 4096); fs.j.Appended() < 10*ring; {
		call.Key = keyOf(len(at))
		_, err := fs.Setattr(&Cred{}, call, a.Handle, &SetAttr{Mask: SetMode, Mode: uint32(len(at)) & 0o777})
		must(t, err)
		at = append(at, fs.j.Appended())
		for i := range uint64(4) {
			_, _, err := fs.Write(&Cred{}, nil, a.Handle, block, i<<12)
			must(t, err)
		}
	}
	end := fs.j.Appended()
	fs = reborn(t, fs)
	there := make(map[RequestKey]bool)
	for _, n := range fs.RequestNotes() {
		there[n.Key] = true
	}
	promised := 0
	for i, pos := range at {
		if end-pos > ring*3/4 {
			continue
		}
		promised++
		if !there[keyOf(i)] {
			t.Errorf("call %d of %d, %d bytes before the end of a ring of %d, has no note", i, len(at), end-pos, ring)
		}
	}
	if promised < 40 {
		t.Errorf("%d calls in three quarters of a ring", promised)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
