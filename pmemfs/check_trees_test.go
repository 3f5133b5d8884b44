package pmemfs

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// dirNode is a damage of the first leaf of the directory, or of its root.
func dirNode(name string, atRoot bool, f func(s *surgery, n layout.Node)) damage {
	return damage{name, func(s *surgery) (string, int64) {
		block := s.leaf(s.dir)
		if atRoot {
			block = s.root(s.dir)
		}
		return s.node(block, fmt.Sprintf("directory %d", s.dir), func(n layout.Node) { f(s, n) })
	}}
}

var treeDamage = []damage{
	{"node checksum", func(s *surgery) (string, int64) {
		b := s.leaf(s.frag)
		s.block(b)[4000] ^= 1
		return fmt.Sprintf("node at block %d (extents of inode %d)", b, s.frag), layout.BlockOffset(b)
	}},
	dirNode("node magic", false, func(_ *surgery, n layout.Node) { n[4]++ }),
	dirNode("node kind", false, func(_ *surgery, n layout.Node) { n[7] = layout.TreeXattr }),
	dirNode("node owner", false, func(_ *surgery, n layout.Node) { n[8]++ }),
	dirNode("node number", false, func(_ *surgery, n layout.Node) { n[16]++ }),
	dirNode("node level", true, func(_ *surgery, n layout.Node) { n[6]++ }),
	dirNode("node order", false, func(_ *surgery, n layout.Node) { n.SetKey(1, n.Key(0)) }),
	dirNode("node without records", false, func(_ *surgery, n layout.Node) {
		for n.Count() > 0 {
			n.Delete(0)
		}
	}),
	dirNode("key range", false, func(s *surgery, n layout.Node) {
		n.SetKey(n.Count()-1, layout.Node(s.block(s.root(s.dir))).Key(1))
	}),
	{"height", func(s *surgery) (string, int64) {
		b := s.root(s.dir)
		s.edit(s.dir, func(in layout.Inode) { in.SetDataRoot(b, 3) })
		return fmt.Sprintf("node at block %d (directory %d)", b, s.dir), layout.BlockOffset(b)
	}},
	{"node pointer", func(s *surgery) (string, int64) {
		_, off := s.node(s.root(s.dir), "", func(n layout.Node) { put64(n.Payload(1), s.sb.Blocks) })
		return fmt.Sprintf("directory %d", s.dir), off
	}},
	{"node reached twice", func(s *surgery) (string, int64) {
		b := s.leaf(s.dir)
		s.node(s.root(s.dir), "", func(n layout.Node) { put64(n.Payload(1), b) })
		return fmt.Sprintf("block %d", b), layout.BlockOffset(b)
	}},
	{"node of itself", func(s *surgery) (string, int64) {
		b := s.root(s.dir)
		s.node(b, "", func(n layout.Node) { put64(n.Payload(0), b) })
		return fmt.Sprintf("block %d", b), layout.BlockOffset(b)
	}},
	{"extents in a tree in disorder", func(s *surgery) (string, int64) {
		b := s.leaf(s.frag)
		key := uint64(0)
		_, off := s.node(b, "", func(n layout.Node) {
			put32(n.Payload(0)[8:], 3)
			key = n.Key(1)
		})
		return fmt.Sprintf("extent at file block %d of inode %d", key, s.frag), off
	}},
	{"orphan that is none", func(s *surgery) (string, int64) {
		_, off := s.node(s.root(layout.OrphanIno), "", func(n layout.Node) { n.SetKey(0, 900) })
		return "entry 900 of the orphan index", off
	}},
	{"orphan without entry", func(s *surgery) (string, int64) {
		s.node(s.root(layout.OrphanIno), "", func(n layout.Node) { n.SetKey(0, s.plain) })
		return fmt.Sprintf("inode %d", s.held), s.at(s.held)
	}},
	{"orphan of a type that is not truncated", func(s *surgery) (string, int64) {
		_, off := s.node(s.root(layout.OrphanIno), "", func(n layout.Node) { n.SetKey(0, s.fifo) })
		return fmt.Sprintf("entry %d of the orphan index", s.fifo), off
	}},
}

