package locks

import "slices"

// Share is a reservation of a whole file: what its owner does with it, and what others may not do meanwhile.
type Share struct {
	Owner        Owner
	Access, Deny ShareMode
}

// ShareMode is a set of ShareRead and ShareWrite.
type ShareMode uint8

// The bits of a ShareMode.
const (
	ShareRead  ShareMode = 1
	ShareWrite ShareMode = 2
)

type share struct {
	own          *owner
	access, deny ShareMode
}

// Share makes a reservation. It replaces the one that the owner has. Its errors are ErrConflict and ErrFull.
func (t *Table) Share(ino uint64, want Share) error {
	t.lock()
	defer t.unlock()
	o, f := t.owner(want.Owner), t.file(ino)
	defer t.tidy(f)
	defer t.release(o)
	var own *share
	for _, s := range f.shares {
		switch {
		case s.own == o:
			own = s
		case s.access&want.Deny != 0 || s.deny&want.Access != 0:
			return ErrConflict
		}
	}
	if own != nil {
		own.access, own.deny = want.Access, want.Deny
		return nil
	}
	if !t.affords(o, units(o, "")) || !t.roomForShare(f, o.c) {
		return ErrFull
	}
	f.shares = append(f.shares, &share{o, want.Access, want.Deny})
	t.pay(o, units(o, ""), 1)
	return nil
}

// Unshare takes an owner's reservation away, if it has one.
func (t *Table) Unshare(ino uint64, name Owner) {
	t.lock()
	defer t.unlock()
	if f := t.files[ino]; f != nil {
		t.stripShares(f, func(o *owner) bool { return o.name == name })
		t.tidy(f)
	}
}

// stripShares takes away the reservations of some owners.
func (t *Table) stripShares(f *file, mine func(*owner) bool) (n int) {
	f.shares = slices.DeleteFunc(f.shares, func(s *share) bool {
		if !mine(s.own) {
			return false
		}
		t.pay(s.own, -units(s.own, ""), -1)
		t.release(s.own)
		n++
		return true
	})
	return n
}
