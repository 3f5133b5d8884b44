package check

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// node checks a node that what a version refers to, and all below it that the live inode does not have. It returns the
// blocks that they take. What is below a node was kept at least as long as the node, so that a node that was kept need be looked at
// once, whatever number of versions refers to it.
func (p *past) node(block uint64, level int, kind uint8, lo, hi uint64, when span, at int64) uint64 {
	c := p.c
	t := tree{c: c, kind: kind, ino: p.ino, birth: when.birth}
	off := layout.BlockOffset(block)
	if block == 0 || block >= c.sb.Blocks {
		p.whole = false
		c.fault(NodePointer, at, pastName(p.ino, when.until), fmt.Sprintf("node pointers between 1 and %d", c.sb.Blocks-1), fmt.Sprint(block))
		return 0
	}
	known, ok := p.nodes[block]
	if ok && c.bornAfter(known.birth, when.birth) {
		p.missing(block, 1, when, at, fmt.Sprintf("the live inode's, of birth epoch %d", known.birth))
	}
	if !ok {
		e := p.entry(block)
		switch {
		case e == nil:
			p.missing(block, 1, when, at, "neither")
			p.whole = false
			return 0
		case !p.covers(e, when), e.Flags&layout.KeptMeta == 0:
			p.missing(block, 1, when, at, fmt.Sprintf("kept from epoch %d to %d, flags %#x", e.Birth, e.until, e.Flags))
		}
		if known, ok = p.seen[block]; !ok {
			e.refer(block, 1)
			n := layout.Node(c.block(block))
			if !t.vet(n, block, level, off) {
				p.whole = false
				p.seen[block] = liveNode{kind: kind, level: uint8(level)}
				return 0
			}
			t.vetKeys(n, block, lo, hi, off)
			known = p.below(n, level, kind, lo, hi, span{n.Birth(), e.until}, off)
			p.seen[block] = known
			c.report.Nodes++
		}
	}
	if known.kind != kind || int(known.level) != level {
		p.whole = false
		c.fault(NodeIdentity, off, t.name(block), fmt.Sprintf("kind %d, level %d", kind, level), fmt.Sprintf("kind %d, level %d", known.kind, known.level))
		return 0
	}
	return known.blocks
}

// below checks what a kept node has.
func (p *past) below(n layout.Node, level int, kind uint8, lo, hi uint64, when span, off int64) liveNode {
	blocks := uint64(1)
	switch {
	case level > 0:
		for i := range n.Count() {
			first, last := lo, hi
			if i > 0 {
				first = n.Key(i)
			}
			if i+1 < n.Count() {
				last = n.Key(i+1) - 1
			}
			blocks += p.node(n.Child(i), level-1, kind, first, last, when, off)
		}
	case kind == layout.TreeDir:
		p.c.snap.leaves = append(p.c.snap.leaves, pastLeaf{p.ino, layout.BlockOf(off), when})
	case kind == layout.TreeExtent:
		blocks += p.pastExtents(n, when, off)
	default:
		blocks += p.pastAttrs(n, when, off)
	}
	return liveNode{n.Birth(), kind, uint8(level), blocks}
}

// pastExtents checks a leaf of a file's map.
func (p *past) pastExtents(n layout.Node, when span, off int64) (blocks uint64) {
	end := uint64(0)
	for i := range n.Count() {
		if len(n.Payload(i)) != layout.ExtentPayload {
			p.whole = false
			p.c.fault(ExtentRecord, off, pastName(p.ino, when.until), fmt.Sprintf("a record of %d bytes", layout.ExtentPayload), fmt.Sprint(len(n.Payload(i))))
			continue
		}
		e := layout.DecodeExtent(n.Key(i), n.Payload(i))
		if e.Logical < end {
			p.c.fault(ExtentOrder, off, pastName(p.ino, when.until), fmt.Sprintf("extents in order: file block %d or later", end), fmt.Sprint(e.Logical))
		}
		end = e.End()
		blocks += p.extent(e, when, off)
	}
	return blocks
}