var dirDamage = []damage{
	{"entry of an unused inode", func(s *surgery) (string, int64) {
		return s.entry(0, func(p []byte) { put64(p, 710) })
	}},
	{"entry outside the inode file", func(s *surgery) (string, int64) {
		return s.entry(1, func(p []byte) { put64(p, 1<<60) })
	}},
	{"entry of a reserved inode", func(s *surgery) (string, int64) {
		return s.entry(1, func(p []byte) { put64(p, layout.OrphanIno) })
	}},
	{"entry type", func(s *surgery) (string, int64) {
		return s.entry(2, func(p []byte) { p[8] = layout.ModeFIFO >> 12 })
	}},
	{"entry key", func(s *surgery) (string, int64) {
		b := s.leaf(s.dir)
		_, _, name, _ := layout.DecodeDirent(layout.Node(s.block(b)).Payload(0))
		object := fmt.Sprintf("entry %q of directory %d", name, s.dir)
		_, off := s.node(b, "", func(n layout.Node) { n.SetKey(0, n.Key(0)-128) })
		return object, off
	}},
	{"entry name", func(s *surgery) (string, int64) {
		b := s.leaf(s.dir)
		_, off := s.node(b, "", func(n layout.Node) { n.Payload(0)[10] = '/' })
		_, _, name, _ := layout.DecodeDirent(layout.Node(s.block(b)).Payload(0))
		return fmt.Sprintf("entry %q of directory %d", name, s.dir), off
	}},
	{"name twice", func(s *surgery) (string, int64) {
		b := s.leaf(s.dir)
		var p []byte
		_, off := s.node(b, "", func(n layout.Node) {
			i := 0
			for len(n.Payload(i)) > len(n.Payload(i+1)) { // there must be room for it in a full node
				i++
			}
			p = append(p, n.Payload(i)...)
			n.Delete(i + 1)
			n.Insert(i+1, n.Key(i)+1, p)
		})
		_, _, name, _ := layout.DecodeDirent(p)
		return fmt.Sprintf("entry %q of directory %d", name, s.dir), off
	}},
	{"entry without a name", func(s *surgery) (string, int64) {
		b := s.leaf(s.dir)
		key := layout.Node(s.block(b)).Key(0)
		_, off := s.node(b, "", func(n layout.Node) { n.Replace(0, make([]byte, 9)) })
		return fmt.Sprintf("entry %#x of directory %d", key, s.dir), off
	}},
	{"directory with two names", func(s *surgery) (string, int64) {
		block, i := s.find(s.empty)
		s.node(block, "", func(n layout.Node) { put64(n.Payload(i), s.sub) })
		return fmt.Sprintf("inode %d", s.sub), s.at(s.sub)
	}},
	{"directories in a ring", func(s *surgery) (string, int64) {
		// The entry of dir moves from the root directory to sub, which is below it.
		top := s.root(layout.RootIno)
		sub, block := s.inode(s.sub), s.freeBlock()
		s.bit(1, int(block), true)
		n := layout.Node(s.block(block))
		copy(n, s.block(top))
		put64(n[8:], s.sub)
		put64(n[16:], block)
		layout.Seal(n)
		s.bit(1, int(top), false)
		s.edit(layout.RootIno, func(in layout.Inode) {
			in.SetDataRoot(0, 0)
			in.SetSize(0)
			in.SetNlink(2)
			in.AddBlocks(-1)
		})
		sub.SetDataRoot(block, 1)
		sub.SetSize(1)
		sub.SetNlink(3)
		sub.AddBlocks(1)
		sub.Seal()
		return s.edit(s.dir, func(in layout.Inode) { in.SetParent(s.sub) })
	}},
}

var attrDamage = []damage{
	{"attribute key", func(s *surgery) (string, int64) {
		n := layout.Node(s.block(s.attrNode()))
		x, _ := layout.DecodeXattr(n.Payload(0))
		_, off := s.node(s.attrNode(), "", func(n layout.Node) { n.SetKey(0, n.Key(0)-128) })
		return fmt.Sprintf("attribute %q of inode %d", x.Name, s.attrs), off
	}},
	{"attribute value", func(s *surgery) (string, int64) {
		_, x := s.large()
		s.block(x.Blocks[1])[77] ^= 1
		return fmt.Sprintf("attribute \"large\" of inode %d", s.attrs), layout.BlockOffset(s.attrNode())
	}},
	{"attribute blocks", func(s *surgery) (string, int64) {
		i, x := s.large()
		x.Blocks[0] = s.sb.Blocks + 5
		_, off := s.node(s.attrNode(), "", func(n layout.Node) { n.Replace(i, layout.EncodeXattr(nil, &x)) })
		return fmt.Sprintf("attribute \"large\" of inode %d", s.attrs), off
	}},
	{"attribute record", func(s *surgery) (string, int64) {
		i, _ := s.large()
		key := layout.Node(s.block(s.attrNode())).Key(i)
		_, off := s.node(s.attrNode(), "", func(n layout.Node) { put32(n.Payload(i), 1<<20) })
		return fmt.Sprintf("attribute %#x of inode %d", key, s.attrs), off
	}},
	{"attribute block with two owners", func(s *surgery) (string, int64) {
		i, x := s.large()
		x.Blocks[0] = s.inode(s.plain).InlineExtent(0).Phys
		s.node(s.attrNode(), "", func(n layout.Node) { n.Replace(i, layout.EncodeXattr(nil, &x)) })
		return fmt.Sprintf("block %d", x.Blocks[0]), layout.BlockOffset(x.Blocks[0])
	}},
}

