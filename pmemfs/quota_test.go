package pmemfs

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

var quotaUser = &Cred{UID: 7, GID: 8}

// used asserts what an account has used.
func (b *bench) used(kind QuotaKind, id uint32, bytes, files uint64) {
	b.t.Helper()
	q, err := b.QuotaOf(kind, id)
	if errors.Is(err, ErrNotExist) && bytes == 0 && files == 0 {
		return
	}
	b.must(err)
	if q.UsedBytes != bytes || q.UsedFiles != files {
		b.t.Errorf("account %d %d has used %d bytes and %d files, expected %d and %d", kind, id, q.UsedBytes, q.UsedFiles, bytes, files)
	}
}

// shared makes a directory that everybody may write to.
func (b *bench) shared(dir Handle, name string) Handle {
	b.t.Helper()
	a, err := b.Mkdir(superuser, nil, dir, []byte(name), &SetAttr{Mask: SetMode, Mode: 0o777})
	b.must(err)
	return a.Handle
}

// makeAs makes a file.
func (b *bench) makeAs(c *Cred, dir Handle, name string) (Handle, error) {
	a, err := b.Create(c, nil, dir, []byte(name), &CreateOptions{Mode: Guarded, Attr: SetAttr{Mask: SetMode, Mode: 0o666}})
	return a.Handle, err
}

func (b *bench) writeAs(c *Cred, h Handle, n int, off uint64) error {
	_, _, err := b.Write(c, nil, h, make([]byte, n), off)
	return err
}

// TestQuotaUser charges a user for what there is and for what it makes, and refuses what is more than it may have.
func TestQuotaUser(t *testing.T) {
	b := newBench(t, 16<<20)
	before := b.create(b.root, "before")
	b.write(before, 10_000, 0)
	_, err := b.Setattr(superuser, nil, before, &SetAttr{Mask: SetUID, UID: 7})
	b.must(err)
	b.must(b.SetQuota(QuotaUser, 7, QuotaLimits{HardBytes: 40 << 10, HardFiles: 3}))
	b.used(QuotaUser, 7, 12<<10, 1)
	d := b.shared(b.root, "d")
	f, err := b.makeAs(quotaUser, d, "f")
	b.must(err)
	b.used(QuotaUser, 7, 12<<10, 2)
	b.used(QuotaGroup, 8, 0, 1)
	b.must(b.writeAs(quotaUser, f, 28<<10, 0))
	b.used(QuotaUser, 7, 40<<10, 2)
	b.want("a byte beyond the limit", b.writeAs(quotaUser, f, 1, 28<<10), ErrQuota)
	b.want("the same by root", b.writeAs(superuser, f, 1, 28<<10), ErrQuota)
	b.must(b.writeAs(quotaUser, f, 28<<10, 0))
	b.want("a large write beyond it", b.writeAs(quotaUser, f, 64<<10, 0), ErrQuota)
	b.used(QuotaUser, 7, 40<<10, 2)
	b.must(b.Unlink(superuser, nil, b.root, []byte("before")))
	b.used(QuotaUser, 7, 28<<10, 1)
	b.must(b.writeAs(quotaUser, f, 1, 28<<10))
	for _, name := range []string{"g", "h"} {
		_, err := b.makeAs(quotaUser, d, name)
		b.must(err)
	}
	_, err = b.makeAs(quotaUser, d, "i")
	b.want("a fourth file", err, ErrQuota)
	b.used(QuotaGroup, 8, 32<<10, 3)
	b.must(b.ClearQuota(QuotaUser, 7))
	_, err = b.makeAs(quotaUser, d, "i")
	b.must(err)
}

// TestQuotaOwner moves what a file takes when it gets another owner.
func TestQuotaOwner(t *testing.T) {
	b := newBench(t, 16<<20)
	b.must(b.SetQuota(QuotaUser, 9, QuotaLimits{HardBytes: 8 << 10}))
	f := b.create(b.root, "f")
	b.write(f, 12<<10, 0)
	_, err := b.Setattr(superuser, nil, f, &SetAttr{Mask: SetUID | SetGID, UID: 9, GID: 9})
	b.want("more than the new owner may have", err, ErrQuota)
	_, err = b.Setattr(superuser, nil, f, &SetAttr{Mask: SetSize | SetUID | SetGID, Size: 8 << 10, UID: 9, GID: 9})
	b.must(err)
	b.used(QuotaUser, 9, 8<<10, 1)
	b.used(QuotaGroup, 9, 8<<10, 1)
	_, err = b.Setattr(superuser, nil, f, &SetAttr{Mask: SetUID, UID: 10})
	b.must(err)
	b.used(QuotaUser, 9, 0, 0)
	b.used(QuotaUser, 10, 8<<10, 1)
	b.used(QuotaGroup, 9, 8<<10, 1)
}

