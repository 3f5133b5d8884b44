package inode_test

import (
	"testing"

	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/inode"
)

// TestGenerationsRunOut makes more than 2^32 inodes in a mount, and in mounts behind it whose epochs are those that it has run into: every
// generation is higher than all before. It takes one record each time, in front of the first such generation.
func TestGenerationsRunOut(t *testing.T) {
	m, table := open(t, 8192)
	epoch, last := m.J.Epoch(), uint64(0)
	try := func(what string, fences uint64) {
		t.Helper()
		before := m.Region.Counters().Fences
		ids, err := create(m, table, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Region.Counters().Fences - before; ids[0].gen <= last || got != fences {
			t.Errorf("%s: generation %#x after %#x, %d fences, expected %d", what, ids[0].gen, last, got, fences)
		}
		last = ids[0].gen
	}
	reopen := func() {
		t.Helper()
		inodes := m.A.Inodes
		var err error
		if table, err = inode.Open(m.A, alloctest.Boot); err != nil {
			t.Fatal(err)
		}
		m.A.Inodes = inodes
	}
	try("the first", 1)
	table.SkipGenerations(1<<32 - inode.GenAhead - 4)
	try("far from the end", 1)
	try("near the end", 1)
	table.SkipGenerations(2)
	try("claimed", 2)
	table.SkipGenerations(inode.GenAhead)
	try("with another upper half", 1)
	if last>>32 != epoch+1 {
		t.Errorf("generation %#x in epoch %d", last, epoch)
	}
	for range 3 { // of a lower epoch than what was claimed
		reopen()
		try("in another mount", 2)
	}
	if last>>32 != epoch+4 {
		t.Errorf("generation %#x in epoch %d, three mounts later", last, epoch)
	}
	m.Verify(t)
}
