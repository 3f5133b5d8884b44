package ninep

import (
	"encoding/binary"
	"math/bits"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

// kind is the kind of a message: an even number for a request, the next for its answer.
type kind uint8

// The requests of 9P2000.L.
const (
	tStatfs      kind = 8
	tLopen       kind = 12
	tLcreate     kind = 14
	tSymlink     kind = 16
	tMknod       kind = 18
	tRename      kind = 20
	tReadlink    kind = 22
	tGetattr     kind = 24
	tSetattr     kind = 26
	tXattrwalk   kind = 30
	tXattrcreate kind = 32
	tReaddir     kind = 40
	tFsync       kind = 50
	tLock        kind = 52
	tGetlock     kind = 54
	tLink        kind = 70
	tMkdir       kind = 72
	tRenameat    kind = 74
	tUnlinkat    kind = 76
	tVersion     kind = 100
	tAuth        kind = 102
	tAttach      kind = 104
	tFlush       kind = 108
	tWalk        kind = 110
	tRead        kind = 116
	tWrite       kind = 118
	tClunk       kind = 120
	tRemove      kind = 122

	rLerror kind = 7
)

const (
	version = "9P2000.L"
	unknown = "unknown"

	noFid uint32 = 1<<32 - 1
	noUID uint32 = 1<<32 - 1

	lengthBytes = 4         // of a message, in front of it
	headBytes   = 1 + 2     // kind and tag
	qidBytes    = 1 + 4 + 8 // type, version, path
	readHead    = lengthBytes + headBytes + 4
	ioHead      = 24 // what clients leave of msize for the rest of a Twrite
	walkMax     = 16 // names of one Twalk: MAXWELEM of walk(5)
	msizeMin    = 512
)

// Types of a qid.
const (
	qidDir     = 0x80
	qidSymlink = 0x02
	qidFile    = 0x00
)

var le = binary.LittleEndian

// decoder reads the fields of a request. The first thing that is not there sets the failure, and everything after reads as
// zero. Byte slices alias the request.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) take(n int) []byte {
	if d.failed || n > len(d.b) {
		d.failed = true
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return le.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

func (d *decoder) str() []byte { return d.take(int(d.u16())) }

// done reports whether everything was there and nothing is left.
func (d *decoder) done() bool { return !d.failed && len(d.b) == 0 }

func put8(e *rpc.Encoder, v uint8)   { e.Extend(1)[0] = v }
func put32(e *rpc.Encoder, v uint32) { le.PutUint32(e.Extend(4), v) }
func put64(e *rpc.Encoder, v uint64) { le.PutUint64(e.Extend(8), v) }

// putStr appends a string of at most 65,535 bytes.
func putStr(e *rpc.Encoder, s []byte) {
	b := e.Extend(2 + len(s))
	le.PutUint16(b, uint16(len(s)))
	copy(b[2:], s)
}

// qidType is the type of the qid of a file.
func qidType(t pmemfs.FileType) uint8 {
	switch t {
	case pmemfs.TypeDir:
		return qidDir
	case pmemfs.TypeSymlink:
		return qidSymlink
	}
	return qidFile
}

// fillQid writes a qid. Its version tells the file from others that had its number, before and after; it never changes. See versionOf.
func fillQid(b []byte, a *pmemfs.Attr) {
	b[0] = qidType(a.Type)
	le.PutUint32(b[1:], versionOf(a.Gen))
	le.PutUint64(b[5:], a.FileID())
}

// versionOf is a generation in 32 bits: what a client keeps of it, and all of a qid that tells two files of one number apart. A generation is
// the epoch of the image's mount and a counter. Epochs begin as far from each other as they can, so that two of them come by the same
// versions only when mounts, rounded up to a power of two, times the files made in one are more than 2^32.
//
// Zero means to Linux that a file is not to be cached.
func versionOf(gen uint64) uint32 {
	return max(bits.Reverse32(uint32(gen>>32))+uint32(gen), 1)
}

func putQid(e *rpc.Encoder, a *pmemfs.Attr) { fillQid(e.Extend(qidBytes), a) }
