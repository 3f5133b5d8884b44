package repair

import (
	"maps"
	"slices"
	"time"

	"pmemfs/pmemfs/internal/layout"
)

// quotas are the accounts of quotas, as far as they make sense.
type quotas struct {
	changes  map[int64]layout.Usage // of the journal window, by the offset of their slot
	state    layout.QuotaState
	found    bool // state was
	accounts map[uint64]layout.Account
	blocks   []uint64       // of slots, claimed
	given    map[uint64]int // slots that are given out, by block
	anew     bool           // the tree and the slots have to be made anew
}

// change notes what an entry of the window changes.
func (q *quotas) change(e *layout.Entry) {
	if q.changes == nil {
		q.changes = map[int64]layout.Usage{}
	}
	sum := q.changes[e.Off]
	sum.Add(e.AccountChange())
	q.changes[e.Off] = sum
}

// replayAccounts stores what accounts have used behind the window, as recovery does: in the copy that the head does not count on, as of the
// head that is to be written.
func (f *fixer) replayAccounts(head, next uint64) {
	for off, change := range f.quota.changes {
		block, at := layout.BlockOf(off), off%layout.BlockSize
		used, newest, ok := layout.DecodeSlot(f.block(block)[at:at+layout.AccountSlotSize], head)
		if !ok {
			continue
		}
		used.Add(change)
		at += int64(1-newest) * layout.AccountCopySize
		layout.EncodeAccountCopy(f.edit(block)[at:], next, used)
	}
}

// readAccounts reads the tree of accounts and claims the blocks of slots.
func (f *fixer) readAccounts() {
	const ino = layout.QuotaIno
	if !f.good.has(ino) {
		return
	}
	q := &f.quota
	q.accounts, q.given = map[uint64]layout.Account{}, map[uint64]int{}
	q.anew = f.noData.has(ino)
	f.records(f.slot(ino), tree{ino, layout.TreeAccounts}, func(r record) {
		if n, ok := layout.SlotBlockOf(r.key); ok {
			block, given, ok := layout.DecodeSlotBlock(r.payload)
			if !ok || block == 0 || block >= f.sb.Blocks || f.owned.has(block) || !f.readable(block) || n != uint64(len(q.blocks)) {
				q.anew = true
				return
			}
			f.owned.set(block)
			f.blocks[ino]++
			q.blocks, q.given[block] = append(q.blocks, block), given
			return
		}
		if r.key == layout.QuotaStateKey() {
			q.state, q.found = layout.DecodeQuotaState(r.payload)
			return
		}
		a, ok := layout.DecodeAccount(r.payload)
		if _, _, is := layout.AccountOf(r.key); !is || !ok {
			q.anew = true
			f.lose("accounts of quotas", "the limits of record %#x, which makes no sense", r.key)
			return
		}
		q.accounts[r.key] = a
	})
	if !q.found {
		q.anew = true
		q.state = layout.QuotaState{Walk: layout.WalkDone}
		for i := range q.state.Grace {
			q.state.Grace[i] = int64(7 * 24 * time.Hour)
		}
		f.lose("accounts of quotas", "the grace times: they are a week")
	}
}

// accounts makes the accounts say what the inodes take. The blocks of all inodes are known.
func (f *fixer) accounts() {
	q := &f.quota
	if !f.good.has(layout.QuotaIno) {
		return
	}
	slots := map[int64]bool{}
	for _, a := range q.accounts {
		n := int(a.Slot % layout.BlockSize / layout.AccountSlotSize)
		if n >= q.given[layout.BlockOf(a.Slot)] || slots[a.Slot] {
			q.anew = true
		}
		slots[a.Slot] = true
	}
	if q.state.Walk == layout.WalkClears {
		if !q.anew {
			return // they will be counted anew
		}
		q.state.Walk = layout.WalkDone
	}
	taken := f.takenByInodes()
	for key := range taken {
		if _, ok := q.accounts[key]; !ok {
			q.accounts[key], q.anew = layout.Account{}, true
		}
	}
	if q.anew {
		f.plantAccounts(taken)
		return
	}
	for key, a := range q.accounts {
		block, at := layout.BlockOf(a.Slot), a.Slot%layout.BlockSize
		slot := f.block(block)[at : at+layout.AccountSlotSize]
		if used, _, ok := layout.DecodeSlot(slot, f.plan.Head.Version+1); !ok || !layout.SlotWhole(slot) || used != taken[key] {
			setSlot(f.edit(block)[at:], taken[key])
		}
	}
}

