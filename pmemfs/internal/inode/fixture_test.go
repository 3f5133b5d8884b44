package inode_test

import (
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
)

func open(t testing.TB, blocks uint64) (*alloctest.Medium, *inode.Table) {
	t.Helper()
	m := alloctest.New(t, blocks, false)
	table, err := inode.Open(m.A, alloctest.Boot)
	if err != nil {
		t.Fatal(err)
	}
	m.A.Inodes = alloc.NewBits(m.J, layout.KindInodes, m.A.Inodes.Limit(), uint64(m.A.Inodes.Avail()), table.GroupBitmap)
	return m, table
}

// create makes n inodes in one operation.
func create(m *alloctest.Medium, table *inode.Table, n int) (ids []identity, err error) {
	err = m.Try(func(op *alloc.Op) error {
		for range n {
			ino, err := table.Reserve(op)
			if err != nil {
				return err
			}
			in, err := table.New(op, ino)
			if err != nil {
				return err
			}
			in.SetMode(layout.ModeRegular)
			in.SetNlink(1)
			ids = append(ids, identity{in.Ino(), in.Gen()})
		}
		return nil
	})
	return ids, err
}

type identity struct{ ino, gen uint64 }
