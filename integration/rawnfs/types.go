package rawnfs

import (
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// Attr is fattr3 (RFC 1813 section 2.6); times are nanoseconds since 1970.
type Attr struct {
	Type                uint32 // ftype3
	Mode                uint32
	Nlink               uint32
	UID, GID            uint32
	Size, Used          uint64 // bytes
	Major, Minor        uint32
	FSID, Fileid        uint64
	Atime, Mtime, Ctime int64
}

// Wcc is what a reply says of a file before and after the call: wcc_data, or post_op_attr alone.
type Wcc struct {
	HasBefore    bool
	Size         uint64
	Mtime, Ctime int64
	HasAfter     bool
	After        Attr
}

// Sattr is sattr3: what is nil or false is not set.
type Sattr struct {
	Mode, UID, GID     *uint32
	Size               *uint64
	Atime, Mtime       *int64 // nanoseconds since 1970
	AtimeNow, MtimeNow bool   // the server's clock
}

// CreateHow is createhow3 (section 3.3.8).
type CreateHow struct {
	Mode     uint32 // nfswire.CreateUnchecked, CreateGuarded or CreateExclusive
	Attr     Sattr
	Verifier uint64 // of CreateExclusive
}

// Entry is entry3 or entryplus3.
type Entry struct {
	Fileid  uint64
	Name    string
	Cookie  uint64
	HasAttr bool
	Attr    Attr
	Handle  Handle // "" if there is none
}

// Page is a reply of READDIR or READDIRPLUS.
type Page struct {
	Verifier uint64
	Entries  []Entry
	EOF      bool
}

// Fsstat is FSSTAT3resok (section 3.3.18), in bytes and files.
type Fsstat struct {
	Total, Free, Avail           uint64
	Files, FreeFiles, AvailFiles uint64
	Invarsec                     uint32
}

// Fsinfo is FSINFO3resok (section 3.3.19), in bytes.
type Fsinfo struct {
	Rtmax, Rtpref, Rtmult uint32
	Wtmax, Wtpref, Wtmult uint32
	Dtpref                uint32
	MaxFile               uint64
	TimeDelta             int64 // nanoseconds
	Properties            uint32
}

// Pathconf is PATHCONF3resok (section 3.3.20).
type Pathconf struct {
	LinkMax, NameMax                                          uint32
	NoTrunc, ChownRestricted, CaseInsensitive, CasePreserving bool
}

func attr(d *rpc.Decoder) Attr {
	a := Attr{Type: d.Uint32(), Mode: d.Uint32(), Nlink: d.Uint32(), UID: d.Uint32(), GID: d.Uint32(), Size: d.Uint64(), Used: d.Uint64(),
		Major: d.Uint32(), Minor: d.Uint32(), FSID: d.Uint64(), Fileid: d.Uint64()}
	a.Atime, a.Mtime, a.Ctime = moment(d), moment(d), moment(d)
	return a
}

func moment(d *rpc.Decoder) int64 {
	seconds := int64(d.Uint32())
	return seconds*1e9 + int64(d.Uint32())
}

// postOp reads post_op_attr.
func postOp(d *rpc.Decoder) (w Wcc) {
	if w.HasAfter = d.Bool(); w.HasAfter {
		w.After = attr(d)
	}
	return w
}

// wccData reads wcc_data.
func wccData(d *rpc.Decoder) Wcc {
	var before Wcc
	if before.HasBefore = d.Bool(); before.HasBefore {
		before.Size, before.Mtime, before.Ctime = d.Uint64(), moment(d), moment(d)
	}
	w := postOp(d)
	w.HasBefore, w.Size, w.Mtime, w.Ctime = before.HasBefore, before.Size, before.Mtime, before.Ctime
	return w
}

// sattr writes sattr3.
func sattr(e *rpc.Encoder, s *Sattr) {
	for _, v := range []*uint32{s.Mode, s.UID, s.GID} {
		e.Bool(v != nil)
		if v != nil {
			e.Uint32(*v)
		}
	}
	e.Bool(s.Size != nil)
	if s.Size != nil {
		e.Uint64(*s.Size)
	}
	for _, t := range []struct {
		at  *int64
		now bool
	}{{s.Atime, s.AtimeNow}, {s.Mtime, s.MtimeNow}} {
		switch {
		case t.now:
			e.Uint32(1) // SET_TO_SERVER_TIME
		case t.at == nil:
			e.Uint32(0) // DONT_CHANGE
		default:
			e.Uint32(2) // SET_TO_CLIENT_TIME
			putMoment(e, *t.at)
		}
	}
}

func putMoment(e *rpc.Encoder, t int64) {
	e.Uint32(uint32(t / 1e9))
	e.Uint32(uint32(t % 1e9))
}

// statusOf names the status of a reply; nil for OK.
func statusOf(s uint32) error {
	if s == uint32(nfswire.OK) {
		return nil
	}
	return Status(s)
}