// extent checks the blocks of an extent, and returns how many they are.
func (p *past) extent(e layout.Extent, when span, at int64) uint64 {
	c := p.c
	if e.Len == 0 || e.Len > layout.ExtentMaxLen || e.End() > maxFileBlocks || e.Flags&^layout.ExtentUnwritten != 0 {
		p.whole = false
		c.fault(ExtentLocation, at, pastName(p.ino, when.until), "an extent that makes sense", fmt.Sprintf("%d blocks at file block %d with flags %#x", e.Len, e.Logical, e.Flags))
		return 0
	}
	p.run(e.Phys, uint64(e.Len), e.Birth, when, at, func(k *pastEntry, start, n uint64) {
		if k.verified || e.Flags&layout.ExtentUnwritten != 0 || p.ino == layout.InodeFileIno {
			return
		}
		part := e
		part.Logical, part.Phys, part.Len = e.Logical+start-e.Phys, start, uint32(n)
		c.vetSums(pastName(p.ino, when.until), part)
		k.verified = start == k.Start && n == uint64(k.Len)
	})
	return uint64(e.Len)
}

// pastAttrs checks a leaf of attributes.
func (p *past) pastAttrs(n layout.Node, when span, off int64) (blocks uint64) {
	c := p.c
	for i := range n.Count() {
		x, ok := layout.DecodeXattr(n.Payload(i))
		if !ok {
			p.whole = false
			c.fault(AttrRecord, off, pastName(p.ino, when.until), "a well-formed attribute", fmt.Sprintf("%d bytes", len(n.Payload(i))))
			continue
		}
		for _, b := range x.Blocks {
			p.run(b, 1, attrBirth(&x), when, off, func(*pastEntry, uint64, uint64) {})
			ok = ok && b < c.sb.Blocks
		}
		blocks += uint64(len(x.Blocks))
		if ok && !c.quiet && c.valueSum(&x) != x.CRC {
			c.fault(AttrValue, off, fmt.Sprintf("attribute %q of %s", x.Name, pastName(p.ino, when.until)), "a value with its checksum", "another one")
		}
	}
	return blocks
}

// pastLeaf is a leaf of a directory that only snapshots have.
type pastLeaf struct {
	dir, block uint64
	when       span
}

// pastNames checks that the names in directories as they were mean what was there: in the first and in the last snapshot that
// has them. What was there in both was between.
func (c *checker) pastNames() {
	s := &c.snap
	if !s.known {
		return
	}
	for _, e := range s.alive {
		if found := c.inSnapshot(layout.RootIno, e); found >= 0 && found != layout.ModeDir>>12 {
			_, off := c.slot(layout.RootIno)
			c.fault(KeptName, off, "root directory of the "+snapshotName(e), "a directory", fmt.Sprintf("type %d", found))
		}
	}
	for _, l := range s.leaves {
		from, to := s.from(l.when.birth), s.upTo(l.when.until)
		if from >= to {
			continue // of a snapshot that is being deleted
		}
		n, off := layout.Node(c.block(l.block)), layout.BlockOffset(l.block)
		d := directory{c: c, ino: l.dir, k0: layout.Word(c.sb.HashKey[:8]), k1: layout.Word(c.sb.HashKey[8:])}
		for i := range n.Count() {
			ino, typ, name, ok := layout.DecodeDirent(n.Payload(i))
			if !ok {
				c.fault(EntryMalformed, off, fmt.Sprintf("entry %#x of directory %d", n.Key(i), l.dir), "a well-formed entry", fmt.Sprintf("%d bytes", len(n.Payload(i))))
				continue
			}
			d.vetName(n.Key(i), name, off)
			for _, e := range []uint64{s.alive[from], s.alive[to-1]} {
				if found := c.inSnapshot(ino, e); found >= 0 && found != int(typ) {
					c.fault(KeptName, off, fmt.Sprintf("entry %q of directory %d", name, l.dir), fmt.Sprintf("the number of an inode of type %d in the %s", typ, snapshotName(e)), fmt.Sprintf("%d, of type %d", ino, found))
					break
				}
			}
		}
	}
}

// inSnapshot returns the type of an inode in a snapshot, 0 if it was not there, -1 if that is not known.
func (c *checker) inSnapshot(ino, epoch uint64) int {
	s := &c.snap
	if ino < layout.RootIno {
		return 0
	}
	if s.shards == nil || !s.shards[layout.ShardOf(ino, s.table.Count)].known {
		return -1
	}
	i := firstSince(s.kept, ino, epoch)
	if i < len(s.kept) && s.kept[i].ino == ino {
		if s.kept[i].in.BirthEpoch() > epoch {
			return 0
		}
		return int(s.kept[i].in.Mode() >> 12)
	}
	if !c.inUse(ino) {
		return 0
	}
	in, _ := c.slot(ino)
	switch {
	case !c.good.has(ino):
		return -1
	case in.BirthEpoch() > epoch:
		return 0
	}
	return int(in.Mode() >> 12)
}
