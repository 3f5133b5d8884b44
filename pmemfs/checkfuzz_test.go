package pmemfs

import (
	"encoding/binary"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
)

// FuzzCheck damages a small image in as many places as the input says, sealing what it damages when told to, so that
// the damage gets past the checksums. The check must end, without a panic, whatever it finds. Each edit is eight bytes:
// block u16, offset in it u16, kind u8, three bytes to store.
func FuzzCheck(f *testing.F) {
	healthy := operate(f, true)
	busy := metadata(healthy)
	f.Add([]byte{0, 0, 40, 0, 1, 1, 2, 3})
	f.Add([]byte{3, 0, 32, 0, 2, 0xff, 0xff, 0, 3, 0, 64, 0, 2, 1, 0, 0})
	f.Add([]byte{9, 0, 136, 2, 3, 1, 0, 0})
	f.Fuzz(func(t *testing.T, edits []byte) {
		if len(edits) > 4096 {
			return
		}
		medium := append([]byte{}, healthy.medium...)
		for ; len(edits) >= 8; edits = edits[8:] {
			b := busy[int(binary.LittleEndian.Uint16(edits))%len(busy)]
			damageBlock(medium[layout.BlockOffset(b):][:layout.BlockSize], edits)
		}
		r, err := check.Run(medium, nil)
		if err == nil && len(r.Faults) > check.MaxFaults {
			t.Errorf("%d faults kept", len(r.Faults))
		}
	})
}

// damageBlock makes one edit.
func damageBlock(block, edit []byte) {
	at := int(binary.LittleEndian.Uint16(edit[2:])) % (layout.BlockSize - 4)
	copy(block[at:], edit[5:8])
	switch edit[4] % 4 {
	case 1:
		layout.Seal(block)
	case 2: // as a record of the journal
		h := layout.DecodeRecordHead(block)
		if h.Length >= layout.RecordHeader && h.Length <= layout.BlockSize {
			layout.EncodeRecordHead(block, &h, layout.CRC(block[layout.RecordHeader:h.Length]))
		}
	case 3:
		for i := 0; i < layout.BlockSize; i += layout.InodeSize {
			layout.Inode(block[i:]).Seal()
		}
	}
}

// metadata returns the blocks of a medium that are worth damaging: all but file data.
func metadata(s *surgery) []uint64 {
	list := []uint64{0, 1, layout.JournalHeadA, layout.JournalHeadB, layout.JournalRing, s.sb.Backup}
	for b := uint64(layout.JournalRing); b < s.sb.Blocks; b++ {
		p := s.block(b)
		isInode := layout.Inode(p).Sealed(layout.Inode(p).Ino()) || layout.Inode(p[layout.InodeSize:]).Sealed(layout.InodeFileIno)
		if layout.IsNode(p) || isInode || layout.BitmapIs(p, layout.KindInodes, 0) {
			list = append(list, b)
		}
	}
	return list
}