// TestQuotaTree gives a directory tree its account, keeps names from crossing its border, and takes the account away.
func TestQuotaTree(t *testing.T) {
	b := newBench(t, 16<<20)
	d := b.shared(b.root, "d")
	sub := b.mkdir(d, "sub")
	inner := b.mkdir(sub, "inner")
	b.write(b.create(inner, "f"), 5000, 0)
	for i := range 100 {
		b.create(sub, fmt.Sprintf("n%d", i))
	}
	out := b.create(b.root, "out")
	id, err := b.SetTreeQuota(d, QuotaLimits{HardBytes: 1 << 20, HardFiles: 110})
	b.must(err)
	q, err := b.QuotaOf(QuotaProject, id)
	b.must(err)
	if q.UsedFiles != 104 || q.Converting || q.Dir != d {
		t.Errorf("the account is %+v", q)
	}
	b.want("a rename into the tree", b.Rename(superuser, nil, b.root, []byte("out"), d, []byte("in"), 0), ErrCrossesQuota)
	b.want("a rename out of it", b.Rename(superuser, nil, sub, []byte("n1"), b.root, []byte("n1"), 0), ErrCrossesQuota)
	_, err = b.Link(superuser, nil, out, d, []byte("in"))
	b.want("a link into it", err, ErrCrossesQuota)
	b.must(b.Rename(superuser, nil, sub, []byte("n1"), inner, []byte("n1"), 0))
	b.must(b.Rename(superuser, nil, b.root, []byte("d"), b.root, []byte("e"), 0))
	for i := range 6 {
		b.create(inner, fmt.Sprintf("m%d", i))
	}
	_, err = b.makeAs(superuser, inner, "more")
	b.want("a file too many", err, ErrQuota)

	innerID, err := b.SetTreeQuota(inner, QuotaLimits{HardFiles: 20})
	b.must(err)
	b.used(QuotaProject, innerID, 3*4096, 9)
	s, err := b.StatfsAt(inner)
	b.must(err)
	if s.TotalFiles != 20 || s.FreeFiles != 11 {
		t.Errorf("statfs says %+v", s)
	}
	if s, err = b.StatfsAt(d); err != nil || s.TotalBytes != 1<<20 || s.TotalBytes-s.FreeBytes != usedBytes(b, id) {
		t.Errorf("statfs says %+v, %v", s, err)
	}
	b.must(b.RemoveTreeQuota(id))
	b.used(QuotaProject, id, 0, 0)
	b.used(QuotaProject, innerID, 3*4096, 9)
	b.must(b.RemoveTreeQuota(innerID))
	b.used(QuotaProject, innerID, 0, 0)
	b.must(b.Rename(superuser, nil, b.root, []byte("out"), inner, []byte("in"), 0))
	if again, err := b.SetTreeQuota(inner, QuotaLimits{}); err != nil || again != id {
		t.Errorf("account %d, %v, expected %d again", again, err, id)
	}
}

func usedBytes(b *bench, id uint32) uint64 {
	q, err := b.QuotaOf(QuotaProject, id)
	b.must(err)
	return q.UsedBytes
}

