package quota

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
)

// Charge is told of an operation that is about to be committed. It finds out what the operation changes by comparing its inodes with what the
// medium has of them, takes that from what the accounts may use, and logs it. What an operation frees can be used when it has happened.
//
// The error ErrExceeded says that an account may not have so much. What gives space back is never refused, except where it gives a file to
// somebody else; nor is an operation that says so (alloc.Op.Uncapped).
func (q *Quotas) Charge(op *alloc.Op) error {
	if q.paused.Load() {
		return nil
	}
	audit := q.audit.Load()
	for i := 0; ; {
		in, before, next := op.Tx.NextInode(i)
		if in == nil {
			break
		}
		i = next
		compare(op, in, before, audit)
	}
	for i := range op.Charges {
		if err := q.charge(op, &op.Charges[i]); err != nil {
			return err
		}
	}
	return nil
}

// compare notes what an operation changes with one inode. before is nil for a slot that held nothing; audit is nil, or may have counted the
// inode already.
func compare(op *alloc.Op, in, before layout.Inode, audit *Audit) {
	if !audit.follows(in.Ino()) {
		audit = nil
	}
	had := before != nil && before.Counted() && !before.Free()
	has := in.Counted() && !in.Free()
	capped := !op.Uncapped && !op.Frees
	if had && has && before.UID() == in.UID() && before.GID() == in.GID() && before.Project() == in.Project() {
		if d := int64(in.Blocks() - before.Blocks()); d != 0 {
			note(op, in, layout.Usage{Blocks: d}, capped, audit)
		}
		return
	}
	if had {
		note(op, before, layout.Usage{Blocks: -int64(before.Blocks()), Inodes: -1}, capped, audit)
	}
	if has {
		note(op, in, layout.Usage{Blocks: int64(in.Blocks()), Inodes: 1}, !op.Uncapped, audit)
	}
}

// keys returns the accounts of an inode.
func keys(in layout.Inode) (list [3]uint64, n int) {
	list[0] = layout.AccountKey(layout.AccountUser, in.UID())
	list[1] = layout.AccountKey(layout.AccountGroup, in.GID())
	if p := in.Project(); p != 0 {
		list[2] = layout.AccountKey(layout.AccountProject, p)
		return list, 3
	}
	return list, 2
}

// note adds d to what an operation changes of the accounts of an inode.
func note(op *alloc.Op, in layout.Inode, d layout.Usage, capped bool, audit *Audit) {
	list, n := keys(in)
	for _, key := range list[:n] {
		at := 0
		for at < len(op.Charges) && op.Charges[at].Key != key {
			at++
		}
		if at == len(op.Charges) {
			op.Charges = append(op.Charges, alloc.Charge{Key: key})
		}
		c := &op.Charges[at]
		c.Change.Add(d)
		c.Capped = c.Capped || capped
		if audit != nil { // the same for all inodes of an operation that it has counted
			c.Audited.Add(d)
			c.Auditor = audit
		}
	}
}

// charge takes what an operation needs of one account, and logs all that it changes of it.
func (q *Quotas) charge(op *alloc.Op, c *alloc.Charge) error {
	if c.Change == (layout.Usage{}) {
		return nil
	}
	o := makeMissing
	if op.Frees || op.Uncapped {
		o = makeAnyway
	}
	a, err := q.find(c.Key, o)
	if err != nil {
		return err
	}
	c.Account = a
	if a.j == nil {
		return nil
	}
	need := layout.Usage{Blocks: max(c.Change.Blocks, 0), Inodes: max(c.Change.Inodes, 0)}
	capped := c.Capped
	if op.Prepaid != nil {
		c.Prepaid = min(need.Blocks, *op.Prepaid)
		need.Blocks -= c.Prepaid
		capped = false // it was answered when it was bought
	}
	begins, err := q.take(a, need, capped)
	if err != nil {
		return err
	}
	c.Held = need
	if begins {
		if err := q.saveLimits(a, nil); err != nil {
			return err
		}
	}
	op.Tx.Charge(a.j, c.Change)
	return nil
}

// Charged is told whether an operation has happened. What it freed may be used from now on, or what it was charged for in vain.
func (q *Quotas) Charged(op *alloc.Op, happened bool) {
	spent := int64(0)
	for i := range op.Charges {
		c := &op.Charges[i]
		if audit, _ := c.Auditor.(*Audit); happened && audit != nil { // it may have ended, and another one begun
			audit.add(c.Key, c.Audited)
		}
		a, _ := c.Account.(*account)
		if a == nil {
			continue
		}
		switch {
		case happened:
			spent = max(spent, c.Prepaid)
			freed := layout.Usage{Blocks: max(-c.Change.Blocks, 0), Inodes: max(-c.Change.Inodes, 0)}
			if a.j != nil && (freed != layout.Usage{} || c.Prepaid != 0) {
				a.give(freed, c.Prepaid)
			}
		case c.Held != layout.Usage{}:
			a.give(c.Held, 0)
		}
		q.release(a)
	}
	if op.Prepaid != nil {
		*op.Prepaid -= spent
	}
	clear(op.Charges)
	op.Charges = op.Charges[:0]
}

// Prepaid is what the accounts of a file have been charged for in advance, for data that is in memory alone. The zero value is nothing. The
// file's stripe guards it.
type Prepaid struct {
	Blocks   int64 // for each account
	accounts [3]*account
}

// Prepay brings what is prepaid for the file of in to so many blocks. ErrExceeded, with nothing changed, says that its accounts may not have
// them. While something is prepaid, the file's accounts stay what they are.
func (q *Quotas) Prepay(p *Prepaid, in layout.Inode, blocks int64) error {
	if q == nil || q.paused.Load() || !in.Counted() {
		return nil
	}
	if p.accounts[0] == nil {
		list, n := keys(in)
		for i, key := range list[:n] {
			a, err := q.find(key, makeMissing)
			if err != nil {
				q.Refund(p)
				return err
			}
			p.accounts[i] = a
		}
	}
	more := blocks - p.Blocks
	for i, a := range p.accounts {
		if a == nil || a.j == nil {
			continue
		}
		if err := q.prepay(a, more); err != nil {
			for _, paid := range p.accounts[:i] {
				if paid != nil && paid.j != nil {
					paid.give(layout.Usage{Blocks: more}, more)
				}
			}
			if p.Blocks == 0 {
				q.Refund(p)
			}
			return err
		}
	}
	p.Blocks = blocks
	return nil
}

// prepay adds to what is prepaid of an account, or takes from it.
func (q *Quotas) prepay(a *account, more int64) error {
	if more <= 0 {
		a.give(layout.Usage{Blocks: -more}, -more)
		return nil
	}
	begins, err := q.take(a, layout.Usage{Blocks: more}, true)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.prepaid += more
	a.mu.Unlock()
	if begins {
		if err := q.saveLimits(a, nil); err != nil {
			a.give(layout.Usage{Blocks: more}, more)
			return err
		}
	}
	return nil
}

// Refund gives back what is left of what was prepaid.
func (q *Quotas) Refund(p *Prepaid) {
	for _, a := range p.accounts {
		if a == nil {
			continue
		}
		if a.j != nil {
			a.give(layout.Usage{Blocks: p.Blocks}, p.Blocks)
		}
		q.release(a)
	}
	*p = Prepaid{}
}
