package pmemfs

import (
	"bytes"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// reservedDamage sets what is reserved, under a right checksum.
var reservedDamage = []damage{
	{"reserved bytes of the superblock", func(s *surgery) (string, int64) {
		for _, b := range []uint64{0, s.sb.Backup} {
			s.block(b)[200] = 1
			layout.Seal(s.block(b))
		}
		return "superblock", 0
	}},
	{"reserved bytes of a bitmap", func(s *surgery) (string, int64) {
		s.block(1)[30] = 1
		layout.Seal(s.block(1))
		return "bitmap of block group 0", layout.BlockOffset(1)
	}},
	inodeFault("reserved bytes of an inode", plain, func(_ *surgery, in layout.Inode) { in[130] = 1 }),
	dirNode("reserved bytes of a node", false, func(_ *surgery, n layout.Node) { n[50] = 1 }),
	{"unknown flag of an attribute", func(s *surgery) (string, int64) {
		i, _ := s.large()
		_, off := s.node(s.attrNode(), "", func(n layout.Node) { n.Payload(i)[11] = 2 })
		return fmt.Sprintf("attribute \"large\" of inode %d", s.attrs), off
	}},
}

var wholeDamage = []damage{
	{"image cut off", func(s *surgery) (string, int64) {
		s.medium = s.medium[:len(s.medium)-2*layout.BlockSize]
		return "image", int64(len(s.medium))
	}},
	{"head in the other's block", func(s *surgery) (string, int64) {
		var h layout.Head
		own := layout.BlockOf(s.head(func(old *layout.Head) { h = *old }))
		other := layout.JournalHeadA + layout.JournalHeadB - own
		layout.EncodeHead(s.block(other), &h)
		s.block(own)[9] ^= 1
		return "journal head", layout.BlockOffset(other)
	}},
	inodeFault("map of the inode file", func(*surgery) uint64 { return layout.InodeFileIno }, func(s *surgery, in layout.Inode) {
		s.extent(in, func(e *layout.Extent) { e.Flags = layout.ExtentUnwritten })
	}),
	inodeFault("no root directory", func(*surgery) uint64 { return layout.RootIno }, func(_ *surgery, in layout.Inode) {
		in.SetMode(layout.ModeRegular | 0o644)
	}),
	inodeFault("removed directory with entries", dirOf, func(_ *surgery, in layout.Inode) { in.SetNlink(0) }),
	inodeFault("data of the orphan index", func(*surgery) uint64 { return layout.OrphanIno }, func(_ *surgery, in layout.Inode) { in.SetSize(5) }),
	inodeFault("data of the key-value store", func(*surgery) uint64 { return layout.ValuesIno }, func(_ *surgery, in layout.Inode) { in.SetSize(5) }),
	inodeFault("type of the key-value store", func(*surgery) uint64 { return layout.ValuesIno }, func(_ *surgery, in layout.Inode) {
		in.SetMode(layout.ModeFIFO | 0o644)
	}),
	{"payload in the orphan index", func(s *surgery) (string, int64) {
		_, off := s.node(s.root(layout.OrphanIno), "", func(n layout.Node) { n.Replace(0, []byte{1}) })
		return fmt.Sprintf("entry %d of the orphan index", s.held), off
	}},
	{"records that overlap", func(s *surgery) (string, int64) {
		// The last slot points into the first record, to what reads as a record without payload.
		return s.node(s.leaf(s.frag), fmt.Sprintf("extents of inode %d", s.frag), func(n layout.Node) {
			last := 64 + 2*(n.Count()-1)
			into := n.PayloadOffset(0) + 14
			n[last], n[last+1] = byte(into), byte(into>>8)
			live := n.Live() - layout.ExtentPayload
			n[36], n[37] = byte(live), byte(live>>8)
		})
	}},
	{"record of an extent", func(s *surgery) (string, int64) {
		_, off := s.node(s.leaf(s.frag), "", func(n layout.Node) { n.Replace(0, make([]byte, 16)) })
		return fmt.Sprintf("extent at file block 0 of inode %d", s.frag), off
	}},
	{"extent beyond the largest file", func(s *surgery) (string, int64) {
		_, off := s.edit(s.plain, func(in layout.Inode) {
			s.extent(in, func(e *layout.Extent) { e.Logical, e.Flags = 1<<51-1, layout.ExtentUnwritten })
		})
		return fmt.Sprintf("extent at file block %d of inode %d", uint64(1<<51-1), s.plain), off
	}},
	{"attribute name", func(s *surgery) (string, int64) {
		i, _ := s.large()
		_, off := s.node(s.attrNode(), "", func(n layout.Node) { n.Payload(i)[14] = 0 })
		return fmt.Sprintf("attribute \"la\\x00ge\" of inode %d", s.attrs), off
	}},
	{"attribute twice", func(s *surgery) (string, int64) {
		i, _ := s.large()
		_, off := s.node(s.attrNode(), "", func(n layout.Node) {
			p := bytes.Clone(n.Payload(i))
			n.Insert(i+1, n.Key(i)+1, p)
		})
		return fmt.Sprintf("attribute \"large\" of inode %d", s.attrs), off
	}},
	{"attribute in place", func(s *surgery) (string, int64) {
		i, x := s.large()
		x.Value, x.Blocks = bytes.Repeat([]byte("v"), layout.XattrInlineMax+50), nil
		x.Size, x.CRC = uint32(len(x.Value)), layout.CRC(x.Value)
		_, off := s.node(s.attrNode(), "", func(n layout.Node) { n.Replace(i, layout.EncodeXattr(nil, &x)) })
		return fmt.Sprintf("attribute \"large\" of inode %d", s.attrs), off
	}},
}

// lose puts a block on the list of those that refused a store.
func (s *surgery) lose(block uint64) {
	var list []byte
	off := s.head(func(h *layout.Head) {
		h.Lost = true
		list, _ = layout.LostList(h.Version, []uint64{block})
	})
	copy(s.medium[off+layout.LostOffset:], list)
}

// mediaDamage is what bad memory leaves.
var mediaDamage = []damage{
	{"list of lost blocks", func(s *surgery) (string, int64) {
		return "list of lost blocks", s.head(func(h *layout.Head) { h.Lost = true }) + layout.LostOffset
	}},
	{"lost data", func(s *surgery) (string, int64) {
		b := s.inode(s.plain).InlineExtent(0).Phys
		s.lose(b)
		return fmt.Sprintf("block %d", b), layout.BlockOffset(b)
	}},
	{"lost leaf", func(s *surgery) (string, int64) {
		b := s.leaf(s.dir)
		s.lose(b)
		return fmt.Sprintf("block %d", b), layout.BlockOffset(b)
	}},
	{"lost inodes", func(s *surgery) (string, int64) {
		b := layout.BlockOf(s.at(s.plain))
		s.lose(b)
		return fmt.Sprintf("block %d", b), layout.BlockOffset(b)
	}},
	{"map of bad blocks", func(s *surgery) (string, int64) {
		b := s.freeBlock()
		s.bit(1, int(b), true)
		s.head(func(h *layout.Head) { h.FreeBlocks-- })
		_, off := s.edit(layout.BadBlocksIno, func(in layout.Inode) {
			layout.InitInode(in, layout.BadBlocksIno, 1)
			in.SetMode(layout.ModeRegular | 0o600)
			in.SetNlink(1)
			in.SetBirthEpoch(1)
			in.AddBlocks(1)
			in.SetInlineExtent(0, layout.Extent{Logical: b + 1, Phys: b, Len: 1, Flags: layout.ExtentUnwritten, Birth: 1})
			in.SetInlineCount(1)
		})
		return fmt.Sprintf("extent at file block %d of inode 3", b+1), off
	}},
}

// windowDamage is damage of a journal with a window.
var windowDamage = []damage{
	{"reserved bytes of a record", func(s *surgery) (string, int64) {
		object, off := s.record(func(*layout.RecordHead, []byte) {})
		rec := s.medium[off : off+int64(layout.DecodeRecordHead(s.medium[off:]).Length)]
		rec[52] = 1
		put32(rec, layout.CRCUpdate(layout.CRC(rec[layout.RecordHeader:]), rec[4:layout.RecordHeader]))
		return object, off
	}},
	{"window longer than the ring", longWindow},
}

// longWindow fills the ring with records that change nothing, the last of which ends in the first one.
func longWindow(s *surgery) (string, int64) {
	var head layout.Head
	size := s.sb.RingBytes()
	s.head(func(h *layout.Head) {
		h.TailPos = uint64(size)
		head = *h
	})
	ring := s.medium[s.sb.RingOffset():][:size]
	seq, pos := head.TailSeq, int64(0)
	write := func(length int64, body []byte) {
		rec := append(make([]byte, layout.RecordHeader), body...)
		h := layout.RecordHead{Length: uint32(length), Seq: seq, Epoch: head.Epoch, Salt: head.Salt}
		for rest := body; len(rest) > 0; h.Entries++ {
			var ok bool
			if _, rest, ok = layout.NextEntry(rest, layout.BlockOffset(s.sb.Blocks)); !ok {
				break
			}
		}
		layout.EncodeRecordHead(rec, &h, layout.CRC(body))
		n := copy(ring[pos:], rec)
		copy(ring, rec[n:])
		seq, pos = seq+1, pos+length
	}
	for i := range int64(4) {
		length := size / 4
		if i == 3 {
			length -= layout.LineSize
		}
		write(length, s.idleBody(length-layout.RecordHeader))
	}
	write(2*layout.LineSize, bytes.Clone(ring[:layout.LineSize]))
	return fmt.Sprintf("journal record %d", seq-1), s.sb.RingOffset() + layout.LineSize
}

// idleBody returns entries of n bytes together that store what is there.
func (s *surgery) idleBody(n int64) (body []byte) {
	off := layout.BlockOffset(s.inode(s.plain).InlineExtent(0).Phys)
	for n > 0 {
		part := min(n, layout.EntryHeader+layout.BlockSize)
		if rest := n - part; rest > 0 && rest <= layout.EntryHeader {
			part -= 64
		}
		data := s.medium[off : off+part-layout.EntryHeader]
		body = layout.AppendEntry(body, off, uint32(len(data)), layout.EntryData, 0, data)
		n -= part
	}
	return body
}
