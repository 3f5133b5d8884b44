package rawnfs

import (
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// Remove is REMOVE.
func (u *User) Remove(dir Handle, name string) error {
	return u.plain(nfswire.ProcRemove, shape{"w", "w"}, entry(dir, name))
}

// Rmdir is RMDIR.
func (u *User) Rmdir(dir Handle, name string) error {
	return u.plain(nfswire.ProcRmdir, shape{"w", "w"}, entry(dir, name))
}

// Rename is RENAME.
func (u *User) Rename(from Handle, name string, to Handle, toName string) error {
	return u.plain(nfswire.ProcRename, shape{"ww", "ww"}, func(e *rpc.Encoder) {
		entry(from, name)(e)
		entry(to, toName)(e)
	})
}

// Link is LINK.
func (u *User) Link(h, dir Handle, name string) error {
	return u.plain(nfswire.ProcLink, shape{"aw", "aw"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		entry(dir, name)(e)
	})
}

// plain is a procedure whose reply has nothing beside attributes.
func (u *User) plain(proc uint32, s shape, args func(*rpc.Encoder)) error {
	d, err := u.call(proc, s, args)
	if err != nil {
		return err
	}
	return done(d)
}

// Readdir is READDIR; bytes bounds the reply.
func (u *User) Readdir(dir Handle, cookie, verifier uint64, bytes uint32) (Page, error) {
	return u.list(nfswire.ProcReaddir, dir, cookie, verifier, func(e *rpc.Encoder) { e.Uint32(bytes) })
}

// ReaddirPlus is READDIRPLUS; dirBytes bounds the names, bytes the reply.
func (u *User) ReaddirPlus(dir Handle, cookie, verifier uint64, dirBytes, bytes uint32) (Page, error) {
	return u.list(nfswire.ProcReaddirPlus, dir, cookie, verifier, func(e *rpc.Encoder) {
		e.Uint32(dirBytes)
		e.Uint32(bytes)
	})
}

func (u *User) list(proc uint32, dir Handle, cookie, verifier uint64, counts func(*rpc.Encoder)) (p Page, err error) {
	d, err := u.call(proc, shape{"a", "a"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(dir))
		e.Uint64(cookie)
		e.Uint64(verifier)
		counts(e)
	})
	if err != nil {
		return p, err
	}
	p.Verifier = d.Uint64()
	for d.Bool() {
		entry := Entry{Fileid: d.Uint64(), Name: string(d.Opaque(nameBytesMax)), Cookie: d.Uint64()}
		if proc == nfswire.ProcReaddirPlus {
			w := postOp(d)
			entry.HasAttr, entry.Attr = w.HasAfter, w.After
			if d.Bool() {
				entry.Handle = Handle(d.Opaque(handleBytesMax))
			}
		}
		p.Entries = append(p.Entries, entry)
	}
	p.EOF = d.Bool()
	return p, done(d)
}

// Fsstat is FSSTAT.
func (u *User) Fsstat(h Handle) (s Fsstat, err error) {
	d, err := u.call(nfswire.ProcFsstat, shape{"a", "a"}, one(h))
	if err != nil {
		return s, err
	}
	s = Fsstat{Total: d.Uint64(), Free: d.Uint64(), Avail: d.Uint64(), Files: d.Uint64(), FreeFiles: d.Uint64(), AvailFiles: d.Uint64(),
		Invarsec: d.Uint32()}
	return s, done(d)
}

// Fsinfo is FSINFO.
func (u *User) Fsinfo(h Handle) (s Fsinfo, err error) {
	d, err := u.call(nfswire.ProcFsinfo, shape{"a", "a"}, one(h))
	if err != nil {
		return s, err
	}
	s = Fsinfo{Rtmax: d.Uint32(), Rtpref: d.Uint32(), Rtmult: d.Uint32(), Wtmax: d.Uint32(), Wtpref: d.Uint32(), Wtmult: d.Uint32(),
		Dtpref: d.Uint32(), MaxFile: d.Uint64(), TimeDelta: moment(d), Properties: d.Uint32()}
	return s, done(d)
}

// Pathconf is PATHCONF.
func (u *User) Pathconf(h Handle) (p Pathconf, err error) {
	d, err := u.call(nfswire.ProcPathconf, shape{"a", "a"}, one(h))
	if err != nil {
		return p, err
	}
	p = Pathconf{LinkMax: d.Uint32(), NameMax: d.Uint32(), NoTrunc: d.Bool(), ChownRestricted: d.Bool(), CaseInsensitive: d.Bool(),
		CasePreserving: d.Bool()}
	return p, done(d)
}

// Commit is COMMIT; n of 0 means all from offset on.
func (u *User) Commit(h Handle, offset uint64, n uint32) (Verifier, error) {
	d, err := u.call(nfswire.ProcCommit, shape{"w", "w"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint64(offset)
		e.Uint32(n)
	})
	if err != nil {
		return "", err
	}
	v := Verifier(d.Fixed(8))
	return v, done(d)
}

// one encodes a handle alone.
func one(h Handle) func(*rpc.Encoder) {
	return func(e *rpc.Encoder) { e.Opaque([]byte(h)) }
}
