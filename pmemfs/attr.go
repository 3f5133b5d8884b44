package pmemfs

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// Getattr returns the attributes of a file. It needs no permission, allocates nothing and costs no fence.
//
// Errors: read errors.
func (fs *FS) Getattr(call *Call, h Handle) (a Attr, err error) {
	err = fs.view(call, h, func(in layout.Inode) error {
		if call != nil {
			a = call.WCC[0].Post
		} else {
			a = attrOf(in)
		}
		return nil
	})
	return a, err
}

// Access returns which of the Access bits in want the caller has (RFC 1813 section 3.3.4). It costs no fence.
//
// Errors: read errors.
func (fs *FS) Access(c *Cred, call *Call, h Handle, want uint32) (got uint32, err error) {
	err = fs.view(call, h, func(in layout.Inode) error {
		var err error
		got, err = fs.granted(c, in, want&(AccessRead|AccessWrite|AccessExec))
		if err == nil && want&AccessChange != 0 && fs.allow(c, in, AccessWrite|AccessExec) == nil {
			got |= AccessChange
		}
		return err
	})
	return got, err
}

// Setattr changes attributes, all in one record, and returns what they are then. One fence; durable on return. Changing
// the size to less frees blocks, of a heavily fragmented file in further records.
//
// Errors: ErrPerm and ErrAccess by permission; ErrNotSync for a guard that does not match; ErrIsDir, ErrInvalid and ErrFileTooBig for a
// size; change errors.
func (fs *FS) Setattr(c *Cred, call *Call, h Handle, s *SetAttr) (Attr, error) {
	return fs.setattr(c, call, h, s, Handle{})
}

// setattr is Setattr; made is what the note of the call says that it made.
func (fs *FS) setattr(c *Cred, call *Call, h Handle, s *SetAttr, made Handle) (Attr, error) {
	if err := fs.changeable(h); err != nil {
		return Attr{}, err
	}
	s = s.withoutNoID()
	x := setting{change: change{fs: fs, call: call, ino: h.Ino}, h: h, made: made}
	if err := x.run(func() error { return x.attempt(c, s) }); err != nil {
		return Attr{}, err
	}
	return x.attr, nil
}

// setting is a Setattr under way.
type setting struct {
	change
	h    Handle
	made Handle
	attr Attr // what the attributes are then
	more bool // blocks behind the new end are left to be freed
}

func (x *setting) attempt(c *Cred, s *SetAttr) error {
	x.lock(x.h.Ino)
	x.flush(x.h.Ino)
	if err := x.record(func() error { return x.body(c, s) }); err != nil || !x.more {
		return err
	}
	x.fs.reapOrDefer(x.h.Ino) // what can be seen has shrunk, and cannot come back (mayGrow)
	x.learn()
	return nil
}

func (x *setting) body(c *Cred, s *SetAttr) error {
	fs := x.fs
	old, err := fs.inodes.Get(nil, x.h.Ino, x.h.Gen)
	if err != nil {
		return err
	}
	x.call.setPost(0, old)
	if err := fs.maySetattr(c, x.call, old, s); err != nil {
		return err
	}
	if s.Mask&^SetGuard == 0 {
		x.attr = attrOf(old)
		return nil
	}
	if s.Mask&SetSize != 0 && s.Size > old.Size() {
		if err := fs.mayGrow(old); err != nil {
			return err
		}
	}
	op := x.begin()
	in, err := fs.inodes.Shadow(op, x.h.Ino)
	if err != nil {
		return err
	}
	t := now()
	if s.Mask&SetSize != 0 {
		if x.more, err = fs.resize(c, op, in, s.Size, t); err != nil {
			return err
		}
	}
	applyAttr(c, in, s, t)
	if s.Mask&SetMode != 0 {
		if err := fs.chmodACL(op, in); err != nil {
			return err
		}
	}
	if x.more && !mutation.CutIsOrphan.Off() {
		if err := fs.orphan(op, x.h.Ino); err != nil {
			return err
		}
	}
	x.attr = attrOf(in)
	x.call.setNext(0, in)
	x.call.note(op, x.made)
	return nil
}

