package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// operateQuotas is operate with accounts: of the root directory's tree, and of a user with limits.
func operateQuotas(t testing.TB, replay bool) *surgery {
	t.Helper()
	fs := memFS(t, 16<<20)
	b := builder{t: t, fs: fs}
	b.ok(fs.SetQuota(QuotaUser, 9, QuotaLimits{HardBytes: 1 << 20, SoftFiles: 5}))
	_, err := fs.SetTreeQuota(fs.Root(), QuotaLimits{HardFiles: 5000})
	b.ok(err)
	return operateOn(t, fs, 600, 400, replay)
}

// account returns the payload of a record of the tree of accounts, to be changed with its leaf.
func (s *surgery) account(key uint64, f func(n layout.Node, i int)) int64 {
	_, off := s.node(s.leaf(layout.QuotaIno), "", func(n layout.Node) {
		i, ok := n.Search(key)
		if !ok {
			s.t.Fatalf("no record %#x", key)
		}
		f(n, i)
	})
	return off
}

// slot returns the slot of an account, and its offset.
func (s *surgery) slot(key uint64) (b []byte, off int64) {
	s.account(key, func(n layout.Node, i int) {
		a, _ := layout.DecodeAccount(n.Payload(i))
		off = a.Slot
	})
	return s.medium[off : off+layout.AccountSlotSize], off
}

var rootUser = layout.AccountKey(layout.AccountUser, 0)

// accountPayload is damage of a record of the tree of accounts.
func accountPayload(name, object string, key uint64, f func(s *surgery, p []byte)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		return object, s.account(key, func(n layout.Node, i int) { f(s, n.Payload(i)) })
	}}
}

// quotaDamage is damage of accounts.
var quotaDamage = []damage{
	accountPayload("state of quotas", "state of quotas", layout.QuotaStateKey(), func(_ *surgery, p []byte) { p[0] = 9 }),
	{"no state of quotas", func(s *surgery) (string, int64) {
		s.account(layout.QuotaStateKey(), func(n layout.Node, i int) { n.Delete(i) })
		return "inode 8", s.at(layout.QuotaIno)
	}},
	accountPayload("account", "account of user 9", layout.AccountKey(layout.AccountUser, 9), func(_ *surgery, p []byte) { p[76] = 99 }),
	accountPayload("block of slots", "block 0 of account slots", layout.SlotBlockKey(0), func(_ *surgery, p []byte) { put64(p, 1<<40) }),
	{"slot that is not given out", func(s *surgery) (string, int64) {
		var slot int64
		s.account(rootUser, func(n layout.Node, i int) {
			a, _ := layout.DecodeAccount(n.Payload(i))
			a.Slot += 40 * layout.AccountSlotSize
			slot = a.Slot
			layout.EncodeAccount(n.Payload(i), &a)
		})
		return "account of user 0", slot
	}},
	{"slot of another account", func(s *surgery) (string, int64) {
		_, slot := s.slot(rootUser)
		s.account(layout.AccountKey(layout.AccountProject, 1), func(n layout.Node, i int) { put64(n.Payload(i), uint64(slot)) })
		return "account of project 1", slot
	}},
	{"copies of an account", func(s *surgery) (string, int64) {
		b, off := s.slot(rootUser)
		b[20]++
		b[52]++
		return "account of user 0", off
	}},
	{"what an account has used", func(s *surgery) (string, int64) {
		b, _ := s.slot(rootUser)
		for i := range 2 {
			layout.EncodeAccountCopy(b[i*layout.AccountCopySize:], 0, layout.Usage{Blocks: 5, Inodes: 1})
		}
		return "account of user 0", s.at(layout.QuotaIno)
	}},
	{"account that is missing", func(s *surgery) (string, int64) {
		s.account(layout.AccountKey(layout.AccountGroup, 0), func(n layout.Node, i int) { n.Delete(i) })
		return "account of group 0", s.at(layout.QuotaIno)
	}},
	inodeFault("inode that is not counted", plain, func(_ *surgery, in layout.Inode) { in.SetFlags(in.Flags() &^ layout.FlagCounted) }),
	inodeFault("data beside the accounts", func(*surgery) uint64 { return layout.QuotaIno }, func(_ *surgery, in layout.Inode) { in.SetSize(5) }),
	{"node of the accounts", func(s *surgery) (string, int64) {
		b := s.leaf(layout.QuotaIno)
		s.block(b)[100]++
		return fmt.Sprintf("node at block %d (accounts of quotas)", b), layout.BlockOffset(b)
	}},
	{"inode of the accounts", func(s *surgery) (string, int64) {
		s.inode(layout.QuotaIno)[60]++
		return "inode 8", s.at(layout.QuotaIno)
	}},
	{"lost block of slots", func(s *surgery) (string, int64) {
		_, off := s.slot(rootUser)
		b := layout.BlockOf(off)
		s.lose(b)
		return fmt.Sprintf("block %d", b), layout.BlockOffset(b)
	}},
}

// TestCheckQuotas finds damage of accounts, in an image with an empty window.
func TestCheckQuotas(t *testing.T) {
	testpart.NotRace(t)
	healthy := operateQuotas(t, false)
	if r := checkMedium(t, healthy.medium); r.Accounts != 4 {
		t.Errorf("%d accounts", r.Accounts)
	}
	for _, d := range quotaDamage {
		t.Run(d.name, func(t *testing.T) { wantFault(t, healthy, d) })
	}
}

