package gonfs

import (
	"bytes"
	"math"
	"net/netip"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const (
	maxTarget = 4096

	ioBytes = 1 << 20 // of data in one READ or WRITE, as FSINFO says
)

// request is one call, from its record to its reply. It belongs to one goroutine at a time.
type request struct {
	call   rpc.Call
	record []byte // four bytes for a record mark, then the call
	remote netip.AddrPort
	local  netip.AddrPort
	args   args
	at     int // where in the encoder its results begin
	exp    *export.Export
	cred   pmemfs.Cred
	within pmemfs.Call // for LOOKUP and READDIR: as far up as the export goes

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
		a.raw[a.nh] = d.Opaque(nfswire.HandleMax)
		a.nh++
	case 'n':
		a.names[a.nn] = d.Opaque(math.MaxInt32)
		a.nn++
	case 's':
		nfswire.DecodeSattr(d, &a.set)
	case 'g':
		if d.Bool() {
			a.set.Mask |= pmemfs.SetGuard
			a.set.GuardCtime = nfswire.DecodeTime(d)
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
		if a.how = d.Uint32(); a.how > nfswire.FileSync {
			d.Fail()
		}
	case 'D':
		a.data = d.Opaque(math.MaxInt32)
	case 'C':
		switch a.how = d.Uint32(); a.how {
		case nfswire.CreateUnchecked, nfswire.CreateGuarded:
			nfswire.DecodeSattr(d, &a.set)
		case nfswire.CreateExclusive:
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
	case nfswire.TypeChar, nfswire.TypeBlock:
		nfswire.DecodeSattr(d, &a.set)
		a.major, a.minor = d.Uint32(), d.Uint32()
	case nfswire.TypeSocket, nfswire.TypeFIFO:
		nfswire.DecodeSattr(d, &a.set)
	}
}

// vetNames checks the names of a request before anybody acts on them (RFC 1813 section 3.3.3 and others).
func (r *request) vetNames() status {
	for _, name := range r.args.names[:r.args.nn] {
		switch {
		case len(name) == 0 || bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, 0) >= 0:
			return nfswire.ErrInval
		case len(name) > nfswire.NameMax:
			return nfswire.ErrNameTooLong
		case r.call.Proc != nfswire.ProcLookup && string(name) == ".":
			return nfswire.ErrInval
		case r.call.Proc != nfswire.ProcLookup && string(name) == "..":
			return nfswire.ErrExist
		}
	}
	return nfswire.OK
}
