package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
)

// making is a new file on its way into a directory.
type making struct {
	change
	dir    Handle
	typ    FileType
	attr   *SetAttr
	target []byte // of a symbolic link
	major  uint32
	minor  uint32
	verify bool // keep verifier
	verif  uint64
	made   Attr
}

// Create makes a regular file, or returns the one that is there as mode says. It needs write and execute permission on
// dir. One fence; durable on return.
//
// Errors: ErrExist as mode says, ErrIsDir for a directory that is there; ErrFileTooBig for a size; those of Mkdir.
func (fs *FS) Create(c *Cred, call *Call, dir Handle, name []byte, o *CreateOptions) (Attr, error) {
	if err := fs.changeable(dir); err != nil {
		return Attr{}, err
	}
	if call.leadsToSnapshots(dir, name) && o.Mode != Guarded {
		return fs.existing(c, call, dir, name, o) // it cannot be made, not even where its directory is gone
	}
	m := making{typ: TypeRegular, attr: &o.Attr, verify: o.Mode == Exclusive, verif: o.Verifier}
	for {
		a, err := fs.makeCall(c, call, dir, name, &m)
		if !errors.Is(err, ErrExist) || o.Mode == Guarded {
			return a, err
		}
		// No gate is held here: the calls below take it again, which could wait for a Close that waits for this one.
		a, err = fs.existing(c, call, dir, name, o)
		if vetName(name) != nil || !errors.Is(err, ErrNotExist) && !errors.Is(err, ErrStale) {
			return a, err
		}
		// Removed meanwhile: it can be made now, or the directory is gone too and makeCall says so.
	}
}

// existing answers a Create of a name that is there.
func (fs *FS) existing(c *Cred, call *Call, dir Handle, name []byte, o *CreateOptions) (Attr, error) {
	var a Attr
	if err := fs.lookup(c, call, dir, name, true, &a); err != nil {
		return Attr{}, err
	}
	switch {
	case o.Mode == Exclusive:
		return fs.madeWith(a.Handle, o.Verifier)
	case a.Type == TypeDir:
		return Attr{}, ErrIsDir
	case a.Type != TypeRegular:
		return Attr{}, ErrExist
	case o.Attr.Mask&SetSize != 0:
		var cut *Call
		if call != nil {
			cut = &Call{Key: call.Key} // the attributes that the call learns are the directory's
		}
		return fs.setattr(c, cut, a.Handle, &SetAttr{Mask: SetSize, Size: o.Attr.Size}, a.Handle)
	}
	return a, nil
}

// madeWith returns the attributes of a file if it was made with that verifier, else ErrExist.
func (fs *FS) madeWith(h Handle, verifier uint64) (a Attr, err error) {
	err = fs.view(nil, h, func(in layout.Inode) error {
		if in.Flags()&layout.FlagVerifier == 0 || in.Verifier() != verifier {
			return ErrExist
		}
		a = attrOf(in)
		return nil
	})
	return a, err
}

// Mkdir makes a directory. One fence; durable on return.
//
// Errors: ErrExist; ErrNotExist in a directory that was removed, or for an empty name; ErrNotDir, ErrNameTooLong, ErrInvalid for a slash or
// a zero byte; ErrAccess; ErrPerm for an owner or a group that may not be set; ErrTooManyLinks; change errors.
func (fs *FS) Mkdir(c *Cred, call *Call, dir Handle, name []byte, s *SetAttr) (Attr, error) {
	return fs.makeCall(c, call, dir, name, &making{typ: TypeDir, attr: s})
}

// Symlink makes a symbolic link. One fence; durable on return.
//
// Errors: ErrInvalid for a target that is empty or has a zero byte, ErrNameTooLong for one that is too long; those of Mkdir.
func (fs *FS) Symlink(c *Cred, call *Call, dir Handle, name, target []byte, s *SetAttr) (Attr, error) {
	switch {
	case len(target) == 0:
		return Attr{}, ErrInvalid
	case len(target) > SymlinkMax:
		return Attr{}, ErrNameTooLong
	}
	for _, b := range target {
		if b == 0 {
			return Attr{}, ErrInvalid
		}
	}
	return fs.makeCall(c, call, dir, name, &making{typ: TypeSymlink, attr: s, target: target})
}

// Mknod makes a device node, FIFO or socket. Device nodes are for root alone. One fence; durable on return.
//
// Errors: ErrPerm for a device node by another than root, ErrInvalid for another type; those of Mkdir.
func (fs *FS) Mknod(c *Cred, call *Call, dir Handle, name []byte, t FileType, major, minor uint32, s *SetAttr) (Attr, error) {
	switch t {
	case TypeChar, TypeBlock:
		if c.UID != 0 {
			return Attr{}, ErrPerm
		}
	case TypeFIFO, TypeSocket:
		major, minor = 0, 0
	default:
		return Attr{}, ErrInvalid
	}
	return fs.makeCall(c, call, dir, name, &making{typ: t, attr: s, major: major, minor: minor})
}

// makeCall makes a file of any type under a name that must be absent.
func (fs *FS) makeCall(c *Cred, call *Call, dir Handle, name []byte, m *making) (Attr, error) {
	if call.leadsToSnapshots(dir, name) {
		return Attr{}, ErrExist
	}
	if err := fs.changeable(dir); err != nil {
		return Attr{}, err
	}
	if err := vetName(name); err != nil {
		if string(name) == "." || string(name) == ".." {
			return Attr{}, ErrExist // "." and ".." are always there
		}
		return Attr{}, err
	}
	m.change = change{fs: fs, call: call, ino: dir.Ino}
	m.dir = dir
	attempt := func() error { return m.record(func() error { return m.body(c, name) }) }
	if err := m.run(attempt); err != nil {
		return Attr{}, err
	}
	return m.made, nil
}

