package gonfs

import (
	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const (
	readdirBytes    = 64 << 10 // of one READDIR reply that clients should ask for
	readdirBytesMax = ioBytes  // and the most that they get
	listEndBytes    = 8        // the end of the list and eof
	entryBytes      = 4 + 8 + 8
	handleOptBytes  = 4 + 4 + handle.Bytes
)

// readdir lists a directory from a cookie that stays good across changes and restarts, which go-nfs's do not.
func (s *Server) readdir(r *request, e *rpc.Encoder) error {
	budget := int(min(r.args.count, readdirBytesMax))
	return s.list(r, e, budget, func(d *pmemfs.DirEntry) int {
		return entryBytes + rpc.OpaqueLen(len(d.Name))
	}, false)
}

// readdirPlus is readdir with attributes and handles. dircount bounds the names alone and is only a hint that clients
// have set far too low for years; maxcount is what counts (RFC 1813 section 3.3.17).
func (s *Server) readdirPlus(r *request, e *rpc.Encoder) error {
	budget := int(min(r.args.limit, readdirBytesMax))
	return s.list(r, e, budget, func(d *pmemfs.DirEntry) int {
		return entryBytes + rpc.OpaqueLen(len(d.Name)) + 4 + nfswire.FattrBytes + handleOptBytes
	}, true)
}

// list writes as many entries as fit in budget bytes of the reply after its status.
func (s *Server) list(r *request, e *rpc.Encoder, budget int, size func(*pmemfs.DirEntry) int, plus bool) error {
	dir := r.args.handles[0]
	attr, err := s.eng.Getattr(nil, dir)
	if err != nil {
		return err
	}
	start := e.Len()
	nfswire.PutPostOp(e, s.handles.FSID(), &attr)
	e.Uint64(0) // the verifier never changes, as cookies never lose their meaning
	first, eof := e.Len(), true
	var cut export.Cut
	err = s.eng.Readdir(&r.cred, &r.within, dir, r.exp.Key(r.args.offset), plus, func(d *pmemfs.DirEntry) bool {
		d.Cookie = r.exp.Offset(d.Cookie)
		end := cut.Before(d.Cookie, e.Len())
		if e.Len()-start+size(d)+listEndBytes > budget {
			eof = false
			e.Truncate(end)
			return false
		}
		s.putEntry(r, e, d, plus)
		return true
	})
	switch {
	case err != nil:
		return err
	case e.Len() == first && !eof:
		return nfswire.ErrTooSmall
	}
	e.Bool(false)
	e.Bool(eof)
	return nil
}

// putEntry writes entry3 or entryplus3.
func (s *Server) putEntry(r *request, e *rpc.Encoder, d *pmemfs.DirEntry, plus bool) {
	e.Bool(true)
	e.Uint64(d.FileID())
	e.Opaque(d.Name)
	e.Uint64(d.Cookie)
	if !plus {
		return
	}
	if !d.HasAttr {
		e.Bool(false)
		e.Bool(false)
		return
	}
	nfswire.PutPostOp(e, s.handles.FSID(), &d.Attr)
	e.Bool(true)
	e.Opaque(s.handles.Append(nil, r.exp.ID(), d.Attr.Handle))
}
