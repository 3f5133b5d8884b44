package media

import (
	"errors"
	"log/slog"

	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// namedError is a fault with the name of what it hit.
type namedError struct {
	object
	cause error
}

// Error names the object, the image and the offset.
func (e *namedError) Error() string { return e.name + ": " + e.cause.Error() }

// Unwrap returns the error that was, or wraps, the fault.
func (e *namedError) Unwrap() error { return e.cause }

// Report counts and logs the fault of the medium that err may be, and withdraws its block from further use where that can be
// done now. It returns the error with the name of the object. locked says that the caller holds the gate and the stripe of
// ino; else it holds no lock.
func (h *Health) Report(err error, ino uint64, locked bool) error {
	var fault *pmem.FaultError
	var lost *journal.LostError
	var named *namedError
	switch {
	case errors.As(err, &named):
		return err
	case pmem.HostReason(err) != nil:
		h.reportHost(err)
		return err
	case errors.As(err, &lost):
		return h.count(err, h.objectAt(lost.Block, ino, locked))
	case !errors.As(err, &fault):
		return err
	}
	block := layout.BlockOf(fault.Off)
	fresh := h.suspect(fault)
	if !fresh && errors.Is(err, journal.ErrFailed) {
		return err // what the journal failed of, not another fault
	}
	o := h.objectAt(block, ino, locked)
	if fresh {
		h.Say(slog.LevelError, "memory fault", "object", o.name, "block", block, "offset", fault.Off)
	}
	switch {
	case o.bits != nil:
		o.bits.Distrust(o.group)
	case o.free:
		if err := errors.Join(h.suspectAround(block), h.withdraw(block, locked)); err != nil {
			h.Say(slog.LevelWarn, "a bad block could not be taken out of the free space", "block", block, "error", err)
		}
	}
	return h.count(err, o)
}

// suspect tells the allocator of the blocks that a fault has hit. It reports whether one was not known to be bad.
func (h *Health) suspect(fault *pmem.FaultError) (fresh bool) {
	for b := layout.BlockOf(fault.Off); layout.BlockOffset(b) < fault.Off+fault.Len && b < h.Super().Blocks; b++ {
		fresh = h.Alloc.Suspect(b) || fresh
		first, n := h.Super().Sums().Covered(b)
		for i := range n {
			h.Alloc.Suspect(first + i) // what has no checksum cannot hold data
		}
	}
	return fresh
}

// reportHost counts and logs what the host could not do, unless it is what the journal has failed of. It is nobody's bad memory: no
// block is withdrawn.
func (h *Health) reportHost(err error) {
	if errors.Is(err, journal.ErrFailed) {
		return
	}
	h.host.Add(1)
	h.Say(slog.LevelError, "the host of the image fails: the call is refused, and nothing is lost", "error", err)
}

// ReportSum counts and logs file data that is not as its checksum says, if err is about that.
func (h *Health) ReportSum(err error) {
	var sum *data.SumError
	if errors.As(err, &sum) {
		h.sums.Add(1)
		h.Say(slog.LevelError, "file data is damaged", "inode", sum.Ino, "at", sum.Off, "block", sum.Block)
	}
}

// count counts an access to an object that has failed, and names it in the error.
func (h *Health) count(err error, o object) error {
	if o.data {
		h.data.Add(1)
	} else {
		h.metadata.Add(1)
	}
	return &namedError{o, err}
}

// nearby is how many blocks on either side of a bad one are probed: bad memory comes in clusters.
const nearby = 256

// suspectAround looks for bad blocks in the free space near one.
func (h *Health) suspectAround(block uint64) (err error) {
	defer h.Region.Unguard(h.Region.Guard(), &err)
	for b := max(block, nearby) - nearby; b < min(block+nearby, h.Super().Blocks); b++ {
		if free, err := h.Alloc.Blocks.Free(b); err == nil && free && h.Alloc.Faults(b) {
			h.Alloc.Suspect(b)
		}
	}
	return nil
}

// withdraw moves a bad block from the free space to the list of bad blocks. Durable on return.
func (h *Health) withdraw(block uint64, locked bool) (err error) {
	defer h.Region.Unguard(h.Region.Guard(), &err)
	if !locked {
		g, err := h.Enter(block)
		if err != nil {
			return err
		}
		defer g.RUnlock()
	}
	if err := h.Journal.Err(); err != nil {
		return err
	}
	op := h.Alloc.Begin()
	defer op.Done()
	op.Frees = true // the reserve is for keeping the filesystem in order
	ok, err := op.Withdraw(block)
	if err != nil || !ok {
		return err
	}
	return op.Commit()
}

// RetryWrite reports a write's error, whose gate and stripe the caller holds, and names the object in it. It returns true when a retry
// may end better: the memory of a data block of the file has faulted, or of one that was to become one, and is avoided from now on.
func (h *Health) RetryWrite(errp *error, ino uint64) bool {
	*errp = h.Report(*errp, ino, true)
	var named *namedError
	return errors.As(*errp, &named) && (named.data || named.free)
}

// RetryElsewhere looks at the error of an attempt that has changed nothing. The caller holds the gate and no stripe. It returns true
// when memory in the free space has faulted, and reports that: a retry will use other blocks.
func (h *Health) RetryElsewhere(err error) bool {
	var fault *pmem.FaultError
	if !errors.As(err, &fault) || fault.Host != nil || h.Journal.Err() != nil {
		return false
	}
	var o object
	if h.nameFree(&o, layout.BlockOf(fault.Off)) != nil || !o.free {
		return false
	}
	_ = h.Report(err, 0, true) // only its name is in what it returns
	return true
}