// TestQuotaCrash finds accounts as they were acknowledged, after power cuts with and without checkpoints.
func TestQuotaCrash(t *testing.T) {
	fs := memFS(t, 16<<20)
	b := &bench{FS: fs, t: t, root: fs.Root()}
	b.must(b.SetQuota(QuotaUser, 7, QuotaLimits{HardBytes: 1 << 20}))
	sure := shadowMedium(fs)
	d := b.shared(b.root, "d")
	for i := range 100 {
		f, err := b.makeAs(&Cred{UID: uint32(7 + i%70), GID: 8}, d, fmt.Sprintf("f%d", i))
		b.must(err)
		b.must(b.writeAs(superuser, f, 5000, 0))
		if i%30 == 7 {
			b.must(b.SyncAll())
		}
		if i%25 == 3 {
			checkMedium(t, sure)
			again := &bench{FS: mountBytes(t, sure), t: t}
			again.used(QuotaGroup, 8, uint64(i+1)*8192, uint64(i+1))
			checkFS(t, again.FS)
			closeFS(t, again.FS)
		}
	}
	b.used(QuotaGroup, 8, 100*8192, 100)
	b.used(QuotaUser, 7, 2*8192, 2)
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestQuotaConcurrent has 16 writers at a limit: what they are told that they have is what there is, and never more than they may.
func TestQuotaConcurrent(t *testing.T) {
	b := newBench(t, 64<<20)
	const limit = 100
	b.must(b.SetQuota(QuotaUser, 7, QuotaLimits{HardBytes: limit << layout.BlockShift}))
	d := b.shared(b.root, "d")
	var wg sync.WaitGroup
	var over atomic.Int64
	for i := range 16 {
		f, err := b.makeAs(quotaUser, d, fmt.Sprint(i))
		b.must(err)
		wg.Go(func() {
			for n := range 200 {
				err := b.writeAs(quotaUser, f, layout.BlockSize, uint64(n%40)<<layout.BlockShift)
				if err != nil && !errors.Is(err, ErrQuota) {
					t.Error(err)
				}
				if q, err := b.QuotaOf(QuotaUser, 7); err != nil || q.UsedBytes > limit<<layout.BlockShift {
					over.Add(1)
				}
				if n%50 == 49 {
					_, err := b.Setattr(quotaUser, nil, f, &SetAttr{Mask: SetSize})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 3 {
		if list, err := b.CheckQuotas(); err != nil || len(list) > 0 {
			t.Errorf("beside the writers %v differ, %v", list, err)
		}
	}
	wg.Wait()
	if n := over.Load(); n > 0 {
		t.Errorf("%d times there was more than may be", n)
	}
}

// TestRecountBesideCount asks for all files to be counted anew while they are being counted: the count that ends does not say that it is done.
func TestRecountBesideCount(t *testing.T) {
	b := newBench(t, 16<<20)
	b.must(b.SetQuota(QuotaUser, 7, QuotaLimits{HardBytes: 1 << 20}))
	b.must(b.quotas.SetState(func(s *layout.QuotaState) { s.Walk = layout.WalkClears }))
	b.must(b.endCount())
	if walk := b.quotas.State().Walk; walk != layout.WalkClears {
		t.Fatalf("the walk is %d", walk)
	}
	b.must(b.countInodes())
	if list, err := b.CheckQuotas(); err != nil || len(list) > 0 {
		t.Errorf("%v differ, %v", list, err)
	}
}

// TestQuotaUnstable counts what is in memory alone.
func TestQuotaUnstable(t *testing.T) {
	fs := lazyFS(t, 16<<20)
	b := &bench{FS: fs, t: t, root: fs.Root()}
	f := b.create(b.root, "f")
	g := b.create(b.root, "g")
	writeUnstable(t, fs, g, make([]byte, 4096), 0)
	for _, h := range []Handle{f, g} {
		_, err := b.Setattr(superuser, nil, h, &SetAttr{Mask: SetUID | SetGID, UID: 7, GID: 8})
		b.must(err)
	}
	b.must(b.SetQuota(QuotaUser, 7, QuotaLimits{HardBytes: 40 << 10}))
	b.used(QuotaUser, 7, 4096, 2)
	writeUnstable(t, fs, f, make([]byte, 8192), 0)
	b.used(QuotaUser, 7, 12<<10, 2)
	writeUnstable(t, fs, f, make([]byte, 8192), 4096)
	b.used(QuotaUser, 7, 16<<10, 2)
	for i := uint64(0); ; i++ {
		_, _, _, err := b.WriteUnstable(superuser, nil, f, make([]byte, 100), 20<<10+i<<13)
		if err != nil {
			b.want("beyond the limit", err, ErrQuota)
			break
		}
		if q, err := b.QuotaOf(QuotaUser, 7); err != nil || q.UsedBytes > 40<<10 {
			t.Fatalf("%+v, %v", q, err)
		}
	}
	b.must(b.Commit(nil, f, 0, 0))
	q, err := b.QuotaOf(QuotaUser, 7)
	b.must(err)
	if q.UsedBytes > 40<<10 || q.UsedBytes < 32<<10 {
		t.Errorf("%d bytes are used", q.UsedBytes)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestQuotaSoft lets a soft limit be exceeded until its time is over, also behind a restart.
func TestQuotaSoft(t *testing.T) {
	at := int64(1_000_000_000_000)
	defer func(f func() int64) { clock = f }(clock)
	clock = func() int64 { return at }
	fs := memFS(t, 16<<20)
	b := &bench{FS: fs, t: t, root: fs.Root()}
	b.must(b.SetQuotaGrace(QuotaUser, QuotaGrace{Bytes: time.Hour, Files: time.Minute}))
	b.must(b.SetQuota(QuotaUser, 7, QuotaLimits{SoftBytes: 8 << 10, HardBytes: 40 << 10, SoftFiles: 1}))
	d := b.shared(b.root, "d")
	f, err := b.makeAs(quotaUser, d, "f")
	b.must(err)
	b.must(b.writeAs(quotaUser, f, 12<<10, 0))
	q, err := b.QuotaOf(QuotaUser, 7)
	b.must(err)
	if q.BytesDeadline != at+int64(time.Hour) || q.FilesDeadline != 0 {
		t.Errorf("the deadlines are %+v", q)
	}
	at += int64(30 * time.Minute)
	b = &bench{FS: mountBytes(t, fs.region.Bytes()), t: t, root: fs.Root()}
	b.must(b.writeAs(quotaUser, f, 16<<10, 0))
	at += int64(30 * time.Minute)
	b.want("behind the deadline", b.writeAs(quotaUser, f, 20<<10, 0), ErrQuota)
	b.must(b.writeAs(quotaUser, f, 16<<10, 0))
	_, err = b.Setattr(quotaUser, nil, f, &SetAttr{Mask: SetSize, Size: 4096})
	b.must(err)
	b.must(b.writeAs(quotaUser, f, 12<<10, 0))
	b.want("beyond the hard limit", b.writeAs(quotaUser, f, 64<<10, 0), ErrQuota)
	if q, err = b.QuotaOf(QuotaUser, 7); err != nil || q.BytesDeadline != at+int64(time.Hour) {
		t.Errorf("the deadlines are %+v, %v", q, err)
	}
	_, err = b.makeAs(quotaUser, d, "g")
	b.must(err)
	at += int64(2 * time.Minute)
	_, err = b.makeAs(quotaUser, d, "h")
	b.want("a file behind the deadline", err, ErrQuota)
	checkFS(t, b.FS)
	closeFS(t, b.FS)
	closeFS(t, fs)
}

// TestQuotaRecount counts all files anew.
func TestQuotaRecount(t *testing.T) {
	b := newBench(t, 16<<20)
	d := b.shared(b.root, "d")
	_, err := b.SetTreeQuota(d, QuotaLimits{})
	b.must(err)
	for i := range 100 {
		f, err := b.makeAs(&Cred{UID: uint32(100 + i), GID: 8}, d, fmt.Sprint(i))
		b.must(err)
		b.must(b.writeAs(superuser, f, 5000, 0))
	}
	b.must(b.RecountQuotas())
	b.used(QuotaGroup, 8, 100*8192, 100)
	b.used(QuotaUser, 142, 8192, 1)
	b.used(QuotaProject, 1, 100*8192+usedBy(b, d), 101)
}

func usedBy(b *bench, h Handle) uint64 {
	a, err := b.Getattr(nil, h)
	b.must(err)
	return a.Used
}

// TestQuotaFences counts the fences of accounts: operations take as many as without, and their records are longer by what they change of
// accounts.
func TestQuotaFences(t *testing.T) {
	testpart.NotRace(t)
	t.Run("operations", func(t *testing.T) {
		testFencesOn(t, false, func(f *fixture) {
			for _, id := range []uint32{1, 3, 5, 10, 77, 100, 1000} { // owners that some operations name
				must(t, f.fs.SetQuota(QuotaUser, id, QuotaLimits{HardBytes: 1 << 30}))
				must(t, f.fs.SetQuota(QuotaGroup, id, QuotaLimits{HardBytes: 1 << 30}))
			}
			_, err := f.fs.SetTreeQuota(f.root, QuotaLimits{HardBytes: 1 << 30})
			must(t, err)
			must(t, f.fs.SyncAll())
		})
	})
	f := newFixture(t, false)
	count := func(what string, want uint64, call func() error) {
		t.Helper()
		if got := f.fences(call); got != want {
			t.Errorf("%s takes %d fences, expected %d", what, got, want)
		}
	}
	must(t, f.fs.EnableQuotas())
	count("a quota of a user without an account", 2, func() error { return f.fs.SetQuota(QuotaUser, 7, QuotaLimits{SoftBytes: 4096}) })
	count("another quota", 1, func() error { return f.fs.SetQuota(QuotaUser, 7, QuotaLimits{SoftBytes: 8192}) })
	count("a quota taken away", 1, func() error { return f.fs.ClearQuota(QuotaUser, 7) })
	count("a grace time", 1, func() error { return f.fs.SetQuotaGrace(QuotaUser, QuotaGrace{Bytes: time.Hour}) })
	must(t, f.fs.SetQuota(QuotaUser, 7, QuotaLimits{SoftBytes: 4096}))
	give := func(uid uint32) func() error {
		return func() error {
			_, err := f.fs.Setattr(superuser, nil, f.file, &SetAttr{Mask: SetUID, UID: uid})
			return err
		}
	}
	count("a file for who has an account", 1, give(7))
	count("a file for who has none", 2, give(8))
	count("the same again", 1, give(7))
	count("a write beyond a soft limit", 2, func() error { _, _, err := f.fs.Write(superuser, nil, f.file, make([]byte, 100), 8000); return err })
	count("the next one", 1, func() error { _, _, err := f.fs.Write(superuser, nil, f.file, make([]byte, 100), 80_000); return err })
	most := uint64(0)
	for i := range uint32(80) {
		most = max(most, f.fences(give(100+i)))
	}
	if most != 3 {
		t.Errorf("a file for who has no account takes %d fences at most, expected 3", most)
	}
	checkFS(t, f.fs)
	closeFS(t, f.fs)

	f = newFixture(t, false)
	for i := range 120 {
		_, err := f.fs.Create(superuser, nil, f.tree, fmt.Append(nil, i), &CreateOptions{})
		must(t, err)
	}
	// Superblocks and inode, the accounts of user 0 and group 0 with their slots, 127 inodes from 16 on, the end.
	count("accounting for 127 files", 3+3+4+1, f.fs.EnableQuotas)
	// The account, its limits, what was replaced; the directory, what is in it; the end.
	count("a tree of 120 files", 3+1+4+1-1, func() error { _, err := f.fs.SetTreeQuota(f.tree, QuotaLimits{HardFiles: 500}); return err })
	checkFS(t, f.fs)
	closeFS(t, f.fs)
}

// TestQuotaCheck finds accounts that say something else than files.
func TestQuotaCheck(t *testing.T) {
	s := operateQuotas(t, false)
	slot, _ := s.slot(rootUser)
	for i := range 2 {
		layout.EncodeAccountCopy(slot[i*layout.AccountCopySize:], 0, layout.Usage{Blocks: 5, Inodes: 1})
	}
	s.account(layout.AccountKey(layout.AccountGroup, 0), func(n layout.Node, i int) { n.Delete(i) })
	fs := mountBytes(t, s.medium)
	list, err := fs.CheckQuotas()
	must(t, err)
	if len(list) != 2 || list[0].Kind != QuotaUser || list[0].TakenFiles < 600 || list[0].UsedFiles > 1 || list[1].Kind != QuotaGroup || list[1].TakenFiles < 600 {
		t.Errorf("%+v", list)
	}
	must(t, fs.region.Close())
}

// TestQuotaRollback takes files back to before the first quota, and to before a tree had one: accounts follow.
func TestQuotaRollback(t *testing.T) {
	b := newBench(t, 32<<20)
	d := b.shared(b.root, "d")
	for i := range 50 {
		b.write(b.create(d, fmt.Sprint(i)), 5000, 0)
	}
	_, err := b.CreateSnapshot("before", "")
	b.must(err)
	id, err := b.SetTreeQuota(d, QuotaLimits{HardFiles: 60})
	b.must(err)
	for i := range 40 {
		b.must(b.Unlink(superuser, nil, d, fmt.Append(nil, i)))
	}
	b.used(QuotaProject, id, 10*8192+usedBy(b, d), 11)
	f, err := b.makeAs(quotaUser, d, "mine")
	b.must(err)
	b.must(b.writeAs(superuser, f, 9000, 0))
	b.used(QuotaUser, 7, 12<<10, 1)
	_, err = b.CreateSnapshot("within", "")
	b.must(err)
	b.must(b.RemoveTreeQuota(id))
	b.must(b.RollbackSnapshot("within", false))
	b.used(QuotaProject, id, 0, 0)
	b.used(QuotaUser, 7, 12<<10, 1)
	id, err = b.SetTreeQuota(d, QuotaLimits{HardFiles: 55})
	b.must(err)
	b.must(b.RollbackSnapshot("before", true))
	b.used(QuotaUser, 7, 0, 0)
	b.used(QuotaProject, id, 50*8192+usedBy(b, d), 51)
	for i := range 4 {
		b.create(d, fmt.Sprint("new", i))
	}
	_, err = b.makeAs(superuser, d, "more")
	b.want("a file too many", err, ErrQuota)
	if list, err := b.CheckQuotas(); err != nil || len(list) > 0 {
		t.Errorf("%v differ, %v", list, err)
	}
}