// head changes the journal head that counts.
func (s *surgery) head(f func(h *layout.Head)) int64 {
	var best layout.Head
	for b := uint64(layout.JournalHeadA); b <= layout.JournalHeadB; b++ {
		if h, ok := layout.DecodeHead(s.block(b)); ok && h.Version > best.Version {
			best = h
		}
	}
	block := layout.JournalHeadA + best.Version%2
	f(&best)
	layout.EncodeHead(s.block(block), &best)
	return layout.BlockOffset(block)
}

// record changes the first record of the window and seals it again, and returns what a fault of it says.
func (s *surgery) record(f func(h *layout.RecordHead, body []byte)) (string, int64) {
	var tail layout.Head
	s.head(func(h *layout.Head) { tail = *h })
	off := s.sb.RingOffset() + int64(tail.TailPos)%s.sb.RingBytes()
	h := layout.DecodeRecordHead(s.medium[off:])
	rec := s.medium[off : off+int64(h.Length)]
	f(&h, rec[layout.RecordHeader:])
	layout.EncodeRecordHead(rec, &h, layout.CRC(rec[layout.RecordHeader:]))
	return fmt.Sprintf("journal record %d", h.Seq), off
}

var journalDamage = []damage{
	{"both journal heads", func(s *surgery) (string, int64) {
		s.block(layout.JournalHeadA)[9] ^= 1
		s.block(layout.JournalHeadB)[9] ^= 1
		return "journal heads", layout.BlockOffset(layout.JournalHeadA)
	}},
	{"versions of the heads", func(s *surgery) (string, int64) {
		s.head(func(h *layout.Head) { h.Version += 2 })
		return "journal heads", layout.BlockOffset(layout.JournalHeadA)
	}},
	{"tail position", func(s *surgery) (string, int64) {
		return "journal head", s.head(func(h *layout.Head) { h.TailPos += 8 })
	}},
	{"free blocks", func(s *surgery) (string, int64) {
		return "journal head", s.head(func(h *layout.Head) { h.FreeBlocks++ })
	}},
	{"inodes in use", func(s *surgery) (string, int64) {
		return "journal head", s.head(func(h *layout.Head) { h.UsedInodes-- })
	}},
	{"entry kind", func(s *surgery) (string, int64) {
		return s.record(func(_ *layout.RecordHead, body []byte) { body[12] = 99 })
	}},
	{"entry outside", func(s *surgery) (string, int64) {
		return s.record(func(_ *layout.RecordHead, body []byte) { put64(body, 1<<50) })
	}},
	{"entry for the superblock", func(s *surgery) (string, int64) {
		return s.record(func(_ *layout.RecordHead, body []byte) { put64(body, 0) })
	}},
	{"number of entries", func(s *surgery) (string, int64) {
		return s.record(func(h *layout.RecordHead, _ []byte) { h.Entries++ })
	}},
	{"fenced sequence", func(s *surgery) (string, int64) {
		return s.record(func(h *layout.RecordHead, _ []byte) { h.Fenced = h.Seq })
	}},
	{"durable record", func(s *surgery) (string, int64) {
		object, off := s.record(func(h *layout.RecordHead, body []byte) {})
		h := layout.DecodeRecordHead(s.medium[off:])
		next := off + int64(h.Length+layout.LineSize-1)&^(layout.LineSize-1)
		// A record behind it says that it had been fenced.
		late := h
		late.Length, late.Seq, late.Fenced, late.Entries = layout.RecordHeader, h.Seq+1, h.Seq, 0
		layout.EncodeRecordHead(s.medium[next:], &late, layout.CRC(nil))
		s.medium[off+100] ^= 1
		return object, off
	}},
}
