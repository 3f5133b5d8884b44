package gonfs

import (
	"math"

	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// access answers ACCESS from the permissions; go-nfs grants whatever is asked.
func (s *Server) access(r *request, e *rpc.Encoder) error {
	h := r.args.handles[0]
	got, err := s.eng.Access(&r.cred, &r.within, h, pmemfs.AccessRead|pmemfs.AccessWrite|pmemfs.AccessExec)
	if err != nil {
		return err
	}
	attr, err := s.eng.Getattr(nil, h)
	if err != nil {
		return err
	}
	var bits uint32
	if got&pmemfs.AccessRead != 0 {
		bits |= nfswire.AccessRead
	}
	if got&pmemfs.AccessWrite != 0 && !r.exp.ReadOnly {
		bits |= nfswire.AccessModify | nfswire.AccessExtend
		if attr.Type == pmemfs.TypeDir {
			bits |= nfswire.AccessDelete
		}
	}
	if got&pmemfs.AccessExec != 0 {
		if attr.Type == pmemfs.TypeDir {
			bits |= nfswire.AccessLookup
		} else {
			bits |= nfswire.AccessExecute
		}
	}
	nfswire.PutPostOp(e, s.handles.FSID(), &attr)
	e.Uint32(bits & r.args.count)
	return nil
}

// setattr makes all of a SETATTR in one durable step; go-nfs does it in up to four, without setuid, setgid and sticky.
func (s *Server) setattr(r *request, e *rpc.Encoder) error {
	h := r.args.handles[0]
	pre := s.attrOf(h)
	post, err := s.eng.Setattr(&r.cred, &r.within, h, &r.args.set)
	if err != nil {
		return err
	}
	putWcc(e, s.handles.FSID(), pre, &post)
	return nil
}

// create makes a file as asked, in one durable step; go-nfs truncates what exists, looks before it makes, and knows no
// exclusive mode.
func (s *Server) create(r *request, e *rpc.Encoder) error {
	opts := pmemfs.CreateOptions{Verifier: r.args.verf, Attr: r.args.set}
	switch r.args.how {
	case nfswire.CreateUnchecked:
		opts.Mode = pmemfs.Unchecked
	case nfswire.CreateGuarded:
		opts.Mode = pmemfs.Guarded
	case nfswire.CreateExclusive:
		// The client sends the attributes with a SETATTR afterwards; until then the file is its owner's alone.
		opts.Mode, opts.Attr = pmemfs.Exclusive, pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o600}
	}
	return s.made(r, e, func(dir pmemfs.Handle, name []byte) (pmemfs.Attr, error) {
		return s.eng.Create(&r.cred, &r.within, dir, name, &opts)
	})
}

func (s *Server) mkdir(r *request, e *rpc.Encoder) error {
	return s.made(r, e, func(dir pmemfs.Handle, name []byte) (pmemfs.Attr, error) {
		return s.eng.Mkdir(&r.cred, &r.within, dir, name, &r.args.set)
	})
}

func (s *Server) symlink(r *request, e *rpc.Encoder) error {
	if len(r.args.data) > maxTarget {
		return nfswire.ErrNameTooLong
	}
	return s.made(r, e, func(dir pmemfs.Handle, name []byte) (pmemfs.Attr, error) {
		return s.eng.Symlink(&r.cred, &r.within, dir, name, r.args.data, &r.args.set)
	})
}

var nodeTypes = map[uint32]pmemfs.FileType{
	nfswire.TypeBlock: pmemfs.TypeBlock, nfswire.TypeChar: pmemfs.TypeChar, nfswire.TypeSocket: pmemfs.TypeSocket, nfswire.TypeFIFO: pmemfs.TypeFIFO,
}

