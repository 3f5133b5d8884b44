package pmemfs

import (
	"errors"
	"os"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestGrowOntoBadMemory grows onto memory that cannot be read where a bitmap, the backup superblock or nothing yet has to be.
func TestGrowOntoBadMemory(t *testing.T) {
	const to = groupBytes + 300*layout.BlockSize
	for name, c := range map[string]struct {
		off   int64
		works bool
	}{
		"a bitmap":               {groupBytes, false},
		"the backup superblock":  {to - layout.BlockSize, false},
		"new space":              {groupBytes + 20*layout.BlockSize, true},
		"new space of old group": {groupBytes - 20*layout.BlockSize, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGrowable(t, MinSize, FormatOptions{}, Options{})
			g.end()
			if err := os.Truncate(g.path, to); err != nil { // so that the memory is there to go bad
				t.Fatal(err)
			}
			g.open(Options{})
			before, err := g.Statfs()
			if err != nil {
				t.Fatal(err)
			}
			_, heal, err := g.region.Poison(c.off)
			if err != nil {
				t.Fatal(err)
			}
			_, err = g.Grow(t.Context(), to, GrowOptions{})
			if c.works != (err == nil) || err != nil && !errors.Is(err, ErrIO) {
				t.Errorf("it ended with %v", err)
			}
			after, err := g.Statfs()
			if err != nil || (after != before) != c.works {
				t.Errorf("%+v, then %+v: %v", before, after, err)
			}
			g.fill("f", c.works)
			if err := heal(); err != nil {
				t.Fatal(err)
			}
			g.end()
			g.open(Options{})
			g.grow(to)
			g.fill("g", true)
		})
	}
}

// fill writes until there is no space, and reads it. large says that it is to be more than a small image has.
func (g *growable) fill(name string, large bool) {
	g.t.Helper()
	a, err := g.Create(superuser, nil, g.Root(), []byte(name), &CreateOptions{})
	off := uint64(0)
	for ; err == nil; off += 1 << 20 {
		_, _, err = g.Write(superuser, nil, a.Handle, make([]byte, 1<<20), off)
	}
	if !errors.Is(err, ErrNoSpace) {
		g.t.Errorf("filled with %d bytes: %v", off, err)
	}
	if large != (off > MinSize) {
		g.t.Errorf("%d bytes fit", off)
	}
	if err := g.Unlink(superuser, nil, g.Root(), []byte(name)); err != nil {
		g.t.Error(err)
	}
	if err := g.SyncAll(); err != nil {
		g.t.Error(err)
	}
}
