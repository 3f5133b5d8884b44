package gonfs

import (
	"bytes"
	"math"
	"net/netip"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/rpc"
)

const (
	maxHandle = 64  // NFS3_FHSIZE
	maxName   = 255 // what the engine and go-nfs take
	maxTarget = 4096

	ioBytes = 1 << 20 // of data in one READ or WRITE, as FSINFO says
)

// request is one call, from its record to its reply. It belongs to one goroutine at a time.
type request struct {
	call   rpc.Call
	record []byte // four bytes for a record mark, then the call
	remote netip.AddrPort
	args   args
	exp    *export.Export
	cred   pmemfs.Cred

	// Kept by the view while go-nfs works on the request.
	err   error         // the first thing that went wrong
	seen  []pmemfs.Attr // attributes that go-nfs was told, in order
	named struct {      // the last name looked up, so that one LOOKUP gives one answer
		dir  pmemfs.Handle
		name string
		attr pmemfs.Attr
	}
}

// args holds the arguments of any NFS procedure; which fields count is the procedure's shape.
type args struct {
	raw     [2][]byte // file handles as sent
	handles [2]pmemfs.Handle
	names   [2][]byte
	set     pmemfs.SetAttr
	offset  uint64 // or cookie
	verf    uint64
	count   uint32 // or the access bits asked for
	limit   uint32 // maxcount of READDIRPLUS
	how     uint32 // of WRITE and CREATE
	typ     uint32 // of MKNOD
	major   uint32
	minor   uint32
	data    []byte

	nh, nn int // handles and names read so far
}

// decode reads arguments of a shape; false if they are not exactly that. The letters are, in RFC 1813's terms:
//
//	h nfs_fh3       n filename3      s sattr3         g sattrguard3    o offset3, cookie3
//	v verifier      c count3, bits   x maxcount       t stable_how     D data, nfspath3
//	C createhow3    M mknoddata3
func (a *args) decode(shape string, b []byte) bool {
	d := rpc.NewDecoder(b)
	for _, letter := range shape {
		a.field(d, letter)
	}
	return d.Done()
}

func (a *args) field(d *rpc.Decoder, letter rune) {
	switch letter {
	case 'h':
		a.raw[a.nh] = d.Opaque(maxHandle)
		a.nh++
	case 'n':
		a.names[a.nn] = d.Opaque(math.MaxInt32)
		a.nn++
	case 's':
		a.sattr(d)
	case 'g':
		if d.Bool() {
			a.set.Mask |= pmemfs.SetGuard
			a.set.GuardCtime = decodeTime(d)
		}
	case 'o':
		a.offset = d.Uint64()
	case 'v':
		a.verf = d.Uint64()
	case 'c':
		a.count = d.Uint32()
	case 'x':
		a.limit = d.Uint32()
	case 't':
		if a.how = d.Uint32(); a.how > fileSync {
			d.Fail()
		}
	case 'D':
		a.data = d.Opaque(math.MaxInt32)
	case 'C':
		switch a.how = d.Uint32(); a.how {
		case createUnchecked, createGuarded:
			a.sattr(d)
		case createExclusive:
			a.verf = d.Uint64()
		default:
			d.Fail()
		}
	case 'M':
		a.mknod(d)
	}
}

func (a *args) mknod(d *rpc.Decoder) {
	a.typ = d.Uint32()
	switch a.typ {
	case typeChar, typeBlock:
		a.sattr(d)
		a.major, a.minor = d.Uint32(), d.Uint32()
	case typeSocket, typeFIFO:
		a.sattr(d)
	}
}

// sattr reads sattr3 (RFC 1813 section 2.5).
func (a *args) sattr(d *rpc.Decoder) {
	s := &a.set
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
	a.setTime(d, pmemfs.SetAtimeNow, pmemfs.SetAtime, &s.Atime)
	a.setTime(d, pmemfs.SetMtimeNow, pmemfs.SetMtime, &s.Mtime)
}

func (a *args) setTime(d *rpc.Decoder, now, given pmemfs.SetMask, t *int64) {
	switch d.Uint32() {
	case dontChange:
	case setToServerTime:
		a.set.Mask |= now
	case setToClientTime:
		a.set.Mask |= given
		*t = decodeTime(d)
	default:
		d.Fail()
	}
}

// vetNames checks the names of a request before anybody acts on them (RFC 1813 section 3.3.3 and others).
func (r *request) vetNames() status {
	for _, name := range r.args.names[:r.args.nn] {
		switch {
		case len(name) == 0 || bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0:
			return nfsErrInval
		case len(name) > maxName:
			return nfsErrNameTooLong
		case r.call.Proc != procLookup && string(name) == ".":
			return nfsErrInval
		case r.call.Proc != procLookup && string(name) == "..":
			return nfsErrExist
		}
	}
	return nfsOK
}
