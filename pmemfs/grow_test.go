package pmemfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// growable is an image that a test makes larger.
type growable struct {
	t    *testing.T
	path string
	*FS
}

const groupBytes = int64(layout.GroupBlocks) << layout.BlockShift

func newGrowable(t *testing.T, size int64, f FormatOptions, o Options) *growable {
	t.Helper()
	g := &growable{t: t, path: filepath.Join(t.TempDir(), "fs.img")}
	f.Size = size
	if err := Format(g.path, f); err != nil {
		t.Fatal(err)
	}
	g.open(o)
	t.Cleanup(g.end)
	return g
}

func (g *growable) open(o Options) {
	g.t.Helper()
	o.NoBackground = true
	var err error
	if g.FS, err = Open(g.path, o); err != nil {
		g.t.Fatal(err)
	}
}

// end closes the filesystem and checks the image.
func (g *growable) end() {
	g.t.Helper()
	if g.FS == nil {
		return
	}
	if err := g.Close(); err != nil {
		g.t.Error(err)
	}
	g.FS = nil
	report, err := Check(g.path, CheckOptions{Data: true})
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range report.Faults {
		g.t.Error(f)
	}
}

// grow makes the image larger and compares what it says with Statfs, and with a filesystem that was made in that size.
func (g *growable) grow(size int64) {
	g.t.Helper()
	before, err := g.Statfs()
	if err != nil {
		g.t.Fatal(err)
	}
	r, err := g.Grow(context.Background(), size, GrowOptions{})
	if err != nil {
		g.t.Fatalf("to %d: %v", size, err)
	}
	st, err := g.Statfs()
	if err != nil {
		g.t.Fatal(err)
	}
	if r.OldBytes != before.TotalBytes || r.NewBytes != uint64(size) || st.TotalBytes != uint64(size) || st.FreeBytes != r.FreeBytes {
		g.t.Errorf("to %d: %+v, then %+v", size, r, st)
	}
	if i := g.Info(); i.SizeBytes != uint64(size) || i.FreeBytes != st.FreeBytes {
		g.t.Errorf("to %d: %+v", size, i)
	}
	if grown := st.TotalBytes - before.TotalBytes; st.FreeBytes <= before.FreeBytes && grown > 64*layout.BlockSize || st.FreeBytes > before.FreeBytes+grown {
		g.t.Errorf("to %d: free before %d, now %d", size, before.FreeBytes, st.FreeBytes)
	}
}

// TestGrow grows an image in steps of all kinds, and fills each.
func TestGrow(t *testing.T) {
	block := int64(layout.BlockSize)
	for _, sums := range []bool{false, true} {
		least := int64(2)
		if sums {
			least = 1 + layout.SumBlocks + 1
		}
		g := newGrowable(t, MinSize, FormatOptions{DataChecksums: sums}, Options{})
		for i, size := range []int64{
			MinSize, MinSize + block, MinSize + 2*block, 3 * MinSize, groupBytes - block, groupBytes, groupBytes + least*block,
			groupBytes + (least+1)*block, groupBytes + groupBytes/2, 3 * groupBytes, 5*groupBytes + least*block,
		} {
			g.grow(size)
			a, err := g.Create(superuser, nil, g.Root(), fmt.Appendf(nil, "f%d", i), &CreateOptions{Mode: Unchecked})
			if err != nil && !errors.Is(err, ErrNoSpace) {
				t.Fatal(err)
			}
			if i%3 == 0 && err == nil { // what is there now is filled
				for off := uint64(0); err == nil; off += 1 << 20 {
					_, _, err = g.Write(superuser, nil, a.Handle, make([]byte, 1<<20), off)
				}
				if !errors.Is(err, ErrNoSpace) {
					t.Fatal(err)
				}
			}
			if i%4 == 1 {
				g.end()
				g.open(Options{})
			}
		}
		for i := range 11 {
			if err := g.Unlink(superuser, nil, g.Root(), fmt.Appendf(nil, "f%d", i)); err != nil && !errors.Is(err, ErrNotExist) {
				t.Error(err)
			}
		}
		if err := g.SyncAll(); err != nil {
			t.Error(err)
		}
		st, err := g.Statfs()
		if err != nil {
			t.Fatal(err)
		}
		fresh := newGrowable(t, int64(st.TotalBytes), FormatOptions{DataChecksums: sums}, Options{})
		want, err := fresh.Statfs()
		if err != nil {
			t.Fatal(err)
		}
		// A new image of that size has a larger ring. Of this one the inode file may have grown.
		if ring := want.FreeBytes + fresh.Info().JournalBytes - g.Info().JournalBytes; st.FreeBytes > ring || st.FreeBytes < ring-100*layout.BlockSize {
			t.Errorf("sums %v: %d bytes free, a new image would have %d", sums, st.FreeBytes, ring)
		}
	}
}

