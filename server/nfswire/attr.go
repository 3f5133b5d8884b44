package nfswire

import (
	"encoding/binary"
	"math"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

// wireTypes are ftype3 by the engine's type, which is the type bits of a mode.
var wireTypes = [16]uint32{
	pmemfs.TypeRegular: TypeRegular,
	pmemfs.TypeDir:     TypeDir,
	pmemfs.TypeBlock:   TypeBlock,
	pmemfs.TypeChar:    TypeChar,
	pmemfs.TypeSymlink: TypeSymlink,
	pmemfs.TypeSocket:  TypeSocket,
	pmemfs.TypeFIFO:    TypeFIFO,
}

// Fill writes fattr3 (RFC 1813 section 2.6) to the first FattrBytes of b.
func Fill(b []byte, fsid uint64, a *pmemfs.Attr) {
	_ = b[FattrBytes-1]
	be := binary.BigEndian
	be.PutUint32(b, wireTypes[a.Type&15])
	be.PutUint32(b[4:], a.Mode&0o7777)
	be.PutUint32(b[8:], a.Nlink)
	be.PutUint32(b[12:], a.UID)
	be.PutUint32(b[16:], a.GID)
	be.PutUint64(b[20:], a.Size)
	be.PutUint64(b[28:], a.Used)
	be.PutUint32(b[36:], a.Major)
	be.PutUint32(b[40:], a.Minor)
	be.PutUint64(b[44:], fsid)
	be.PutUint64(b[52:], a.FileID())
	be.PutUint64(b[60:], Time(a.Atime))
	be.PutUint64(b[68:], Time(a.Mtime))
	be.PutUint64(b[76:], Time(a.Ctime))
}

// FillPostOp writes post_op_attr with attributes to the first PostOpBytes of b.
func FillPostOp(b []byte, fsid uint64, a *pmemfs.Attr) {
	binary.BigEndian.PutUint32(b, 1)
	Fill(b[4:], fsid, a)
}

// PutFattr appends fattr3.
func PutFattr(e *rpc.Encoder, fsid uint64, a *pmemfs.Attr) { Fill(e.Extend(FattrBytes), fsid, a) }

// PutPostOp appends post_op_attr; a may be nil.
func PutPostOp(e *rpc.Encoder, fsid uint64, a *pmemfs.Attr) {
	if a == nil {
		e.Bool(false)
		return
	}
	FillPostOp(e.Extend(PostOpBytes), fsid, a)
}

// PutWcc appends wcc_data (RFC 1813 section 2.6, weak cache consistency). pre may be nil: it must be what the file was
// immediately before the operation, or a client that trusts it would miss the change of another. post may be nil.
func PutWcc(e *rpc.Encoder, fsid uint64, pre, post *pmemfs.Attr) {
	e.Bool(pre != nil)
	if pre != nil {
		e.Uint64(pre.Size)
		e.Uint64(Time(pre.Mtime))
		e.Uint64(Time(pre.Ctime))
	}
	PutPostOp(e, fsid, post)
}

// Time returns nfstime3, seconds above and nanoseconds below, for nanoseconds since 1970. It begins then and ends in 2106.
func Time(ns int64) uint64 {
	switch {
	case ns < 0:
		return 0
	case ns > math.MaxUint32*int64(time.Second):
		return math.MaxUint32 << 32
	}
	sec := uint64(ns) / uint64(time.Second)
	return sec<<32 | (uint64(ns) - sec*uint64(time.Second))
}

// DecodeTime reads nfstime3.
func DecodeTime(d *rpc.Decoder) int64 {
	sec, frac := d.Uint32(), d.Uint32()
	return int64(sec)*int64(time.Second) + int64(min(frac, uint32(time.Second-1)))
}

// DecodeSattr reads sattr3 (RFC 1813 section 2.6) into s.
func DecodeSattr(d *rpc.Decoder, s *pmemfs.SetAttr) {
	if d.Bool() {
		s.Mask, s.Mode = s.Mask|pmemfs.SetMode, d.Uint32()&0o7777
	}
	if d.Bool() {
		s.Mask, s.UID = s.Mask|pmemfs.SetUID, d.Uint32()
	}
	if d.Bool() {
		s.Mask, s.GID = s.Mask|pmemfs.SetGID, d.Uint32()
	}
	if d.Bool() {
		s.Mask, s.Size = s.Mask|pmemfs.SetSize, d.Uint64()
	}
	decodeSetTime(d, s, pmemfs.SetAtimeNow, pmemfs.SetAtime, &s.Atime)
	decodeSetTime(d, s, pmemfs.SetMtimeNow, pmemfs.SetMtime, &s.Mtime)
}

// decodeSetTime reads set_atime or set_mtime: which bits stand for the server's time and for a given one, and where that goes.
func decodeSetTime(d *rpc.Decoder, s *pmemfs.SetAttr, now, given pmemfs.SetMask, t *int64) {
	switch d.Uint32() {
	case dontChange:
	case setToServerTime:
		s.Mask |= now
	case setToClientTime:
		s.Mask |= given
		*t = DecodeTime(d)
	default:
		d.Fail()
	}
}
