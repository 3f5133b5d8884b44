package gonfs

import (
	"encoding/binary"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// wccAttrBytes is the length of wcc_attr: size, mtime, ctime.
const wccAttrBytes = 24

// mend rewrites go-nfs's reply after the RPC header. A failure gets the engine's own error as status, and attributes.
// In a success every fattr3 is replaced by what the engine said of that inode: go-nfs sends Go's mode bits, one time for
// all three, and no fsid. Attributes before the operation are sent only when they are sound (putWcc).
func (s *Server) mend(r *request, p *procedure, body []byte, e *rpc.Encoder) rpc.Result {
	d := rpc.NewDecoder(body)
	st := status(d.Uint32())
	if !d.OK() {
		return rpc.SystemErr
	}
	if st != nfswire.OK {
		if r.err != nil {
			st = statusOf(r.err)
		}
		return s.refuse(r, p, st, e)
	}
	e.Uint32(uint32(nfswire.OK))
	for _, letter := range p.reply {
		s.mendField(r, letter, d, e)
	}
	if !d.OK() {
		return rpc.SystemErr
	}
	e.Raw(d.Rest())
	return rpc.Success
}

func (s *Server) mendField(r *request, letter rune, d *rpc.Decoder, e *rpc.Encoder) {
	switch letter {
	case 'H':
		e.Opaque(d.Opaque(nfswire.HandleMax))
	case 'F':
		if a := r.lastSeen(fileid(d)); a != nil {
			nfswire.PutFattr(e, s.handles.FSID(), a)
		} else {
			d.Fail()
		}
	case 'a':
		s.mendPostOp(r, d, e, nil)
	case 'w':
		if d.Bool() {
			d.Fixed(wccAttrBytes)
		}
		s.mendPostOp(r, d, e, r.firstSeen)
	}
}

// mendPostOp rewrites post_op_attr, or wcc_data whose first half has been read if before is given.
func (s *Server) mendPostOp(r *request, d *rpc.Decoder, e *rpc.Encoder, before func(uint64) *pmemfs.Attr) {
	var pre, post *pmemfs.Attr
	if d.Bool() {
		id := fileid(d)
		post = r.lastSeen(id)
		if before != nil {
			pre = before(id)
		}
	}
	if before != nil {
		putWcc(e, s.handles.FSID(), pre, post)
	} else {
		nfswire.PutPostOp(e, s.handles.FSID(), post)
	}
}

// fileid reads a whole fattr3 and returns the inode number in it.
func fileid(d *rpc.Decoder) uint64 {
	const at = 52 // after type, mode, nlink, uid, gid, size, used, rdev, fsid
	b := d.Fixed(nfswire.FattrBytes)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b[at:])
}

// note records attributes that go-nfs was told.
func (r *request) note(a pmemfs.Attr) { r.seen = append(r.seen, a) }

func (r *request) firstSeen(ino uint64) *pmemfs.Attr {
	for i := range r.seen {
		if r.seen[i].FileID() == ino {
			return &r.seen[i]
		}
	}
	return nil
}

func (r *request) lastSeen(ino uint64) *pmemfs.Attr {
	for i := len(r.seen) - 1; i >= 0; i-- {
		if r.seen[i].FileID() == ino {
			return &r.seen[i]
		}
	}
	return nil
}
