package check

import "pmemfs/pmemfs/internal/layout"

// Image is what a check reads. Bytes must not change meanwhile.
type Image struct {
	Bytes []byte
	// Probe reads all of a block of Bytes under guard and says why it cannot be read; nil when Bytes cannot fault. It is
	// asked once for each block that is looked at.
	Probe func(block uint64) error
	// Changed has blocks of layout.BlockSize bytes that are to be taken in place of those in Bytes; nil for none.
	Changed map[uint64][]byte
	// Data says that all file data is to be read as well and compared with its checksums, where the image has them.
	Data bool
}

// zeroBlock stands for a block that cannot be read.
var zeroBlock [layout.BlockSize]byte

// raw returns a block as it is on the medium, before the window. What cannot be read is reported once and is zeros; no
// other fault within it is reported.
func (c *checker) raw(b uint64) []byte {
	if p, ok := c.image.Changed[b]; ok {
		return p
	}
	off := layout.BlockOffset(b)
	if !c.readable(b) {
		if !c.told[b] {
			c.told[b] = true
			c.fault(Unreadable, off, "memory", "readable", c.unreadable[b].Error())
		}
		return zeroBlock[:]
	}
	return c.image.Bytes[off : off+layout.BlockSize : off+layout.BlockSize]
}

// readable reports whether a block of the medium can be read.
func (c *checker) readable(b uint64) bool {
	if c.image.Probe != nil && !c.probed.has(b) {
		c.probed.set(b)
		if err := c.image.Probe(b); err != nil {
			c.unreadable[b] = err
		}
	}
	return c.unreadable[b] == nil
}

// hidden reports whether an offset lies in a block that was found unreadable, which is the one fault of that block.
func (c *checker) hidden(off int64) bool { return c.told[layout.BlockOf(off)] }

// ring returns the journal ring. It is the medium's own unless a part of it cannot be read or is replaced.
func (c *checker) ring() []byte {
	off := c.sb.RingOffset()
	for i := range c.sb.RingBlocks {
		if b := c.raw(layout.JournalRing + i); &b[0] != &c.image.Bytes[off+layout.BlockOffset(i)] {
			return c.readableRing()
		}
	}
	return c.image.Bytes[off : off+c.sb.RingBytes()]
}

// readableRing copies what of the ring can be read.
func (c *checker) readableRing() []byte {
	ring := make([]byte, c.sb.RingBytes())
	for i := range c.sb.RingBlocks {
		copy(ring[layout.BlockOffset(i):], c.raw(layout.JournalRing+i))
	}
	return ring
}
