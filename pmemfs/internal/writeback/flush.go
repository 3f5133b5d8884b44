package writeback

import (
	"errors"
	"slices"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/media"
)

// Flush makes the dirty data of an inode durable. Its stripe is held exclusively. The error says that some of it is lost; the verifier
// has changed then. Fences as for a Write of each run, small ones in one record together.
func (b *Buffers) Flush(ino uint64) error {
	if b.Of(ino) == nil {
		return nil
	}
	f := b.take(ino)
	defer b.v.Alloc.AddReservation(-f.reserved)
	defer b.Quotas.Refund(&f.paid)
	for retries := 0; len(f.runs) > 0; {
		err := b.flushStep(f, false)
		if errors.Is(err, alloc.ErrNoSpace) {
			err = b.flushStep(f, true)
		}
		if errors.Is(err, inode.ErrStale) {
			return nil // the file is gone, and its data with it
		}
		if err != nil {
			if retries++; retries <= media.RetriesMax && b.health.RetryWrite(&err, ino) {
				continue
			}
			b.Lost()
			return err
		}
	}
	return nil
}

// batchMax bounds the record of small runs, in bytes.
const batchMax = 64 << 10

// flushStep is one record: a large run or as much of it as a record can map, or small ones as long as they have blocks of
// their own, since an operation changes a block at most once. What cannot be flushed is lost, so in need it may use the
// emergency reserve.
func (b *Buffers) flushStep(f *Buffer, need bool) (err error) {
	defer b.v.Region.Unguard(b.v.Region.Guard(), &err)
	if _, err := b.v.Inodes.Get(nil, f.ino, f.gen); err != nil {
		return err
	}
	op := b.v.Alloc.Begin()
	defer op.Done()
	op.Reservation, op.Frees, op.Prepaid = f.reserved, need, &f.paid.Blocks
	in, err := b.v.Inodes.Shadow(op, f.ino)
	if err != nil {
		return err
	}
	done, rest := 0, run{}
	for i := range f.runs {
		r := &f.runs[i]
		if i > 0 && (len(r.p) > data.SmallMax || op.Tx.Size() > batchMax || f.runs[i-1].sharesBlock(r)) {
			break
		}
		n, err := data.Write(op, in, r.p, r.off)
		if err != nil {
			return err
		}
		in.SetSize(max(in.Size(), r.off+uint64(n)))
		if done = i + 1; n < len(r.p) {
			rest = run{r.off + uint64(n), r.p[n:]}
		}
		if len(r.p) > data.SmallMax {
			break
		}
	}
	if f.writes > 0 {
		f.stamp(in)
	}
	if err := op.Commit(); err != nil {
		return err
	}
	f.writes = 0
	if f.runs = f.runs[done:]; len(rest.p) > 0 {
		f.runs = slices.Insert(slices.Clone(f.runs), 0, rest)
	}
	return nil
}
