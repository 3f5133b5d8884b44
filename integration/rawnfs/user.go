package rawnfs

import (
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// User is a caller on a client's connection. Its methods are the 22 procedures of NFSv3, one call each, with everything that
// the reply says. A status other than OK is returned as a Status; what a failed reply says of files is in Wcc all the same.
//
// A User belongs to its Client's goroutine.
type User struct {
	// Wcc is what the last reply said of the files whose handles were in the call, in their order.
	Wcc []Wcc

	c    *Client
	cred []byte // opaque_auth, and the empty verifier behind it
}

// As returns a caller with an AUTH_SYS credential.
func (c *Client) As(uid, gid uint32, groups ...uint32) *User {
	body := rpc.NewEncoder(nil)
	body.Uint32(0) // stamp
	body.Opaque([]byte("rawnfs"))
	body.Uint32(uid)
	body.Uint32(gid)
	body.Uint32(uint32(len(groups)))
	for _, g := range groups {
		body.Uint32(g)
	}
	return &User{c: c, cred: credential(rpc.AuthSys, body.Bytes())}
}

// Nobody returns a caller with AUTH_NONE.
func (c *Client) Nobody() *User { return &User{c: c, cred: credential(rpc.AuthNone, nil)} }

func credential(flavor uint32, body []byte) []byte {
	e := rpc.NewEncoder(nil)
	e.Uint32(flavor)
	e.Opaque(body)
	e.Uint32(rpc.AuthNone)
	e.Opaque(nil)
	return e.Bytes()
}

// shape says what follows the status of a procedure, of a reply of OK and of another: a post_op_attr, w wcc_data.
type shape struct{ ok, failed string }

// call carries out one call and returns what follows the attributes of the shape.
func (u *User) call(proc uint32, s shape, args func(*rpc.Encoder)) (*rpc.Decoder, error) {
	return u.callIn(nfswire.ProgNFS, proc, s, args)
}

// callIn is call for a procedure of another program.
func (u *User) callIn(prog, proc uint32, s shape, args func(*rpc.Encoder)) (*rpc.Decoder, error) {
	u.Wcc = nil
	d, err := u.c.exchange(prog, proc, u.cred, args)
	if err != nil {
		return nil, err
	}
	status := statusOf(d.Uint32())
	letters := s.ok
	if status != nil {
		letters = s.failed
	}
	for _, letter := range letters {
		if letter == 'w' {
			u.Wcc = append(u.Wcc, wccData(d))
		} else {
			u.Wcc = append(u.Wcc, postOp(d))
		}
	}
	if err := ended(d); err != nil {
		return nil, err
	}
	if status != nil && !d.Done() {
		return nil, errMalformed
	}
	return d, status
}

// done demands that a reply has nothing more.
func done(d *rpc.Decoder) error {
	if !d.Done() {
		return errMalformed
	}
	return nil
}

// Null is NULL.
func (u *User) Null() error {
	d, err := u.c.exchange(nfswire.ProgNFS, nfswire.ProcNull, u.cred, func(*rpc.Encoder) {})
	if err != nil {
		return err
	}
	return done(d)
}

// Getattr is GETATTR.
func (u *User) Getattr(h Handle) (Attr, error) {
	d, err := u.call(nfswire.ProcGetattr, shape{}, one(h))
	if err != nil {
		return Attr{}, err
	}
	a := attr(d)
	return a, done(d)
}

// Setattr is SETATTR, guarded by a ctime unless that is nil.
func (u *User) Setattr(h Handle, s Sattr, guard *int64) error {
	d, err := u.call(nfswire.ProcSetattr, shape{"w", "w"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		sattr(e, &s)
		e.Bool(guard != nil)
		if guard != nil {
			putMoment(e, *guard)
		}
	})
	if err != nil {
		return err
	}
	return done(d)
}

// Lookup is LOOKUP.
func (u *User) Lookup(dir Handle, name string) (Handle, error) {
	d, err := u.call(nfswire.ProcLookup, shape{"", "a"}, entry(dir, name))
	if err != nil {
		return "", err
	}
	h := Handle(d.Opaque(handleBytesMax))
	file, parent := postOp(d), postOp(d)
	u.Wcc = []Wcc{parent, file}
	return h, done(d)
}

// Access is ACCESS.
func (u *User) Access(h Handle, want uint32) (uint32, error) {
	d, err := u.call(nfswire.ProcAccess, shape{"a", "a"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint32(want)
	})
	if err != nil {
		return 0, err
	}
	got := d.Uint32()
	return got, done(d)
}

// Readlink is READLINK.
func (u *User) Readlink(h Handle) (string, error) {
	d, err := u.call(nfswire.ProcReadlink, shape{"a", "a"}, one(h))
	if err != nil {
		return "", err
	}
	target := string(d.Opaque(replyBytesMax))
	return target, done(d)
}

// Read is READ.
func (u *User) Read(h Handle, offset uint64, n uint32) (data []byte, eof bool, err error) {
	d, err := u.call(nfswire.ProcRead, shape{"a", "a"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint64(offset)
		e.Uint32(n)
	})
	if err != nil {
		return nil, false, err
	}
	count := d.Uint32()
	eof = d.Bool()
	if data = d.Opaque(int(n)); uint32(len(data)) != count {
		return nil, false, errMalformed
	}
	return data, eof, done(d)
}

// SendRead sends what Read does, as SendMkdir does.
func (u *User) SendRead(h Handle, offset uint64, n uint32) error {
	return u.c.post(nfswire.ProgNFS, nfswire.ProcRead, u.cred, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint64(offset)
		e.Uint32(n)
	})
}

