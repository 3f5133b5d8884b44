package locks

import "pmemfs/pmemfs/internal/invariants"

// verifyMax is how many units and requests a table has that is verified: a large one takes too long.
const verifyMax = 256

// verify checks, in builds with invariants, that the table is as it should be between two calls.
func (t *Table) verify() {
	if !invariants.Enabled || t.units+t.waits > verifyMax {
		return
	}
	count, waits := 0, 0
	uses := map[*owner]int{}
	for _, f := range t.files {
		invariants.Check(len(f.held)+len(f.queue)+len(f.shares) > 0, "file %d has nothing and is in the table", f.ino)
		count += f.verify(uses)
		waits += len(f.queue)
		for _, r := range f.queue {
			t.left = searchMax
			invariants.Check(!t.ready(r), "file %d: a request of %v was not granted", f.ino, r.own.name)
			t.left = searchMax
			invariants.Check(!t.circular(r), "file %d: a request of %v waits for itself", f.ino, r.own.name)
		}
		for _, s := range f.shares {
			uses[s.own]++
			count += units(s.own, "")
		}
	}
	invariants.Check(count == t.units && waits == t.waits, "%d units and %d requests counted as %d and %d", count, waits, t.units, t.waits)
	invariants.Check(len(uses) == len(t.owners), "%d owners have something, %d are known", len(uses), len(t.owners))
	for o, n := range uses {
		invariants.Check(o.uses == n && t.owners[o.name] == o, "%v has %d things, counted as %d", o.name, n, o.uses)
	}
}

// verifyBack is with how many locks before it a lock is compared.
const verifyBack = 32

// verify checks the locks and requests of a file and returns what they cost.
func (f *file) verify(uses map[*owner]int) (n int) {
	for i, h := range f.held {
		invariants.Check(h.start <= h.end && (i == 0 || f.held[i-1].start <= h.start), "file %d: locks out of order", f.ino)
		for _, o := range f.held[max(0, i-verifyBack):i] {
			invariants.Check(!h.conflicts(o), "file %d: %v and %v have conflicting locks", f.ino, h.own.name, o.own.name)
			apart := o.end < h.start && (o.exclusive != h.exclusive || o.end+1 < h.start)
			invariants.Check(h.own != o.own || apart, "file %d: locks of %v are not apart", f.ino, h.own.name)
		}
		uses[h.own]++
		n += units(h.own, h.tag)
	}
	for _, r := range f.queue {
		uses[r.own]++
		n += r.price()
	}
	return n
}
