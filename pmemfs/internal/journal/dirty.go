package journal

import (
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
)

// A leaf of the dirty map has so many blocks; a branch has so many leaves.
const (
	leafBlocks   = 64
	branchLeaves = 512
)

// leavesMax is how many leaves a dirty map may have before it is thrown away with those that are clean: 2 MiB.
var leavesMax = 4096 // a variable for tests

// dirtyLeaf is what has been stored to in a run of blocks since it was last flushed. Nobody locks it: see mark.
type dirtyLeaf struct {
	first  uint64                    // block
	lines  [leafBlocks]atomic.Uint64 // a bit per line of each block
	seal   atomic.Uint64             // a bit per block: its checksum is due
	listed atomic.Bool               // in dirtyMap.list, or in the hands of a checkpoint that has not looked at it yet
}

type dirtyBranch [branchLeaves]atomic.Pointer[dirtyLeaf]

// dirtyMap is the set of dirty lines. Leaves come into being with the first store to their blocks, so memory is in proportion to
// what was stored to lately and not to the image. Safe for concurrent use.
type dirtyMap struct {
	branches []atomic.Pointer[dirtyBranch]

	mu     critical.Mutex
	list   []*dirtyLeaf // those that may have dirty lines
	leaves int          // that exist
}

func newDirtyMap(blocks uint64) *dirtyMap {
	const each = leafBlocks * branchLeaves
	return &dirtyMap{branches: make([]atomic.Pointer[dirtyBranch], (blocks+each-1)/each)}
}

// leaf returns the leaf of a block, making it if need be.
func (d *dirtyMap) leaf(block uint64) *dirtyLeaf {
	if b := d.branches[block/(leafBlocks*branchLeaves)].Load(); b != nil {
		if l := b[block/leafBlocks%branchLeaves].Load(); l != nil {
			return l
		}
	}
	return d.grow(block)
}

func (d *dirtyMap) grow(block uint64) *dirtyLeaf {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := &d.branches[block/(leafBlocks*branchLeaves)]
	b := at.Load()
	if b == nil {
		b = new(dirtyBranch)
		at.Store(b)
	}
	slot := &b[block/leafBlocks%branchLeaves]
	l := slot.Load()
	if l == nil {
		l = &dirtyLeaf{first: block &^ (leafBlocks - 1)}
		slot.Store(l)
		d.leaves++
	}
	return l
}

// sealDue reports whether the checksum of a block is due.
func (d *dirtyMap) sealDue(block uint64) bool {
	b := d.branches[block/(leafBlocks*branchLeaves)].Load()
	if b == nil {
		return false
	}
	l := b[block/leafBlocks%branchLeaves].Load()
	return l != nil && l.seal.Load()>>(block%leafBlocks)&1 == 1
}

// enlist puts a leaf on the list. That it is listed is said only when it is: whoever is told so relies on it.
func (d *dirtyMap) enlist(l *dirtyLeaf) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !l.listed.Load() {
		d.list = append(d.list, l)
		l.listed.Store(true)
	}
}

// large reports whether the map has so many leaves that it should begin anew.
func (d *dirtyMap) large() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leaves > leavesMax
}

// take returns the list, which begins anew in the memory of an old one. quiet says that nobody is between stores in place and their marks:
// then a map that has got too large begins anew too.
func (d *dirtyMap) take(old []*dirtyLeaf, quiet bool) []*dirtyLeaf {
	clear(old)
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.list
	d.list = old[:0]
	if quiet && d.leaves > leavesMax {
		for i := range d.branches {
			d.branches[i].Store(nil)
		}
		d.leaves = 0
	}
	return list
}

// touched is the stores of a record to one block.
type touched struct {
	leaf  *dirtyLeaf
	lines uint64 // that were stored to
	at    uint8  // which block of the leaf
	seal  bool   // it is a block whose checksum is deferred
}

// sealMark says that the checksum of the block is due, if that is not known already.
func (t *touched) sealMark() {
	if bit := uint64(1) << t.at; t.leaf.seal.Load()&bit == 0 {
		t.leaf.seal.Or(bit)
	}
}

// mark makes the lines of a record's stores dirty, after the stores. The order counts, as a checkpoint that takes marks away flushes what
// was stored before it took them:
//
//	here                                a checkpoint
//	stores to the lines                 not listed
//	a barrier: the first atomic Or      take the marks of checksums, then of lines
//	is the line marked? if not, mark    seal the blocks
//	is the leaf listed? if not, list    flush the lines
//	the record is applied
//
// Whoever finds a mark behind the barrier, and does not make it, knows that it is taken later, and flushed with what was stored. Whoever
// finds the leaf listed knows that its marks are taken later. A record whose marks come too late for a checkpoint is not applied, so it
// stays in that checkpoint's window.
func (d *dirtyMap) mark(ts []touched) {
	for i := range ts {
		t := &ts[i]
		if word := &t.leaf.lines[t.at]; i == 0 || t.lines&^word.Load() != 0 {
			word.Or(t.lines)
		}
		if t.seal {
			t.sealMark()
		}
		if !t.leaf.listed.Load() {
			d.enlist(t.leaf)
		}
	}
}
