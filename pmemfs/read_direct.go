package pmemfs

import (
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// Direct is where a ReadTo sends. It may be used again, by one call at a time.
type Direct struct {
	// Send is given the data in pieces, where it lies on the medium, and whether it ends at the end of the file. It must not store to
	// them, keep them, or wait for anything: changes of the file wait meanwhile. It is called at most once. Memory that faults in it ends it,
	// and is ReadTo's error.
	Send func(parts [][]byte, n int, eof bool)
	// Prefault makes ReadTo load from all of the data's memory first, so that what is known to be bad, or is found to be, is an error before
	// anything is sent. Only what goes bad in between is met in Send.
	Prefault bool

	parts [][]byte
}

// directParts is the most pieces that Send is given.
const directParts = 64

// ReadTo is Read of up to n bytes without a copy. It returns false, without an error, when this file cannot be read so: its data has checksums to be
// verified, is in too many pieces, or lies elsewhere. Nothing has been sent then. Permissions are those of Read; it allocates
// nothing, costs no fence, and waits as Read does.
//
// Errors: those of Read.
func (fs *FS) ReadTo(c *Cred, call *Call, h Handle, n int, off uint64, d *Direct) (sent bool, err error) {
	if d.parts == nil {
		d.parts = make([][]byte, 0, directParts)
	}
	err = fs.view(call, h, func(in layout.Inode) error {
		if err := vetRegular(in); err != nil {
			return err
		}
		if err := fs.allowData(c, call, in, AccessRead); err != nil {
			return err
		}
		size := in.Size()
		if off >= size {
			sent = true
			d.Send(nil, 0, true)
			return nil
		}
		n := int(min(uint64(n), size-off))
		parts, ok, err := data.Parts(fs.j, in, d.parts[:0], n, off)
		if err != nil || !ok {
			return err
		}
		if d.Prefault {
			fs.prefault(parts)
		}
		sent = true
		d.Send(parts, n, off+uint64(n) == size)
		return nil
	})
	clear(d.parts[:cap(d.parts)])
	return sent, err
}

// prefault loads from memory that is about to be sent. Where a page is lost, it is lost as a whole; bad memory is noticed by the line.
func (fs *FS) prefault(parts [][]byte) {
	step := int(layout.BlockSize)
	if d := fs.region.Domain(); d == pmem.CacheFlush || d == pmem.EADR {
		step = int(pmem.LineSize)
	}
	for _, p := range parts {
		load(p, step)
	}
}

// load loads the first byte and the last, and one in each step between.
//
//go:noinline
func load(p []byte, step int) (sum byte) {
	for i := 0; i < len(p); i += step {
		sum ^= p[i]
	}
	if len(p) > 0 {
		sum ^= p[len(p)-1]
	}
	return sum
}
