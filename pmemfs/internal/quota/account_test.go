package quota

import (
	"errors"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/volume"
	"pmemfs/pmemfs/internal/volumetest"
)

// accounts makes a volume with accounts.
func accounts(t *testing.T) (*volume.Volume, *Quotas) {
	t.Helper()
	v := volumetest.New(t, 8192)
	q, err := Create(v, media.New(v), func() int64 { return 1000 })
	if err != nil {
		t.Fatal(err)
	}
	v.Alloc.Accounts = q
	return v, q
}

// give makes a file of its own for a user, which is counted.
func give(t *testing.T, v *volume.Volume, ino uint64, uid uint32) error {
	t.Helper()
	op := v.Alloc.Begin()
	defer op.Done()
	in, err := v.Inodes.Edit(op, ino)
	if err != nil {
		t.Fatal(err)
	}
	in.SetFlags(layout.FlagCounted)
	in.SetUID(uid)
	return op.Commit()
}

// TestMemory gives a file to many users, one after the other: few of their accounts stay in memory, and each of them is right.
func TestMemory(t *testing.T) {
	v, q := accounts(t)
	ino, _ := volumetest.File(t, v)
	const users = 6000
	for uid := range uint32(users) {
		if err := give(t, v, ino, uid); err != nil {
			t.Fatal(err)
		}
		if uid%500 == 0 {
			if err := v.Journal.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := 0
	for i := range q.shards {
		n += len(q.shards[i].accounts)
	}
	if n > shardCount*shardMax+shardCount {
		t.Errorf("%d accounts are in memory", n)
	}
	found := 0
	if err := q.Each(0, func(i Info) bool {
		found++
		want := layout.Usage{}
		if i.Kind == layout.AccountGroup || i.ID == users-1 {
			want.Inodes = 1
		}
		if i.Used != want || i.Damaged {
			t.Errorf("%+v", i)
		}
		return !t.Failed()
	}); err != nil || found != users+1 {
		t.Errorf("%d accounts, %v", found, err)
	}
}

// TestPrepaid charges in advance, within limits, and flushes from that.
func TestPrepaid(t *testing.T) {
	v, q := accounts(t)
	ino, _ := volumetest.File(t, v)
	if err := q.Edit(layout.AccountUser, 5, func(a *layout.Account) { a.HardBlocks = 10 }); err != nil {
		t.Fatal(err)
	}
	if err := give(t, v, ino, 5); err != nil {
		t.Fatal(err)
	}
	in, err := v.Inodes.View(nil, ino)
	if err != nil {
		t.Fatal(err)
	}
	var p Prepaid
	if err := q.Prepay(&p, in, 6); err != nil {
		t.Fatal(err)
	}
	if err := q.Prepay(&p, in, 11); !errors.Is(err, ErrExceeded) || p.Blocks != 6 {
		t.Errorf("%v, %d blocks are prepaid", err, p.Blocks)
	}
	used := func(want int64) {
		t.Helper()
		if i, err := q.Get(layout.AccountUser, 5); err != nil || i.Used.Blocks != want {
			t.Errorf("%+v, %v, expected %d blocks", i, err, want)
		}
	}
	used(6)
	grow := func(n int64, prepaid *int64) error {
		op := v.Alloc.Begin()
		defer op.Done()
		in, err := v.Inodes.Edit(op, ino)
		if err != nil {
			t.Fatal(err)
		}
		in.AddBlocks(n)
		op.Prepaid = prepaid
		return op.Commit()
	}
	if err := grow(5, nil); !errors.Is(err, ErrExceeded) {
		t.Errorf("beyond what is prepaid: %v", err)
	}
	if err := grow(4, &p.Blocks); err != nil || p.Blocks != 2 {
		t.Errorf("%v, %d blocks are left", err, p.Blocks)
	}
	used(6)
	q.Refund(&p)
	used(4)
	if err := grow(-4, nil); err != nil {
		t.Error(err)
	}
	used(0)
}
