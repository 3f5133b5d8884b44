package alloc_test

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/alloctest"
)

// take allocates a run in an operation of its own.
func take(m *alloctest.Medium, goal, want uint64, large bool) (r alloc.Run, err error) {
	err = m.Try(func(op *alloc.Op) (err error) {
		r, err = op.AllocBlocks(goal, want, large)
		return err
	})
	return r, err
}

func give(m *alloctest.Medium, r alloc.Run) error {
	return m.Try(func(op *alloc.Op) error { return op.FreeBlocks(r.Start, r.Len) })
}