// TestRepairQuotas repairs every kind of damage in an image with quotas: the accounts are right afterwards, and limits are as before unless a
// note says otherwise.
func TestRepairQuotas(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	t.Parallel()
	healthy, window := operateQuotas(t, false), operateQuotas(t, true)
	before := picture(t, mountKept(t, healthy.medium))
	for _, d := range quotaDamage {
		t.Run(d.name, func(t *testing.T) {
			repairFault(t, healthy, d, before)
			s := *healthy
			s.t, s.medium = t, bytes.Clone(healthy.medium)
			d.do(&s)
			after, r := repaired(t, s.medium)
			fs := mountBytes(t, after)
			defer closeFS(t, fs)
			q, err := fs.QuotaOf(QuotaUser, 9)
			if lost := len(r.Notes) > 0; !lost && (err != nil || q.QuotaLimits != QuotaLimits{HardBytes: 1 << 20, SoftFiles: 5}) {
				t.Errorf("the limits are %+v, %v", q.QuotaLimits, err)
			}
			checkFS(t, fs)
		})
	}
	for _, list := range [][]damage{atRest(), inWindow()} {
		of := healthy
		if list[0].name == inWindow()[0].name {
			of = window
			before = picture(t, mountKept(t, window.medium))
		}
		for _, d := range list {
			t.Run(d.name, func(t *testing.T) { repairFault(t, of, d, before) })
		}
	}
}

// TestRepairQuotasInterrupted cuts the power at fences of repairs of accounts.
func TestRepairQuotasInterrupted(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	t.Parallel()
	seen := map[string]bool{}
	for _, replay := range []bool{false, true} {
		healthy := operateQuotas(t, replay)
		for _, d := range quotaDamage {
			t.Run(d.name, func(t *testing.T) {
				s := *healthy
				s.t, s.medium = t, bytes.Clone(healthy.medium)
				d.do(&s)
				interrupt(t, s.medium, seen)
			})
		}
	}
}

// stir damages what there is of quotas in up to four places, under right checksums where the damage is to be followed.
func (s *surgery) stir(rng *rand.Rand, node uint64, slots []byte) {
	for range 1 + rng.IntN(4) {
		n := layout.Node(s.block(node))
		switch whole := n.Validate(node) == nil; {
		case rng.IntN(4) == 0:
			n[rng.IntN(layout.BlockSize)] = byte(rng.Uint32())
			layout.Seal(n)
		case rng.IntN(3) == 0:
			slots[rng.IntN(400)] = byte(rng.Uint32())
		case rng.IntN(2) == 0:
			s.edit(layout.QuotaIno, func(in layout.Inode) { in[rng.IntN(200)] = byte(rng.Uint32()) })
		case whole:
			p := n.Payload(rng.IntN(n.Count()))
			p[rng.IntN(len(p))] = byte(rng.Uint32())
			layout.Seal(n)
		}
	}
}

// TestRepairQuotasStirred damages accounts at random: whoever uses such an image gets errors and no more, and a repair makes accounts that are
// right.
func TestRepairQuotasStirred(t *testing.T) {
	testpart.NotRace(t)
	testpart.NotInvariants(t)
	t.Parallel()
	for _, replay := range []bool{false, true} {
		healthy := operateQuotas(t, replay)
		for seed := range uint64(60) {
			s := *healthy
			s.t, s.medium = t, bytes.Clone(healthy.medium)
			_, off := s.slot(rootUser)
			s.stir(rand.New(rand.NewPCG(seed, 8)), s.leaf(layout.QuotaIno), s.medium[off&^(layout.BlockSize-1):])
			if fs, err := mount(memoryOf(t, s.medium), Options{NoBackground: true}); err == nil {
				useStirred(t, fs)
			}
			after, r := repaired(t, s.medium)
			if reportFaults(t, r.After, nil); t.Failed() {
				t.Fatalf("seed %d, window %v", seed, replay)
			}
			fs := mountBytes(t, after)
			if list, err := fs.CheckQuotas(); err == nil && len(list) > 0 {
				t.Errorf("seed %d, window %v: %v differ", seed, replay, list)
			}
			closeFS(t, fs)
		}
	}
}

// useStirred does what may go wrong with damaged accounts. None of it may panic or hang, and files can be made.
func useStirred(t *testing.T, fs *FS) {
	t.Helper()
	a, err := fs.Create(superuser, nil, fs.Root(), []byte("new"), &CreateOptions{Attr: SetAttr{Mask: SetUID, UID: 77}})
	if err == nil {
		_, _, err = fs.Write(superuser, nil, a.Handle, make([]byte, 9000), 0)
	}
	for _, err := range []error{
		err, fs.SetQuota(QuotaUser, 9, QuotaLimits{HardFiles: 99}), fs.Quotas(0, func(Quota) bool { return true }), fs.RecountQuotas(),
	} {
		if err != nil && !errors.Is(err, ErrIO) && !errors.Is(err, ErrNotExist) && !errors.Is(err, ErrReadOnly) && !errors.Is(err, ErrQuota) && !errors.Is(err, ErrNoSpace) {
			t.Errorf("with damaged accounts: %v", err)
		}
	}
	_, err = fs.SetTreeQuota(fs.Root(), QuotaLimits{HardFiles: 9999})
	if _, serr := fs.StatfsAt(fs.Root()); serr != nil && err == nil && !errors.Is(serr, ErrIO) {
		t.Errorf("statfs: %v", serr)
	}
	if err := fs.Close(); err != nil {
		t.Logf("close: %v", err)
	}
}
