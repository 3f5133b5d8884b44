package check

import (
	"fmt"
	"maps"
	"slices"

	"pmemfs/pmemfs/internal/layout"
)

// accounts are those of quotas: what they say, and what inodes take.
type accounts struct {
	changes map[int64]layout.Usage  // of the journal window, by the offset of their slot
	slots   map[int64]uint64        // keys of the accounts that have them
	given   map[uint64]int          // slots that are given out, by block
	used    map[uint64]layout.Usage // as their slots say, behind the window
	taken   map[uint64]layout.Usage // by inodes that are counted
	state   layout.QuotaState
	found   bool // state was
	broken  bool // not all accounts are known
}

// replay notes what a record of the window changes.
func (a *accounts) replay(e *layout.Entry) {
	if a.changes == nil {
		a.changes = map[int64]layout.Usage{}
	}
	sum := a.changes[e.Off]
	sum.Add(e.AccountChange())
	a.changes[e.Off] = sum
}

// quotas checks the accounts: their tree, then their slots.
func (c *checker) quotas() {
	const ino = layout.QuotaIno
	a := &c.accounts
	a.slots, a.given, a.used, a.taken = map[int64]uint64{}, map[uint64]int{}, map[uint64]layout.Usage{}, map[uint64]layout.Usage{}
	a.found, a.broken = false, false
	in, off := c.slot(ino)
	if !c.good.has(ino) {
		a.broken = !in.Unused()
		return
	}
	t := tree{c: c, kind: layout.TreeAccounts, ino: ino, part: ownsNode}
	records := map[uint64]layout.Account{}
	blocks := uint64(0)
	t.leaf = func(n layout.Node, off int64) {
		for i := range n.Count() {
			c.accountRecord(n.Key(i), n.Payload(i), off, records, &blocks)
		}
	}
	root, height := in.DataRoot()
	t.walk(root, height, off)
	owned := t.finish() + blocks
	if a.broken = a.broken || t.broken; !a.broken {
		c.vetOwned(in, ino, off, owned)
	}
	if !a.found && !t.broken {
		c.fault(AccountState, off, inodeName(ino), "the state of quotas", "none")
	}
	if root, height := in.XattrRoot(); in.Size() != 0 || in.InlineCount() != 0 || root != 0 || height != 0 {
		c.fault(QuotaData, off, inodeName(ino), "nothing beside its tree", fmt.Sprintf("size %d, %d inline extents, attributes at block %d", in.Size(), in.InlineCount(), root))
	}
	for _, key := range slices.Sorted(maps.Keys(records)) {
		c.accountSlot(key, records[key])
	}
	if !c.quiet {
		c.report.Accounts = uint64(len(records))
	}
}

// accountRecord checks a record of the tree of accounts.
func (c *checker) accountRecord(key uint64, p []byte, off int64, records map[uint64]layout.Account, blocks *uint64) {
	a := &c.accounts
	bad := func(class Class, expected, found string) {
		a.broken = true
		c.fault(class, off, accountName(key), expected, found)
	}
	if n, ok := layout.SlotBlockOf(key); ok {
		block, given, ok := layout.DecodeSlotBlock(p)
		switch {
		case !ok || block == 0 || block >= c.sb.Blocks:
			bad(AccountSlots, "a block of the image, and how many of its slots are given out", fmt.Sprintf("block %d, %d slots, %d bytes", block, given, len(p)))
		case !c.claim(block, 1, owner{ino: layout.QuotaIno, part: ownsData}):
			a.broken = true
		default:
			*blocks++
			a.given[block] = given
		}
		if uint64(len(a.given)) != n+1 && !a.broken {
			bad(AccountSlots, fmt.Sprintf("blocks of slots in a row, number %d", len(a.given)-1), fmt.Sprintf("number %d", n))
		}
		return
	}
	if key == layout.QuotaStateKey() {
		var ok bool
		if a.state, ok = layout.DecodeQuotaState(p); !ok {
			c.fault(AccountState, off, accountName(key), "a state that makes sense", fmt.Sprintf("%x", p))
		}
		a.found = true
		return
	}
	rec, ok := layout.DecodeAccount(p)
	if _, _, is := layout.AccountOf(key); !is || !ok || rec.Slot >= layout.BlockOffset(c.sb.Blocks) {
		bad(AccountRecord, "an account that makes sense", fmt.Sprintf("key %#x, %x", key, p))
		return
	}
	records[key] = rec
}

