package pmemfs

import (
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
)

// Direct is where a ReadTo sends. It may be used again, by one call at a time.
type Direct struct {
	// Send is given the data in pieces, where it lies on the medium, and whether it ends at the end of the file. It must not store to
	// them, keep them, or wait for anything: changes of the file wait meanwhile. It is called at most once. Memory that faults in it ends it,
	// and is ReadTo's error.
	Send func(parts [][]byte, n int, eof bool)

	parts [][]byte
}

// directParts is the most pieces that Send is given.
const directParts = 64

// ReadTo is Read of up to n bytes without a copy. It returns false, without an error, when this file cannot be read so: its data has checksums to be
// verified, is in too many pieces, or is kept elsewhere. Nothing has been sent then. Permissions are those of Read; it allocates
// nothing, costs no fence, and waits as Read does.
func (fs *FS) ReadTo(c *Cred, h Handle, n int, off uint64, d *Direct) (sent bool, err error) {
	if d.parts == nil {
		d.parts = make([][]byte, 0, directParts)
	}
	err = fs.view(c.call(), h, func(in layout.Inode) error {
		if err := vetRegular(in); err != nil {
			return err
		}
		if err := fs.allowData(c, in, AccessRead); err != nil {
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
		sent = true
		d.Send(parts, n, off+uint64(n) == size)
		return nil
	})
	clear(d.parts[:cap(d.parts)])
	return sent, err
}