// mknod makes devices, sockets and FIFOs; go-nfs answers OK for a character device and makes nothing.
func (s *Server) mknod(r *request, e *rpc.Encoder) error {
	t, ok := nodeTypes[r.args.typ]
	if !ok {
		return nfswire.ErrBadType
	}
	return s.made(r, e, func(dir pmemfs.Handle, name []byte) (pmemfs.Attr, error) {
		return s.eng.Mknod(&r.cred, &r.within, dir, name, t, r.args.major, r.args.minor, &r.args.set)
	})
}

// made writes the reply that all procedures that make an object share.
func (s *Server) made(r *request, e *rpc.Encoder, make func(pmemfs.Handle, []byte) (pmemfs.Attr, error)) error {
	dir := r.args.handles[0]
	pre := s.attrOf(dir)
	attr, err := make(dir, r.args.names[0])
	if err != nil {
		return err
	}
	e.Bool(true)
	e.Opaque(s.handles.Append(nil, r.exp.ID(), attr.Handle))
	nfswire.PutPostOp(e, s.handles.FSID(), &attr)
	putWcc(e, s.handles.FSID(), pre, s.attrOf(dir))
	return nil
}

// link makes a hard link; go-nfs reads its arguments as those of SYMLINK.
func (s *Server) link(r *request, e *rpc.Encoder) error {
	file, dir := r.args.handles[0], r.args.handles[1]
	pre := s.attrOf(dir)
	attr, err := s.eng.Link(&r.cred, &r.within, file, dir, r.args.names[0])
	if err != nil {
		return err
	}
	nfswire.PutPostOp(e, s.handles.FSID(), &attr)
	putWcc(e, s.handles.FSID(), pre, s.attrOf(dir))
	return nil
}

// commit asks the engine, which has made everything durable already, whether the medium still stands by it.
func (s *Server) commit(r *request, e *rpc.Encoder) error {
	h := r.args.handles[0]
	if err := s.eng.Sync(h); err != nil {
		return err
	}
	putWcc(e, s.handles.FSID(), nil, s.attrOf(h))
	e.Uint64(s.eng.Verifier())
	return nil
}

func (s *Server) fsstat(r *request, e *rpc.Encoder) error {
	attr, err := s.eng.Getattr(nil, r.args.handles[0])
	if err != nil {
		return err
	}
	st, err := s.eng.StatfsAt(r.args.handles[0])
	if err != nil {
		return err
	}
	nfswire.PutPostOp(e, s.handles.FSID(), &attr)
	for _, v := range []uint64{st.TotalBytes, st.FreeBytes, st.AvailBytes, st.TotalFiles, st.FreeFiles, st.FreeFiles} {
		e.Uint64(v)
	}
	e.Uint32(0) // invarsec: it changes all the time
	return nil
}

func (s *Server) fsinfo(r *request, e *rpc.Encoder) error {
	attr, err := s.eng.Getattr(nil, r.args.handles[0])
	if err != nil {
		return err
	}
	nfswire.PutPostOp(e, s.handles.FSID(), &attr)
	for range 2 { // rtmax, rtpref, rtmult; wtmax, wtpref, wtmult
		e.Uint32(ioBytes)
		e.Uint32(ioBytes)
		e.Uint32(4096)
	}
	e.Uint32(readdirBytes) // dtpref
	e.Uint64(math.MaxInt64)
	e.Uint32(0) // time_delta: one nanosecond
	e.Uint32(1)
	e.Uint32(nfswire.FSFLink | nfswire.FSFSymlink | nfswire.FSFHomogeneous | nfswire.FSFCanSetTime)
	return nil
}

func (s *Server) pathconf(r *request, e *rpc.Encoder) error {
	attr, err := s.eng.Getattr(nil, r.args.handles[0])
	if err != nil {
		return err
	}
	nfswire.PutPostOp(e, s.handles.FSID(), &attr)
	e.Uint32(math.MaxInt32) // linkmax
	e.Uint32(nfswire.NameMax)
	e.Bool(true)  // no_trunc
	e.Bool(true)  // chown_restricted
	e.Bool(false) // case_insensitive
	e.Bool(true)  // case_preserving
	return nil
}
