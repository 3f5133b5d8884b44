// Package alloc hands out blocks and inode slots from bitmaps on the medium.
//
// A bitmap is only ever changed by journal records, as ranges of bits to set or clear. DRAM holds, for each group in
// use, the bits that may not be handed out. What an operation reserves is set there at once and in the record later;
// what it frees stays set until a checkpoint has passed the record that freed it, so that no record of the live window
// names a block that has a new owner (DESIGN.md, "The replay invariant").
//
// # Lock order
//
//	Bits.groupsMu
//	  group.mu      one at a time
//	Bits.quarMu     alone
//	suspects.mu     alone
//
// No journal lock is taken while one of them is held.
package alloc

import (
	"fmt"
	"slices"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// Run is a run of bits: blocks or inode numbers.
type Run struct {
	Start uint64
	Len   uint64
}

// maxLoaded bounds the DRAM pictures of groups: 4 KiB each.
var maxLoaded int64 = 8192 // a variable for tests

// Bits allocates from a sequence of bitmaps. Safe for concurrent use.
type Bits struct {
	j      *journal.Journal
	kind   uint16
	locate func(group uint64) (block uint64, err error)

	limit  atomic.Uint64 // number of bits
	groups atomic.Pointer[[]*group]
	_      [layout.LineSize]byte

	// Changed by every operation that allocates or frees, where what is above is only read.
	avail  atomic.Int64 // bits that are free and neither reserved nor in quarantine
	cursor atomic.Uint64
	huge   atomic.Uint64 // where the next large file looks for an empty 2 MiB
	_      [layout.LineSize]byte

	groupsMu critical.Mutex // of those who change the number of groups
	loaded   atomic.Int64

	quarMu critical.Mutex
	quar   []quarantined
	held   atomic.Int64 // bits in quarantine
}

type quarantined struct {
	seq uint64
	run Run
}

// NewBits returns an allocator over limit bits of which avail are free. locate names the block that holds the bitmap
// of a group; it must be safe for concurrent use.
func NewBits(j *journal.Journal, kind uint16, limit, avail uint64, locate func(uint64) (uint64, error)) *Bits {
	b := &Bits{j: j, kind: kind, locate: locate}
	b.groupsMu.Name(b.lockName("list of bitmaps"), 1)
	b.quarMu.Name(b.lockName("quarantine"), 1)
	b.avail.Store(int64(avail))
	b.SetLimit(limit)
	return b
}

// lockName tells the locks of blocks from those of inodes.
func (b *Bits) lockName(what string) string {
	if b.kind == layout.KindInodes {
		return "inodes: " + what
	}
	return "blocks: " + what
}

// SetLimit raises the number of bits; Cut lowers it. Of those that are new, used says which are set already. The caller adds what is
// new and free with AddAvail.
func (b *Bits) SetLimit(n uint64, used ...uint64) {
	b.groupsMu.Lock()
	defer b.groupsMu.Unlock()
	old := b.limit.Load()
	groups := slices.Clone(b.all())
	for uint64(len(groups)) < layout.GroupCount(n) {
		g := new(group)
		g.mu.Name(b.lockName("bitmap"), 1) // those who allocate follow one cursor through them
		groups = append(groups, g)
	}
	b.groups.Store(&groups)
	if last := old / layout.GroupBits; old%layout.GroupBits != 0 {
		// The group that was partial now has more bits to give: in its picture, if it is loaded, and with the limit,
		// if it is not. Its lock makes that one step, or a load between the two would miss them.
		g := groups[last]
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.loaded {
			from, to := int(old%layout.GroupBits), int(min(n-last*layout.GroupBits, layout.GroupBits))
			g.clear(from, to-from)
			for _, bit := range used {
				if bit/layout.GroupBits == last {
					g.set(int(bit%layout.GroupBits), 1)
				}
			}
		}
	}
	b.limit.Store(n)
	// Groups that were cut off before have new bitmaps. From here on nobody takes them for cut off any more, so what is forgotten does not
	// come back.
	for i := layout.GroupCount(old); i < layout.GroupCount(n); i++ {
		groups[i].forget(&b.loaded)
	}
}

// AddAvail adds n to the number of free bits.
func (b *Bits) AddAvail(n int64) { b.avail.Add(n) }

// Limit returns the number of bits.
func (b *Bits) Limit() uint64 { return b.limit.Load() }

// Avail returns how many bits can be reserved now.
func (b *Bits) Avail() int64 { return b.avail.Load() }

// Quarantined returns how many freed bits wait for a checkpoint.
func (b *Bits) Quarantined() int64 { return b.held.Load() }

// all returns the groups. Nobody changes the list, and a group is in all later ones.
func (b *Bits) all() []*group {
	if p := b.groups.Load(); p != nil {
		return *p
	}
	return nil
}

// groupAt returns group i, loaded and locked.
func (b *Bits) groupAt(i uint64) (*group, error) {
	g := b.all()[i]
	g.mu.LockShort()
	locked := g.loaded && !g.distrusted.Load()
	if locked {
		return g, nil
	}
	defer func() {
		if !locked { // an error, or the bitmap's memory faulted
			g.mu.Unlock()
		}
	}()
	if b.limit.Load() <= i*layout.GroupBits { // cut off while its caller was on the way here
		if !g.loaded {
			b.loaded.Add(1)
		}
		g.fill()
		locked = true
		return g, nil
	}
	if err := b.vet(g, i); err != nil {
		return nil, err
	}
	if g.loaded {
		locked = true
		return g, nil
	}
	if err := b.load(g, i); err != nil {
		return nil, err
	}
	if b.loaded.Add(1) > maxLoaded {
		b.dropOne(i)
	}
	locked = true
	return g, nil
}

// load verifies the bitmap of group i and fills g from it. Called with g.mu held.
func (b *Bits) load(g *group, i uint64) error {
	block, err := b.locate(i)
	if err == nil {
		err = b.j.Verify(block, func(p []byte) error {
			if !layout.BitmapIs(p, b.kind, i) {
				return fmt.Errorf("%w: block %d is not the bitmap of group %d", layout.ErrDamaged, block, i)
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	limit := int(min(b.limit.Load()-i*layout.GroupBits, layout.GroupBits))
	g.load(journal.View(b.j, nil, layout.BlockOffset(block), layout.BlockSize), limit)
	return nil
}

// dropOne forgets the picture of some group that equals the medium. Its caller holds a group's lock, so it waits for no
// other: when it cannot have one it leaves the work to the next load.
func (b *Bits) dropOne(keep uint64) {
	groups := b.all()
	n := uint64(len(groups))
	for d := n / 2; d < n; d++ {
		g := groups[(keep+d)%n]
		if (keep+d)%n == keep || !g.mu.TryLock() {
			continue
		}
		drop := g.loaded && g.pending.Load() == 0
		if drop {
			g.loaded, g.words = false, nil
			b.loaded.Add(-1)
		}
		g.mu.Unlock()
		if drop {
			return
		}
	}
}

// take reserves up to want bits of a group: the run at start when exact, else what find says. With align above 1 it only
// takes from the start of an aligned run that is wholly free; with full only all of want or nothing.
func (b *Bits) take(gi uint64, start, want, align int, exact, full bool) (Run, error) {
	g, err := b.groupAt(gi)
	if err != nil {
		return Run{}, err
	}
	defer g.mu.Unlock()
	n := 0
	need := max(want, align)
	if exact {
		n = g.runAt(start, want)
	} else if g.free > 0 {
		if start, n = g.find(start, need, align); n < need {
			if s, m := g.find(0, need, align); m > n {
				start, n = s, m
			}
		}
		if n < align || full && n < want {
			return Run{}, nil
		}
		n = min(n, want)
	}
	if n == 0 {
		return Run{}, nil
	}
	g.set(start, n)
	g.pending.Add(int64(n))
	b.avail.Add(-int64(n))
	return Run{gi*layout.GroupBits + uint64(start), uint64(n)}, nil
}

// Reserve takes up to want bits in one run: at goal if that bit is free, else, for large, at an empty 2 MiB boundary,
// else the first run long enough, else a shorter one. A run of length 0 means that nothing is free.
func (b *Bits) Reserve(goal uint64, want uint64, large bool) (Run, error) {
	limit := b.limit.Load()
	want = min(want, layout.GroupBits)
	if goal != 0 && goal < limit {
		r, err := b.take(goal/layout.GroupBits, int(goal%layout.GroupBits), int(want), 1, true, false)
		if err != nil && !passable(err) || r.Len > 0 {
			return r, err
		}
	}
	if large {
		if r, err := b.sweep(&b.huge, want, layout.HugeBlocks); err != nil && !passable(err) || r.Len > 0 {
			return r, err
		}
	}
	return b.sweep(&b.cursor, want, 1)
}

// fullRunGroups is how many groups are searched for a run of full length before a shorter one is taken.
const fullRunGroups = 8

// sweep visits the groups from a cursor on: a few for a full run, then all for any run. A group whose bitmap is damaged or
// faults is passed over; that is the error when no other has any.
func (b *Bits) sweep(cursor *atomic.Uint64, want uint64, align int) (Run, error) {
	limit := b.limit.Load()
	count := layout.GroupCount(limit)
	at := cursor.Load() % limit
	first := min(count, fullRunGroups)
	if want == 1 {
		first = 0
	}
	var passed error
	for i := range first + count {
		full := i < first
		step := i
		if !full {
			step = i - first
		}
		gi, start := (at/layout.GroupBits+step)%count, 0
		if gi == at/layout.GroupBits {
			start = int(at % layout.GroupBits)
		}
		r, err := b.take(gi, start, int(want), align, false, full)
		if err != nil {
			if !passable(err) {
				return r, err
			}
			passed = err
		}
		if r.Len > 0 {
			cursor.Store(r.Start + r.Len)
			return r, nil
		}
	}
	return Run{}, passed
}

// Unreserve gives back a run that no record names.
func (b *Bits) Unreserve(r Run) { b.unpin(r, true) }

// Committed says that a reserved run is set on the medium now.
func (b *Bits) Committed(r Run) { b.unpin(r, false) }

// unpin ends what hold, or a reservation, has begun with a run. free says that its bits are clear from now on.
func (b *Bits) unpin(r Run, free bool) {
	g := b.all()[r.Start/layout.GroupBits]
	if free {
		g.mu.LockShort()
		g.clear(int(r.Start%layout.GroupBits), int(r.Len))
		b.avail.Add(int64(r.Len))
		g.mu.Unlock()
	}
	g.pending.Add(-int64(r.Len)) // only now may the picture be dropped
}

// hold loads and pins the group of a run that is about to be freed, so that its bits stay taken in DRAM.
func (b *Bits) hold(r Run) error {
	g, err := b.groupAt(r.Start / layout.GroupBits)
	if err != nil {
		return err
	}
	g.pending.Add(int64(r.Len))
	g.mu.Unlock()
	return nil
}

// quarantine keeps a freed run from reuse until a checkpoint has passed seq. hold has been called for it.
func (b *Bits) quarantine(seq uint64, r Run) {
	if mutation.QuarantineFreed.Off() || r.Len == 1 && mutation.QuarantineSingle.Off() {
		b.unpin(r, true)
		return
	}
	b.quarMu.Lock()
	b.quar = append(b.quar, quarantined{seq, r})
	b.quarMu.Unlock()
	b.held.Add(int64(r.Len))
}

// Checkpointed releases what records below seq freed, which is what will be handed out next. The journal calls it after
// each checkpoint.
func (b *Bits) Checkpointed(seq uint64) {
	b.quarMu.Lock()
	var out []Run
	keep := b.quar[:0]
	for _, q := range b.quar {
		if layout.SeqBefore(q.seq, seq) || mutation.QuarantinePassed.Off() {
			out = append(out, q.run)
		} else {
			keep = append(keep, q)
		}
	}
	b.quar = keep
	b.quarMu.Unlock()
	lowest := b.cursor.Load()
	for _, r := range out {
		b.unpin(r, true)
		b.held.Add(-int64(r.Len))
		lowest = min(lowest, r.Start)
	}
	b.cursor.Store(lowest) // a search that moves it meanwhile only begins elsewhere
}

// logRange logs setting or clearing a run, which lies in one group.
func (b *Bits) logRange(tx *journal.Tx, r Run, set bool) error {
	block, err := b.locate(r.Start / layout.GroupBits)
	if err != nil {
		return err
	}
	tx.Bits(layout.BlockOffset(block), int(r.Start%layout.GroupBits), int(r.Len), set)
	return nil
}
