package xattr_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/xattr"
)

const ino = 20

type holder struct {
	t *testing.T
	m *alloctest.Medium
}

func newHolder(t *testing.T) *holder {
	h := &holder{t, alloctest.New(t, 4096, false)}
	h.m.NewInode(t, ino, layout.ModeRegular)
	return h
}

func (h *holder) view() *xattr.Set {
	s := xattr.Open(h.m.J, nil, h.m.Inode(ino), 5, 6)
	return &s
}

func (h *holder) edit(change func(s *xattr.Set) error) error {
	return h.m.Try(func(op *alloc.Op) error {
		s := xattr.Open(h.m.J, op, op.Tx.Inode(alloctest.InodeOffset(ino)), 5, 6)
		return change(&s)
	})
}

func (h *holder) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestXattrRandom sets, replaces and removes values of every size, and compares with a map.
func TestXattrRandom(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 0))
	h := newHolder(t)
	model := map[string][]byte{}
	sizes := []int{0, 1, 100, layout.XattrInlineMax - 1, layout.XattrInlineMax, layout.XattrInlineMax + 1, 4096, 4097, 20000, layout.XattrValueMax}
	for step := range 1500 {
		what := fmt.Sprintf("seed %d step %d", seed, step)
		name := fmt.Sprintf("user.%d", rng.IntN(30))
		if rng.IntN(10) == 0 {
			name = string(bytes.Repeat([]byte{'n'}, layout.XattrNameMax))
		}
		switch rng.IntN(3) {
		case 0, 1:
			value := bytes.Repeat([]byte{byte(step)}, sizes[rng.IntN(len(sizes))])
			h.must(h.edit(func(s *xattr.Set) error { return s.Put([]byte(name), value) }))
			model[name] = value
		case 2:
			h.must(h.edit(func(s *xattr.Set) error {
				found, err := s.Remove([]byte(name))
				if _, there := model[name]; found != there {
					t.Fatalf("%s: removing %q: %v", what, name, found)
				}
				return err
			}))
			delete(model, name)
		}
		value, found, err := h.view().Get([]byte(name))
		h.must(err)
		if want, there := model[name]; found != there || !bytes.Equal(value, want) {
			t.Fatalf("%s: %q has %d bytes, %v, expected %d, %v", what, name, len(value), found, len(want), there)
		}
		if step%50 == 0 {
			h.compare(model, what)
		}
	}
	h.compare(model, "at the end")
	for done := false; !done; {
		h.must(h.edit(func(s *xattr.Set) (err error) {
			done, err = s.Clear(5)
			return err
		}))
	}
	h.compare(nil, "cleared")
	if got := h.m.Inode(ino).Blocks(); got != 0 {
		t.Errorf("%d blocks are left", got)
	}
	h.m.Verify(t)
}

func (h *holder) compare(model map[string][]byte, what string) {
	h.t.Helper()
	list, err := h.view().List()
	h.must(err)
	var names []string
	for _, n := range list {
		names = append(names, string(n))
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(model)); !slices.Equal(names, want) {
		h.t.Fatalf("%s: names %q, expected %q", what, names, want)
	}
}

// TestXattrAborted fails an operation after it has written a long value.
func TestXattrAborted(t *testing.T) {
	h := newHolder(t)
	h.must(h.edit(func(s *xattr.Set) error { return s.Put([]byte("a"), []byte("old")) }))
	failed := errors.New("made up")
	err := h.edit(func(s *xattr.Set) error { return errors.Join(s.Put([]byte("a"), make([]byte, 9999)), failed) })
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if v, _, err := h.view().Get([]byte("a")); err != nil || string(v) != "old" {
		t.Errorf("%q, %v", v, err)
	}
	h.m.Verify(t)
}

// TestXattrDamaged changes a byte of a value that is in blocks of its own.
func TestXattrDamaged(t *testing.T) {
	h := newHolder(t)
	h.must(h.edit(func(s *xattr.Set) error { return s.Put([]byte("a"), bytes.Repeat([]byte("needle"), 2000)) }))
	at := bytes.Index(h.m.Region.Bytes(), []byte("needleneedle"))
	h.m.Region.Bytes()[at] ^= 1
	if _, _, err := h.view().Get([]byte("a")); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// TestXattrFull has no room for a long value: the old one stays.
func TestXattrFull(t *testing.T) {
	h := newHolder(t)
	h.must(h.edit(func(s *xattr.Set) error { return s.Put([]byte("a"), []byte("old")) }))
	for {
		err := h.m.Try(func(op *alloc.Op) error { _, err := op.AllocBlocks(0, 1000, false); return err })
		if errors.Is(err, alloc.ErrNoSpace) {
			break
		}
		h.must(err)
	}
	if err := h.edit(func(s *xattr.Set) error { return s.Put([]byte("a"), make([]byte, 9999)) }); !errors.Is(err, alloc.ErrNoSpace) {
		t.Errorf("%v", err)
	}
	if v, _, err := h.view().Get([]byte("a")); err != nil || string(v) != "old" {
		t.Errorf("%q, %v", v, err)
	}
	h.must(h.edit(func(s *xattr.Set) error { _, err := s.Remove([]byte("a")); return err }))
}
