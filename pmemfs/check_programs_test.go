package pmemfs

import (
	"encoding/binary"
	"math/bits"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// A mutation program damages a small healthy image in up to mutationMax positions and makes the checksums right again, so
// that the damage gets past them. A step is 16 bytes:
//
//	0 kind u8 | 1 unused | 2 block u16, of the busy ones | 4 offset u16 | 6 another u16 | 8 value u64
const (
	mutationSize = 16
	mutationMax  = 64
)

// mutant is an image that programs damage, and that is put right again after each.
type mutant struct {
	healthy *surgery
	busy    []uint64
	medium  []byte
	touched []uint64
}

// newMutant makes the smallest image that has trees of two levels, and every kind of object.
func newMutant(t testing.TB, replay bool) *mutant {
	s := operateOn(t, memFS(t, layout.MinBlocks*layout.BlockSize), 150, 130, replay)
	return &mutant{healthy: s, busy: metadata(s), medium: append([]byte{}, s.medium...)}
}

// restore undoes a program.
func (m *mutant) restore() {
	for _, b := range m.touched {
		off := layout.BlockOffset(b)
		copy(m.medium[off:off+layout.BlockSize], m.healthy.medium[off:])
	}
	m.touched = m.touched[:0]
}

// run carries out a program and returns the image. It is valid until restore.
func (m *mutant) run(program []byte) []byte {
	size := len(m.medium)
	for i := 0; i < mutationMax && len(program) >= mutationSize; i++ {
		p := program[:mutationSize]
		program = program[mutationSize:]
		at, other := binary.LittleEndian.Uint16(p[4:]), binary.LittleEndian.Uint16(p[6:])
		b := m.busy[int(binary.LittleEndian.Uint16(p[2:]))%len(m.busy)]
		if kind := p[0] % 16; kind == 15 && other%16 == 0 {
			size = len(m.medium) - int(at)
		} else {
			m.touched = append(m.touched, b)
			m.step(kind, b, int(at), int(other), p[8:16])
		}
	}
	return m.medium[:size]
}

func (m *mutant) block(b uint64) []byte { return m.medium[layout.BlockOffset(b):][:layout.BlockSize] }

// step makes one change.
func (m *mutant) step(kind byte, block uint64, at, other int, value []byte) {
	b := m.block(block)
	word := at % (layout.BlockSize - 7)
	switch kind {
	case 0, 1, 2:
		copy(b[word:], value[:1+other%8])
		if kind > 0 {
			layout.Seal(b)
		}
	case 3:
		clear(b)
	case 4:
		copy(b, m.block(m.busy[other%len(m.busy)]))
	case 5: // as if it belonged there
		copy(b, m.block(m.busy[other%len(m.busy)]))
		copy(b[16:24], binary.LittleEndian.AppendUint64(nil, block))
		layout.Seal(b)
	case 6, 7:
		i := at % layout.GroupBits
		if n := 1 + other%64; kind == 6 {
			layout.BitmapSet(b, i, min(n, layout.GroupBits-i))
		} else {
			layout.BitmapClear(b, i, min(n, layout.GroupBits-i))
		}
		layout.Seal(b)
	case 8:
		mutateRecord(b, at, value[:1+other%8])
	case 9, 10:
		in := layout.Inode(b[at%layout.InodesPerBlk*layout.InodeSize:][:layout.InodeSize])
		field := 6 + other%(layout.InodeSize-14)
		copy(in[field:], value[:1+bits.Len8(value[7])%8])
		in.Seal()
	case 11:
		h, ok := layout.DecodeHead(b)
		if fields := []*uint64{&h.Version, &h.Epoch, &h.TailSeq, &h.TailPos, &h.FreeBlocks, &h.Salt}; ok {
			*fields[at%len(fields)] += binary.LittleEndian.Uint64(value) >> (other % 64)
			layout.EncodeHead(b, &h)
		}
	default:
		mutateNode(kind, b, at, other, value)
	}
}

// mutateRecord changes a record of the journal that begins in a block.
func mutateRecord(b []byte, at int, value []byte) {
	for off := 0; off+layout.RecordHeader <= len(b); off += layout.LineSize {
		h := layout.DecodeRecordHead(b[off:])
		if h.Length < layout.RecordHeader || int(h.Length) > len(b)-off || !layout.RecordSealed(b[off:off+int(h.Length)]) {
			continue
		}
		rec := b[off : off+int(h.Length)]
		copy(rec[at%len(rec):], value)
		h = layout.DecodeRecordHead(rec)
		h.Length = uint32(len(rec))
		layout.EncodeRecordHead(rec, &h, layout.CRC(rec[layout.RecordHeader:]))
		if at%3 > 0 {
			return
		}
	}
}

// mutateNode changes a record of a tree node.
func mutateNode(kind byte, b []byte, at, other int, value []byte) {
	n := layout.Node(b)
	if !layout.IsNode(n) || n.Validate(n.Self()) != nil || n.Count() == 0 {
		return
	}
	i := at % n.Count()
	switch p := n.Payload(i); kind {
	case 12:
		if len(p) > 0 {
			copy(p[other%len(p):], value)
		}
	case 13:
		n.SetKey(i, binary.LittleEndian.Uint64(value)>>(other%64))
	case 14:
		n.Delete(i)
	default:
		q := append([]byte{}, p...)
		if n.Fits(len(q)) {
			n.Insert(i+1, n.Key(i)+1+uint64(value[0]), q)
		}
	}
	layout.Seal(n)
}

// metadata returns the blocks of a medium that are worth damaging: all but file data.
func metadata(s *surgery) []uint64 {
	list := []uint64{0, 1, layout.JournalHeadA, layout.JournalHeadB, layout.JournalRing, s.sb.Backup}
	for b := uint64(layout.JournalRing); b < s.sb.Blocks; b++ {
		p := s.block(b)
		isInode := layout.Inode(p).Sealed(layout.Inode(p).Ino()) || layout.Inode(p[layout.InodeSize:]).Sealed(layout.InodeFileIno)
		if layout.IsNode(p) || layout.IsShardTable(p) || isInode || layout.BitmapIs(p, layout.KindInodes, 0) {
			list = append(list, b)
		}
	}
	return list
}
