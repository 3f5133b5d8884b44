package pmemfs

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/xattr"
)

// vetXattr checks an attribute's name and value.
func vetXattr(name, value []byte) error {
	if len(name) == 0 || len(name) > layout.XattrNameMax || len(value) > layout.XattrValueMax {
		return ErrRange
	}
	for _, b := range name {
		if b == 0 {
			return ErrInvalid
		}
	}
	return nil
}

// GetXattr returns a copy of an extended attribute's value. Read permission is needed, but not for access control lists.
// No fence.
//
// Errors: ErrNoXattr; ErrAccess; read errors.
func (fs *FS) GetXattr(c *Cred, call *Call, h Handle, name []byte) (value []byte, err error) {
	if k := aclKind(name); k != 0 {
		return fs.aclXattr(call, h, k)
	}
	err = fs.readXattr(c, call, h, func(s *xattr.Set) error {
		v, found, err := s.Get(name)
		if err == nil && !found {
			err = ErrNoXattr
		}
		value = v
		return err
	})
	return value, err
}

// ListXattr returns copies of the names of a file's extended attributes, in no order. No fence.
//
// Errors: ErrAccess; read errors.
func (fs *FS) ListXattr(c *Cred, call *Call, h Handle) (names [][]byte, err error) {
	err = fs.readXattr(c, call, h, func(s *xattr.Set) error {
		var err error
		names, err = s.List()
		return err
	})
	return names, err
}

func (fs *FS) readXattr(c *Cred, call *Call, h Handle, f func(*xattr.Set) error) error {
	return fs.view(call, h, func(in layout.Inode) error {
		if err := fs.allowData(c, call, in, AccessRead); err != nil {
			return err
		}
		set := xattr.Open(fs.j, nil, in, fs.xk0, fs.xk1)
		return f(&set)
	})
}

// SetXattr sets an extended attribute of up to 64 KiB. Write permission is needed. One fence, two for a value of more
// than 1 KiB; durable on return. An access control list is set as SetACLs does, whatever the flags say.
//
// Errors: ErrRange for a name or a value that is too long, ErrInvalid for flags, a zero byte, or a list that makes no sense; ErrExist and
// ErrNoXattr by flags; ErrNoSpace for more than a file may have; ErrAccess; those of SetACLs; change errors.
func (fs *FS) SetXattr(c *Cred, call *Call, h Handle, name, value []byte, flags XattrFlags) error {
	if err := vetXattr(name, value); err != nil {
		return err
	}
	if flags&^(XattrCreate|XattrReplace) != 0 || flags == XattrCreate|XattrReplace {
		return ErrInvalid
	}
	if k := aclKind(name); k != 0 {
		acl, err := parseACL(value)
		if err != nil {
			return err
		}
		return fs.SetACLs(c, call, h, ACLs{Access: acl, Default: acl}, k)
	}
	return fs.editXattr(c, call, h, fs.mayWrite(c, call), func(_ layout.Inode, s *xattr.Set) error {
		if flags != 0 {
			_, found, err := s.Get(name)
			switch {
			case err != nil:
				return err
			case found && flags == XattrCreate:
				return ErrExist
			case !found && flags == XattrReplace:
				return ErrNoXattr
			}
		}
		return s.Put(name, value)
	})
}

// RemoveXattr removes an extended attribute. Write permission is needed. One fence; durable on return. To remove an access
// control list is to set an empty one, which is no error where there is none.
//
// Errors: ErrNoXattr; ErrAccess; those of SetACLs; change errors.
func (fs *FS) RemoveXattr(c *Cred, call *Call, h Handle, name []byte) error {
	if k := aclKind(name); k != 0 {
		return fs.SetACLs(c, call, h, ACLs{}, k)
	}
	return fs.editXattr(c, call, h, fs.mayWrite(c, call), func(_ layout.Inode, s *xattr.Set) error {
		found, err := s.Remove(name)
		if err == nil && !found {
			err = ErrNoXattr
		}
		return err
	})
}

// mayWrite returns a function that vets a change of ordinary attributes.
func (fs *FS) mayWrite(c *Cred, call *Call) func(layout.Inode) error {
	return func(in layout.Inode) error { return fs.allowData(c, call, in, AccessWrite) }
}

// editXattr changes attributes of a file, and maybe other fields of its inode, in one record: f gets the shadow of the
// inode, when may has nothing against it.
func (fs *FS) editXattr(c *Cred, call *Call, h Handle, may func(layout.Inode) error, f func(layout.Inode, *xattr.Set) error) error {
	if err := fs.changeable(h); err != nil {
		return err
	}
	ch := change{fs: fs, call: call, ino: h.Ino}
	return ch.single(func() error {
		old, err := fs.inodes.Get(nil, h.Ino, h.Gen)
		if err != nil {
			return err
		}
		ch.call.setPost(0, old)
		if err := may(old); err != nil {
			return err
		}
		op := ch.begin()
		in, err := fs.inodes.Shadow(op, h.Ino)
		if err != nil {
			return err
		}
		set := xattr.Open(fs.j, op, in, fs.xk0, fs.xk1)
		if err := f(in, &set); err != nil {
			return err
		}
		in.SetCtime(now())
		in.BumpChange()
		ch.call.setNext(0, in)
		ch.call.note(op, Handle{})
		return nil
	}, h.Ino)
}
