package check

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// extents is the walk of a file's extent map.
type extents struct {
	c   *checker
	in  layout.Inode
	ino uint64
	off int64
	// each is called with each extent that lies within the image, in order. at is where it is kept; fresh means that
	// nobody else owns its blocks.
	each   func(e layout.Extent, at int64, fresh bool)
	end    uint64 // first file block after what came so far
	blocks uint64
	broken bool // some extents could not be read
}

// walk visits all extents and returns how many blocks the map and its data take.
func (m *extents) walk() uint64 {
	root, height := m.in.DataRoot()
	if height == 0 {
		for i := range m.in.InlineCount() {
			m.visit(m.in.InlineExtent(i), m.off, m.in.BirthEpoch())
		}
		return m.blocks
	}
	t := tree{c: m.c, kind: layout.TreeExtent, ino: m.ino, part: ownsNode, birth: m.in.BirthEpoch()}
	t.leaf = func(n layout.Node, off int64) {
		for i := range n.Count() {
			p := n.Payload(i)
			if len(p) != layout.ExtentPayload {
				m.broken = true
				m.c.fault(ExtentRecord, off, m.name(n.Key(i)), fmt.Sprintf("a record of %d bytes", layout.ExtentPayload), fmt.Sprint(len(p)))
				continue
			}
			m.visit(layout.DecodeExtent(n.Key(i), p), off, n.Birth())
		}
	}
	t.walk(root, height, m.off)
	m.broken = m.broken || t.broken
	return m.blocks + t.finish()
}

func (m *extents) name(logical uint64) string {
	return fmt.Sprintf("extent at file block %d of inode %d", logical, m.ino)
}

// visit checks an extent. birth is the birth epoch of what it lies in.
func (m *extents) visit(e layout.Extent, at int64, birth uint64) {
	c := m.c
	bad := func(class Class, expected, found string) { c.fault(class, at, m.name(e.Logical), expected, found) }
	last := e.Phys + uint64(e.Len) - 1
	if e.Len == 0 || e.Len > layout.ExtentMaxLen || e.Phys == 0 || e.Phys >= c.sb.Blocks || last >= c.sb.Blocks ||
		e.Phys/layout.GroupBlocks != last/layout.GroupBlocks {
		m.broken = true
		bad(ExtentLocation, "blocks within one block group of the image", fmt.Sprintf("%d blocks at %d", e.Len, e.Phys))
		return
	}
	if e.Flags&^layout.ExtentUnwritten != 0 {
		bad(ExtentFlags, fmt.Sprintf("no flags but %#x", layout.ExtentUnwritten), fmt.Sprintf("flags %#x", e.Flags))
	}
	c.vetBirth(m.ino, e.Birth, birth, ExtentBirth, at, func() string { return m.name(e.Logical) })
	switch {
	case e.Logical >= maxFileBlocks || e.End() > maxFileBlocks:
		bad(ExtentLimit, fmt.Sprintf("file blocks up to %d", maxFileBlocks), fmt.Sprintf("%d file blocks", e.Len))
	case e.Logical < m.end:
		bad(ExtentOrder, fmt.Sprintf("extents in order: file block %d or later", m.end), "one that overlaps or precedes another")
	default:
		m.end = e.End()
	}
	m.blocks += uint64(e.Len)
	fresh := c.claim(e.Phys, uint64(e.Len), owner{ino: m.ino, part: ownsData})
	if fresh && m.ino != layout.InodeFileIno {
		c.vetSums(inodeName(m.ino), e)
	}
	m.each(e, at, fresh)
}

// data checks a regular file's blocks and returns how many it owns; whole is false when they cannot all be known.
func (c *checker) data(in layout.Inode, ino uint64, off int64) (owned uint64, whole bool) {
	m := extents{c: c, in: in, ino: ino, off: off}
	m.each = func(e layout.Extent, at int64, _ bool) { c.vetEOF(&m, e, at) }
	owned = m.walk()
	c.report.DataBlocks += m.blocks
	return owned, m.whole()
}

// whole reports whether all extents could be read, and notes it when some are missing.
func (m *extents) whole() bool {
	if m.broken {
		m.c.lost = true
	}
	return !m.broken
}

// vetEOF checks an extent against the end of the file: nothing is written in blocks beyond it, unless a truncate has
// still to free them, and the rest of the last block is zero.
func (c *checker) vetEOF(m *extents, e layout.Extent, at int64) {
	if e.Flags&layout.ExtentUnwritten != 0 {
		return
	}
	size := m.in.Size()
	if end := layout.BlocksFor(size); e.End() > end && !c.orphan.has(m.ino) {
		c.fault(ExtentBehindEnd, at, m.name(e.Logical), fmt.Sprintf("no written block from %d on, where the file ends", end), fmt.Sprintf("written up to %d", e.End()))
	}
	last, rest := size>>layout.BlockShift, size&(layout.BlockSize-1)
	if c.quiet || rest == 0 || last < e.Logical || last >= e.End() {
		return
	}
	block := e.Phys + last - e.Logical
	if !c.readable(block) {
		return // reading the file says so
	}
	for i, b := range c.block(block)[rest:] {
		if b != 0 {
			c.fault(BytesBehindEnd, layout.BlockOffset(block)+int64(rest)+int64(i), inodeName(m.ino), "zeros from the end of the file to the end of its block", fmt.Sprintf("byte %#x", b))
			return
		}
	}
}

// symlink checks a symbolic link's target.
func (c *checker) symlink(in layout.Inode, ino uint64, off int64) (owned uint64, whole bool) {
	target := in.Inline()
	if in.Flags()&layout.FlagInlineTarget == 0 {
		m := extents{c: c, in: in, ino: ino, off: off}
		target = nil
		m.each = func(e layout.Extent, at int64, _ bool) {
			if e.Logical == 0 && e.Flags == 0 {
				target = c.block(e.Phys)
			}
			c.vetEOF(&m, e, at)
		}
		owned = m.walk()
		c.report.DataBlocks += m.blocks
		whole = m.whole()
	} else {
		whole = true
	}
	switch {
	case target == nil && (in.Nlink() == 0 || !whole): // being freed, or reported
	case target == nil:
		c.fault(SymlinkTarget, off, inodeName(ino), fmt.Sprintf("a target of %d bytes", in.Size()), "no data")
	default:
		for i, b := range target[:in.Size()] {
			if b == 0 {
				c.fault(SymlinkTarget, off, inodeName(ino), fmt.Sprintf("a target of %d bytes", in.Size()), fmt.Sprintf("NUL in byte %d", i))
				break
			}
		}
	}
	return owned, whole
}
