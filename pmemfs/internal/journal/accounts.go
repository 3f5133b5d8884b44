package journal

import (
	"fmt"
	"math"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// Account is what an account of a quota has used, as far as the journal knows: records change it by differences, which commute, so nobody
// holds a lock over the fence. The medium has it as of the head's tail. A checkpoint stores it in the account's slot, in the copy that the
// head before does not count on.
type Account struct {
	off int64 // of its slot, in bytes

	// Guarded by Journal.mu.
	low      layout.Usage // as of Journal.low
	inFlight int          // records that are not below it yet and change it
	dirty    bool         // low is not what the medium has
	saving   bool         // a checkpoint is about to store it

	newest int // which copy of the slot counts; of who checkpoints
}

// accountChange is what a record changes of an account.
type accountChange struct {
	a      *Account
	change layout.Usage
}

// accountsChanged is what records in flight change of accounts, and which accounts a checkpoint has to store. Guarded by Journal.mu.
type accountsChanged struct {
	inFlight *[slotCount][]accountChange // by slot, once there are any
	dirty    []*Account
}

// savedAccount is an account as a checkpoint stores it.
type savedAccount struct {
	a     *Account
	usage layout.Usage
}

// OpenAccount reads an account from its slot at byte offset off. There must be no other Account of that slot but idle ones. Errors wrap
// layout.ErrDamaged, or are a *LostError or a memory fault.
func (j *Journal) OpenAccount(off int64) (a *Account, used layout.Usage, err error) {
	defer j.region.Unguard(j.region.Guard(), &err)
	if block := layout.BlockOf(off); j.Lost(block) {
		return nil, used, &LostError{Block: block}
	}
	slot := j.region.Bytes()[off : off+layout.AccountSlotSize]
	used, newest, ok := layout.DecodeSlot(slot, math.MaxUint64)
	if !ok || !layout.SlotWhole(slot) { // recovery has replaced what a power cut has torn
		return nil, used, fmt.Errorf("%w: account slot at offset %d: checksum is wrong", layout.ErrDamaged, off)
	}
	return &Account{off: off, low: used, newest: newest}, used, nil
}

// InspectAccount verifies the slot of an account at byte offset off, as a scrub does. Checkpoints wait meanwhile: nobody else stores to
// slots. Errors are those of OpenAccount.
func (j *Journal) InspectAccount(off int64) error {
	j.ckptMu.Lock()
	defer j.ckptMu.Unlock()
	_, _, err := j.OpenAccount(off)
	return err
}

// Idle reports whether the medium has all of an account, so that it may be forgotten and opened again.
func (j *Journal) Idle(a *Account) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.advance()
	return a.inFlight == 0 && !a.dirty && !a.saving
}

// Charge logs that an account has used so much more. An account is named once in a transaction.
func (tx *Tx) Charge(a *Account, d layout.Usage) {
	tx.account = append(tx.account, accountChange{a, d})
}

// NextInode returns the i-th and later shadows that are inodes, with what the medium has of each; before is nil for a slot that held nothing.
// next is the i to go on with; in is nil at the end.
func (tx *Tx) NextInode(i int) (in, before layout.Inode, next int) {
	for ; i < len(tx.shadows); i++ {
		s := tx.shadows[i]
		if s.kind != layout.EntryInode {
			continue
		}
		if !s.fresh {
			before = layout.Inode(tx.j.region.Bytes()[s.off : s.off+layout.InodeSize])
		}
		return s.buf[:layout.InodeSize], before, i + 1
	}
	return nil, nil, i
}

// await notes what the record of a sequence changes of accounts. mu is held.
func (j *Journal) await(seq uint64, list []accountChange) {
	c := &j.changed
	if c.inFlight == nil {
		c.inFlight = new([slotCount][]accountChange)
	}
	p := &c.inFlight[seq%slotCount]
	*p = append((*p)[:0], list...)
	for i := range list {
		list[i].a.inFlight++
	}
}

// fold adds what the record of a sequence, which is stored in place, changes of accounts. mu is held.
func (j *Journal) fold(seq uint64) {
	for _, x := range j.changed.inFlight[seq%slotCount] {
		x.a.low.Add(x.change)
		if x.a.inFlight--; !x.a.dirty {
			x.a.dirty = true
			j.changed.dirty = append(j.changed.dirty, x.a)
		}
	}
}

// forgo forgets the record of a sequence, which is not in the ring. mu is held.
func (j *Journal) forgo(seq uint64) {
	for _, x := range j.changed.inFlight[seq%slotCount] {
		x.a.inFlight--
	}
}

// takeAccounts takes what a checkpoint has to store: the accounts as of its tail. mu is held.
func (j *Journal) takeAccounts() {
	j.saving = j.saving[:0]
	for _, a := range j.changed.dirty {
		a.dirty, a.saving = false, true
		j.saving = append(j.saving, savedAccount{a, a.low})
	}
	clear(j.changed.dirty)
	j.changed.dirty = j.changed.dirty[:0]
}

// storeAccounts stores what was taken, as of the head of a version that is about to be written, and adds the lines to j.ranges. A slot whose
// memory faults loses its block, unless the host is the reason: that is an error.
func (j *Journal) storeAccounts(version uint64) error {
	if mutation.AccountsAtCheckpoint.Off() {
		return nil
	}
	slices.SortFunc(j.saving, func(x, y savedAccount) int { return int(min(max(x.a.off-y.a.off, -1), 1)) })
	for i := range j.saving {
		s := &j.saving[i]
		block := layout.BlockOf(s.a.off)
		if j.gone(block) {
			continue
		}
		if !mutation.AccountOlderCopy.Off() {
			s.a.newest = 1 - s.a.newest
		}
		err := StoreAccount(j.region, s.a.off, s.a.newest, version, s.usage)
		if pmem.HostReason(err) != nil {
			return err
		}
		if err != nil {
			j.lose(block)
			continue
		}
		j.ranges = append(j.ranges, pmem.Range{Off: s.a.off, Len: layout.AccountSlotSize})
	}
	return nil
}

// StoreAccount stores a copy of what an account has used in its slot at byte offset off. The error is a memory fault. Not durable.
func StoreAccount(region *pmem.Region, off int64, copyNo int, version uint64, u layout.Usage) (err error) {
	defer region.Unguard(region.Guard(), &err)
	var b [layout.AccountCopySize]byte
	layout.EncodeAccountCopy(b[:], version, u)
	region.Write(off+int64(copyNo)*layout.AccountCopySize, b[:])
	return nil
}

// accountsSaved says that the head with which accounts were stored is durable.
func (j *Journal) accountsSaved() {
	if len(j.saving) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.saving {
		j.saving[i].a.saving = false
	}
	clear(j.saving)
}