// learn reads the attributes again, which the freeing of blocks has changed. An inode that cannot be read is as it was.
func (x *setting) learn() {
	var err error
	defer x.fs.region.Unguard(x.fs.region.Guard(), &err)
	if in, err := x.fs.inodes.View(nil, x.h.Ino); err == nil {
		x.call.setPost(0, in)
		x.attr = attrOf(in)
	}
}

// maySetattr checks a change of attributes.
func (fs *FS) maySetattr(c *Cred, call *Call, in layout.Inode, s *SetAttr) error {
	const set = SetMode | SetUID | SetGID | SetAtime | SetMtime
	if s.Mask&SetGuard != 0 && s.GuardCtime != in.Ctime() {
		return ErrNotSync
	}
	if s.Mask&set != 0 && !c.owns(in) {
		return ErrPerm
	}
	if s.Mask&SetUID != 0 && c.UID != 0 && s.UID != in.UID() {
		return ErrPerm
	}
	if s.Mask&SetGID != 0 && c.UID != 0 && s.GID != in.GID() && !c.inGroup(s.GID) {
		return ErrPerm
	}
	if s.Mask&(SetAtimeNow|SetMtimeNow) != 0 && !c.owns(in) {
		if err := fs.allow(c, in, AccessWrite); err != nil {
			return err
		}
	}
	if s.Mask&SetDropID != 0 {
		if err := fs.mayDropID(c, call, in); err != nil {
			return err
		}
	}
	if s.Mask&SetSize != 0 {
		switch {
		case in.IsDir():
			return ErrIsDir
		case in.Mode()&layout.ModeType != layout.ModeRegular:
			return ErrInvalid
		case s.Size > data.SizeMax:
			return ErrFileTooBig
		}
		return fs.allowData(c, call, in, AccessWrite)
	}
	return nil
}

// mayDropID checks the taking away of set-id bits: it is part of writing to a file.
func (fs *FS) mayDropID(c *Cred, call *Call, in layout.Inode) error {
	if in.Mode()&layout.ModeType != layout.ModeRegular {
		return ErrPerm
	}
	err := fs.allowData(c, call, in, AccessWrite)
	if err == error(ErrAccess) {
		return ErrPerm
	}
	return err
}

// resize changes the size of in. more is true when blocks are left to free in further operations.
func (fs *FS) resize(c *Cred, op *alloc.Op, in layout.Inode, size uint64, t int64) (more bool, err error) {
	if size < in.Size() {
		op.Frees = true
		done, err := data.Shrink(op, in, size)
		if err != nil {
			return false, err
		}
		more = !done
	}
	if size != in.Size() && c.UID != 0 {
		in.KillSetID()
	}
	in.SetSize(size)
	in.SetMtime(t)
	return more, nil
}

// applyAttr sets the fields of s that c may set, size excepted.
func applyAttr(c *Cred, in layout.Inode, s *SetAttr, t int64) {
	if s.Mask&(SetUID|SetGID) != 0 {
		if !in.IsDir() && (c.UID != 0 || in.Mode()&layout.ModeAnyExec != 0) {
			in.KillSetID()
		}
		if s.Mask&SetUID != 0 {
			in.SetUID(s.UID)
		}
		if s.Mask&SetGID != 0 {
			in.SetGID(s.GID)
		}
	}
	if s.Mask&SetMode != 0 {
		mode := uint16(s.Mode) & layout.ModePerm
		if c.UID != 0 && !c.inGroup(in.GID()) && !in.IsDir() {
			mode &^= layout.ModeSetGID
		}
		in.SetMode(in.Mode()&layout.ModeType | mode)
	}
	if s.Mask&SetDropID != 0 {
		in.SetMode(in.Mode() &^ ((layout.ModeSetUID | layout.ModeSetGID) &^ uint16(s.Mode)))
	}
	switch {
	case s.Mask&SetAtimeNow != 0:
		in.SetAtime(t)
	case s.Mask&SetAtime != 0:
		in.SetAtime(s.Atime)
	}
	switch {
	case s.Mask&SetMtimeNow != 0:
		in.SetMtime(t)
	case s.Mask&SetMtime != 0:
		in.SetMtime(s.Mtime)
	}
	in.SetCtime(t)
	in.BumpChange()
}
