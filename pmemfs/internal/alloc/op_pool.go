package alloc

import "sync"

var opPool = sync.Pool{New: func() any { return &Op{slot: nextSlot.Add(1)} }}

// recycle empties op. An Op whose Tx is nil is over; it goes back to the pool only through Done.
func (op *Op) recycle() {
	op.reserved, op.freed, op.own = op.reserved[:0], op.freed[:0], op.own[:0]
	op.inodes, op.gone = op.inodes[:0], op.gone[:0]
	op.retired, op.Frees, op.Reservation, op.Trims = op.retired[:0], false, 0, false
	op.kept = op.kept[:0]
	op.Uncapped, op.Prepaid, op.retiring = false, nil, false
	op.release()
	if op.inside {
		op.inside = false
		op.a.pausing.end(op.slot)
	}
}

// Done aborts op if it has not been committed and returns it to the pool. The usual form is `defer op.Done()`.
func (op *Op) Done() {
	op.Abort()
	op.recycle()
	op.a = nil
	opPool.Put(op)
}