// accountSlot reads what an account has used, behind the window.
func (c *checker) accountSlot(key uint64, rec layout.Account) {
	a, block := &c.accounts, layout.BlockOf(rec.Slot)
	bad := func(class Class, expected, found string) {
		a.broken = true
		c.fault(class, rec.Slot, accountName(key), expected, found)
	}
	if n := int(rec.Slot % layout.BlockSize / layout.AccountSlotSize); n >= a.given[block] {
		bad(AccountSlot, "a slot that is given out", fmt.Sprintf("slot %d of block %d, which has %d", n, block, a.given[block]))
		return
	}
	if other, ok := a.slots[rec.Slot]; ok {
		bad(AccountSlot, "a slot of its own", "that of "+accountName(other))
		return
	}
	a.slots[rec.Slot] = key
	if !c.readable(block) || slices.Contains(c.lostBlocks, block) {
		a.broken = true // that is a fault already
		return
	}
	b := c.block(block)[rec.Slot%layout.BlockSize:]
	used, _, ok := layout.DecodeSlot(b[:layout.AccountSlotSize], c.head.Version)
	change, inWindow := a.changes[rec.Slot]
	if !ok || !inWindow && !layout.SlotWhole(b[:layout.AccountSlotSize]) {
		bad(AccountCopies, "copies with valid checksums, as of the journal head", "something else")
		return
	}
	used.Add(change)
	a.used[key] = used
}

// count adds an inode to what its accounts should say.
func (c *checker) count(in layout.Inode, ino uint64, off int64) {
	a := &c.accounts
	if !a.found {
		return
	}
	if !in.Counted() {
		if a.state.Walk == layout.WalkDone {
			c.fault(InodeCounted, off, inodeName(ino), "counted for quotas: all inodes are", "not counted")
		}
		return
	}
	u := layout.Usage{Blocks: int64(in.Blocks()), Inodes: 1}
	add := func(kind layout.AccountKind, id uint32) {
		key := layout.AccountKey(kind, id)
		sum := a.taken[key]
		sum.Add(u)
		a.taken[key] = sum
	}
	add(layout.AccountUser, in.UID())
	add(layout.AccountGroup, in.GID())
	if p := in.Project(); p != 0 {
		add(layout.AccountProject, p)
	}
}

// vetUsed compares what accounts say with what inodes take, in both directions.
func (c *checker) vetUsed() {
	a := &c.accounts
	if !a.found || a.broken || c.lost || !c.headOK || a.state.Walk == layout.WalkClears {
		return
	}
	for key := range a.taken {
		if _, ok := a.used[key]; !ok {
			a.used[key] = layout.Usage{}
		}
	}
	off := layout.BlockOffset(c.sb.InodeBoot) + layout.QuotaIno*layout.InodeSize
	for _, key := range slices.Sorted(maps.Keys(a.used)) {
		if used, taken := a.used[key], a.taken[key]; used != taken {
			c.fault(AccountUsed, off, accountName(key), fmt.Sprintf("%d blocks and %d inodes, which files take", taken.Blocks, taken.Inodes),
				fmt.Sprintf("%d and %d", used.Blocks, used.Inodes))
		}
	}
}

// accountName names a record of the tree of accounts.
func accountName(key uint64) string {
	kind, id, ok := layout.AccountOf(key)
	if ok {
		return fmt.Sprintf("account of %s %d", [...]string{"", "user", "group", "project"}[kind], id)
	}
	if n, ok := layout.SlotBlockOf(key); ok {
		return fmt.Sprintf("block %d of account slots", n)
	}
	if key == layout.QuotaStateKey() {
		return "state of quotas"
	}
	return fmt.Sprintf("record %#x of the accounts", key)
}