// TestGrowRefused asks for what cannot be: nothing has changed then.
func TestGrowRefused(t *testing.T) {
	g := newGrowable(t, groupBytes+2*MinSize, FormatOptions{}, Options{Reach: 1 << 44})
	before, err := g.Statfs()
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(g.path, &disk); err != nil {
		t.Fatal(err)
	}
	more := (int64(disk.Bfree)*int64(disk.Bsize)/groupBytes + 10) * groupBytes
	for name, c := range map[string]struct {
		ctx  context.Context
		size int64
		want error
	}{
		"smaller":              {t.Context(), groupBytes, ErrInvalid},
		"negative":             {t.Context(), -MinSize, ErrInvalid},
		"no multiple":          {t.Context(), 3*groupBytes + 7, ErrInvalid},
		"a group too small":    {t.Context(), 2*groupBytes + layout.BlockSize, ErrInvalid},
		"too large":            {t.Context(), 1<<63 - 1, ErrInvalid},
		"beyond the reach":     {t.Context(), 1 << 45, ErrNotSupported},
		"no room on the disk":  {t.Context(), more, ErrNoSpace},
		"nobody wants it more": {ended, 4 * groupBytes, context.Canceled},
	} {
		_, err := g.Grow(c.ctx, c.size, GrowOptions{})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if st, err := g.Statfs(); err != nil || st != before {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
		if st, err := os.Stat(g.path); err != nil || st.Size() != int64(before.TotalBytes) {
			t.Errorf("%s: the file has %d bytes", name, st.Size())
		}
	}
	if r, err := g.Grow(t.Context(), int64(before.TotalBytes), GrowOptions{}); err != nil || r.OldBytes != r.NewBytes || r.NewBytes != before.TotalBytes {
		t.Errorf("the same size: %+v, %v", r, err)
	}
	g.end()
	g.open(Options{ReadOnly: true})
	if _, err := g.Grow(t.Context(), 4*groupBytes, GrowOptions{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("for reading: %v", err)
	}
}

// TestGrowToPresent takes what a file has become by somebody else's doing.
func TestGrowToPresent(t *testing.T) {
	g := newGrowable(t, MinSize, FormatOptions{}, Options{Sparse: true})
	for _, c := range []struct{ file, want int64 }{
		{MinSize, MinSize}, {MinSize + 100, MinSize}, {3*MinSize + 5000, 3*MinSize + 4096}, {groupBytes + 5000, groupBytes}, {2 * groupBytes, 2 * groupBytes},
	} {
		if err := os.Truncate(g.path, c.file); err != nil {
			t.Fatal(err)
		}
		if r, err := g.Grow(t.Context(), 0, GrowOptions{}); err != nil || r.NewBytes != uint64(c.want) {
			t.Errorf("a file of %d: %+v, %v", c.file, r, err)
		}
	}
}

// TestGrowBeside grows while others write, create and remove: they notice nothing but the space.
func TestGrowBeside(t *testing.T) {
	for _, o := range []Options{{}, {Durability: DurabilityProcess}, {Volatile: true}} {
		g := newGrowable(t, 4*MinSize, FormatOptions{DataChecksums: true}, o)
		var stop atomic.Bool
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				name := fmt.Appendf(nil, "f%d", i)
				data := make([]byte, 20_000)
				for n := 0; !stop.Load(); n++ {
					a, err := g.Create(superuser, nil, g.Root(), name, &CreateOptions{Mode: Unchecked})
					for k := 0; err == nil && k < 40; k++ {
						data[0] = byte(k)
						_, _, err = g.Write(superuser, nil, a.Handle, data, uint64(k*len(data)))
					}
					if err == nil {
						err = g.Unlink(superuser, nil, g.Root(), name)
					}
					if err != nil {
						t.Errorf("pass %d: %v", n, err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			for !stop.Load() {
				if r, err := g.Scrub(t.Context(), ScrubOptions{}); err != nil || !r.Clean() {
					t.Errorf("scrub: %+v, %v", r, err)
					return
				}
			}
		})
		for size := int64(5 * MinSize); size < 3*groupBytes; size += 7 * MinSize {
			if _, err := g.Grow(t.Context(), size, GrowOptions{}); err != nil {
				t.Error(err)
			}
		}
		stop.Store(true)
		wg.Wait()
		g.end()
	}
}

// TestGrowTwice has one growth at a time.
func TestGrowTwice(t *testing.T) {
	g := newGrowable(t, MinSize, FormatOptions{}, Options{})
	var inner error
	if _, err := g.Grow(t.Context(), groupBytes, GrowOptions{Progress: func(int64, int64) {
		_, inner = g.Grow(context.Background(), 2*groupBytes, GrowOptions{})
	}}); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(inner, ErrBusy) {
		t.Errorf("a second one: %v", inner)
	}
	if syscall.EBUSY != ErrBusy.Errno() {
		t.Error("ErrBusy")
	}
}

// TestGrowFences counts what a growth waits for.
func TestGrowFences(t *testing.T) {
	testpart.NotRace(t)
	for _, c := range []struct {
		name     string
		from, to int64
		dirty    bool
		want     uint64
	}{
		{"in the last group", MinSize, 2 * MinSize, false, 7},
		{"new groups", MinSize, 3 * groupBytes, false, 8},
		{"new groups, and something to checkpoint", MinSize, 3 * groupBytes, true, 9},
		{"from a whole group on", groupBytes, 3 * groupBytes, false, 5},
	} {
		g := newGrowable(t, c.from, FormatOptions{}, Options{Volatile: true})
		if err := g.SyncAll(); err != nil {
			t.Fatal(err)
		}
		if c.dirty {
			if _, err := g.Mkdir(superuser, nil, g.Root(), []byte("d"), nil); err != nil {
				t.Fatal(err)
			}
		}
		before := g.Counters().Fences
		g.grow(c.to)
		if got := g.Counters().Fences - before; got != c.want {
			t.Errorf("%s: %d fences, expected %d", c.name, got, c.want)
		}
	}
}

// BenchmarkGrow makes an image of 1 GiB 1 TiB large, on a file that the disk gives no blocks for.
func BenchmarkGrow(b *testing.B) {
	path := filepath.Join(b.TempDir(), "fs.img")
	for b.Loop() {
		b.StopTimer()
		if err := Format(path, FormatOptions{Size: 1 << 30, Force: true}); err != nil {
			b.Fatal(err)
		}
		fs, err := Open(path, Options{Sparse: true, NoBackground: true})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := fs.Grow(context.Background(), 1<<40, GrowOptions{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := fs.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