// Write is WRITE; how is stable_how, and what was committed is returned.
func (u *User) Write(h Handle, offset uint64, data []byte, how uint32) (n, committed uint32, v Verifier, err error) {
	d, err := u.call(nfswire.ProcWrite, shape{"w", "w"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint64(offset)
		e.Uint32(uint32(len(data)))
		e.Uint32(how)
		e.Opaque(data)
	})
	if err != nil {
		return 0, 0, "", err
	}
	n, committed = d.Uint32(), d.Uint32()
	v = Verifier(d.Fixed(8))
	return n, committed, v, done(d)
}

// Create is CREATE.
func (u *User) Create(dir Handle, name string, how CreateHow) (Handle, Attr, error) {
	return u.make(nfswire.ProcCreate, dir, name, func(e *rpc.Encoder) {
		e.Uint32(how.Mode)
		if how.Mode == nfswire.CreateExclusive {
			e.Uint64(how.Verifier)
		} else {
			sattr(e, &how.Attr)
		}
	})
}

// Mkdir is MKDIR.
func (u *User) Mkdir(dir Handle, name string, s Sattr) (Handle, Attr, error) {
	return u.make(nfswire.ProcMkdir, dir, name, func(e *rpc.Encoder) { sattr(e, &s) })
}

// SendMkdir sends what Mkdir does without attributes, and leaves the reply alone: the connection is of no use for calls any more.
func (u *User) SendMkdir(dir Handle, name string) error {
	return u.c.post(nfswire.ProgNFS, nfswire.ProcMkdir, u.cred, func(e *rpc.Encoder) {
		entry(dir, name)(e)
		sattr(e, &Sattr{})
	})
}

// Symlink is SYMLINK.
func (u *User) Symlink(dir Handle, name, target string, s Sattr) (Handle, Attr, error) {
	return u.make(nfswire.ProcSymlink, dir, name, func(e *rpc.Encoder) {
		sattr(e, &s)
		e.Opaque([]byte(target))
	})
}

// Mknod is MKNOD of any ftype3; only devices have numbers, and regular files and the like nothing (section 3.3.11).
func (u *User) Mknod(dir Handle, name string, typ, major, minor uint32, s Sattr) (Handle, Attr, error) {
	return u.make(nfswire.ProcMknod, dir, name, func(e *rpc.Encoder) {
		e.Uint32(typ)
		switch typ {
		case nfswire.TypeChar, nfswire.TypeBlock:
			sattr(e, &s)
			e.Uint32(major)
			e.Uint32(minor)
		case nfswire.TypeFIFO, nfswire.TypeSocket:
			sattr(e, &s)
		}
	})
}

// make is any procedure that makes something: its handle is "" and its attributes are zero if the reply has none.
func (u *User) make(proc uint32, dir Handle, name string, how func(*rpc.Encoder)) (h Handle, a Attr, err error) {
	d, err := u.call(proc, shape{"", "w"}, func(e *rpc.Encoder) {
		entry(dir, name)(e)
		how(e)
	})
	if err != nil {
		return "", a, err
	}
	if d.Bool() {
		h = Handle(d.Opaque(handleBytesMax))
	}
	a = postOp(d).After
	u.Wcc = []Wcc{wccData(d)}
	return h, a, done(d)
}