// setSlot makes a slot say what is used, as of any head.
func setSlot(b []byte, u layout.Usage) {
	for i := range 2 {
		layout.EncodeAccountCopy(b[i*layout.AccountCopySize:], 0, u)
	}
}

// takenByInodes returns what the inodes take that are counted. When all are to be, those that are not become so.
func (f *fixer) takenByInodes() map[uint64]layout.Usage {
	taken := map[uint64]layout.Usage{}
	for ino := uint64(layout.RootIno); ino < f.file.limit; ino++ {
		if !f.good.has(ino) {
			continue
		}
		in := f.slot(ino)
		if !in.Counted() && f.quota.state.Walk != layout.WalkDone {
			continue
		}
		if !in.Counted() {
			in = f.change(ino)
			in.SetFlags(in.Flags() | layout.FlagCounted)
			in.Seal()
		}
		add := func(kind layout.AccountKind, id uint32) {
			key := layout.AccountKey(kind, id)
			sum := taken[key]
			sum.Add(layout.Usage{Blocks: int64(f.blocks[ino]), Inodes: 1})
			taken[key] = sum
		}
		add(layout.AccountUser, in.UID())
		add(layout.AccountGroup, in.GID())
		if p := in.Project(); p != 0 {
			add(layout.AccountProject, p)
		}
	}
	return taken
}

// plantAccounts makes the tree of accounts and their slots anew.
func (f *fixer) plantAccounts(taken map[uint64]layout.Usage) {
	const ino = layout.QuotaIno
	q := &f.quota
	keys := slices.Sorted(maps.Keys(q.accounts))
	fresh := make([]uint64, (len(keys)+layout.SlotsPerBlock-1)/layout.SlotsPerBlock)
	for i := range fresh {
		if fresh[i] = f.take(); fresh[i] == 0 {
			for _, b := range fresh[:i] {
				f.release(b)
			}
			f.lose("accounts of quotas", "nothing yet: there is no room to make them anew; make some and repair again")
			return
		}
		layout.InitSlotBlock(f.fresh(fresh[i]))
	}
	state := make([]byte, layout.QuotaStateSize)
	layout.EncodeQuotaState(state, &q.state)
	records := []record{{key: layout.QuotaStateKey(), payload: state}}
	for i, key := range keys {
		block, n := fresh[i/layout.SlotsPerBlock], i%layout.SlotsPerBlock
		a := q.accounts[key]
		a.Slot = layout.BlockOffset(block) + int64(n)*layout.AccountSlotSize
		setSlot(f.changed[block][n*layout.AccountSlotSize:], taken[key])
		p := make([]byte, layout.AccountPayload)
		layout.EncodeAccount(p, &a)
		records = append(records, record{key: key, payload: p})
	}
	for i, block := range fresh {
		p := make([]byte, layout.SlotBlockPayload)
		layout.EncodeSlotBlock(p, block, min(len(keys)-i*layout.SlotsPerBlock, layout.SlotsPerBlock))
		records = append(records, record{key: layout.SlotBlockKey(uint64(i)), payload: p})
	}
	if !f.plant(tree{ino, layout.TreeAccounts}, records) {
		for _, b := range fresh {
			f.release(b)
		}
		f.lose("accounts of quotas", "nothing yet: there is no room to make them anew; make some and repair again")
		return
	}
	for _, b := range q.blocks {
		f.release(b)
	}
	f.blocks[ino] += uint64(len(fresh)) - uint64(len(q.blocks))
}