// body reserves an inode number first, since its stripe is locked in order with the directory's.
func (m *making) body(c *Cred, name []byte) error {
	fs, h := m.fs, m.dir
	op := m.begin()
	ino, err := fs.inodes.Reserve(op)
	if errors.Is(err, alloc.ErrNoSpace) {
		return fs.whyNot(c, m.call, h, name) // a name that is there says so on a full filesystem too
	}
	if err != nil {
		return err
	}
	m.lock(h.Ino, ino)
	d, err := fs.directory(m.call, 0, h)
	if err != nil {
		return err
	}
	var at dir.Position
	view := dir.Open(fs.j, nil, d, fs.key)
	_, found, free, err := view.Lookup(name, &at)
	switch {
	case err != nil:
		return err
	case d.Nlink() == 0:
		return ErrNotExist // removed while open
	case fs.refuses(c, d, AccessExec, &err):
		return err
	case found:
		return ErrExist
	case fs.refuses(c, d, AccessWrite|AccessExec, &err):
		return err
	case m.typ == TypeDir && d.Nlink() >= layout.LinkMax:
		return ErrTooManyLinks
	}
	t := now()
	parent, err := fs.inodes.Shadow(op, h.Ino)
	if err != nil {
		return err
	}
	in, err := fs.inodes.New(op, ino)
	if err != nil {
		return err
	}
	if err := fs.fill(c, op, in, parent, m, t); err != nil {
		return err
	}
	dd := dir.Open(fs.j, op, parent, fs.key)
	if err := dd.Insert(&at, free, name, ino, uint8(m.typ)); err != nil {
		return err
	}
	if m.typ == TypeDir {
		parent.SetNlink(parent.Nlink() + 1)
	}
	stampModified(parent, t)
	m.made = attrOf(in)
	m.call.setNext(0, parent)
	m.call.note(op, m.made.Handle)
	return nil
}

// whyNot returns what keeps a full filesystem from making a file, the lack of space last.
func (fs *FS) whyNot(c *Cred, call *Call, h Handle, name []byte) error {
	s := fs.stripes.of(h.Ino)
	s.RLock()
	defer s.RUnlock()
	d, err := fs.directory(call, 0, h)
	if err != nil {
		return err
	}
	if err := fs.allow(c, d, AccessExec); err != nil {
		return err
	}
	switch _, err := fs.resolve(d, name); {
	case err == nil:
		return ErrExist
	case !errors.Is(err, ErrNotExist):
		return err
	case d.Nlink() == 0:
		return ErrNotExist
	case fs.refuses(c, d, AccessWrite|AccessExec, &err):
		return err
	}
	return ErrNoSpace
}

// stampModified records a change of a directory's content or a file's data.
func stampModified(in layout.Inode, t int64) {
	in.SetMtime(t)
	in.SetCtime(t)
	in.BumpChange()
}

// fill gives a new inode its attributes. The group is the creator's, or the directory's if that has the setgid bit,
// which a new directory inherits.
func (fs *FS) fill(c *Cred, op *alloc.Op, in, parent layout.Inode, m *making, t int64) error {
	if c.UID == NoID || c.GID == NoID {
		return ErrInvalid
	}
	mode := uint16(0o644)
	switch m.typ {
	case TypeDir:
		mode = 0o755
	case TypeSymlink:
		mode = 0o777
	}
	in.SetMode(uint16(m.typ)<<12 | mode)
	in.SetNlink(1)
	in.SetUID(c.UID)
	in.SetGID(c.GID)
	setgid := parent.Mode() & layout.ModeSetGID
	if setgid != 0 {
		in.SetGID(parent.GID())
	}
	in.SetProject(parent.Project())
	if fs.quotas.Counts() {
		in.SetFlags(layout.FlagCounted)
	}
	in.SetAtime(t)
	in.SetMtime(t)
	in.SetBtime(t)
	in.SetRdev(m.major, m.minor)
	s := SetAttr{}
	if m.attr != nil {
		s = *m.attr.withoutNoID()
		s.Mask &^= SetGuard
	}
	// Who may give a file away or to a group is as for Setattr.
	if err := fs.maySetattr(c, m.call, in, &SetAttr{Mask: s.Mask & (SetUID | SetGID), UID: s.UID, GID: s.GID}); err != nil {
		return err
	}
	if m.typ == TypeSymlink {
		s.Mask &^= SetMode
	}
	applyAttr(c, in, &s, t)
	hintParent(op, in, parent.Ino())
	if err := fs.inherit(op, in, parent); err != nil {
		return err
	}
	switch m.typ {
	case TypeDir:
		in.SetMode(in.Mode() | setgid)
		in.SetNlink(2)
		in.SetParent(parent.Ino())
	case TypeSymlink:
		return fs.fillTarget(op, in, m.target)
	case TypeRegular:
		if s.Mask&SetSize != 0 {
			if s.Size > data.SizeMax {
				return ErrFileTooBig
			}
			in.SetSize(s.Size)
		}
		if m.verify {
			in.SetFlags(in.Flags() | layout.FlagVerifier)
			in.SetVerifier(m.verif)
		}
	}
	return nil
}

// fillTarget stores a symbolic link's target, in the inode if it fits.
func (fs *FS) fillTarget(op *alloc.Op, in layout.Inode, target []byte) error {
	if len(target) <= layout.InlineSize {
		copy(in.Inline(), target)
		in.SetFlags(in.Flags() | layout.FlagInlineTarget)
	} else if _, err := data.Write(op, in, target, 0); err != nil {
		return err
	}
	in.SetSize(uint64(len(target)))
	return nil
}
