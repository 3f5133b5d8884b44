package ninep

import "pmemfs/pmemfs"

// made makes something in the directory of a fid, with the group of the client's process, and answers its qid.
func (c *call) made(id, gid uint32, create func(dir pmemfs.Handle) (pmemfs.Attr, error)) errno {
	f, no := c.change(id)
	if no != ok {
		return no
	}
	c.withGroup(f, gid)
	a, err := create(f.h)
	if err != nil {
		return c.inDir(err)
	}
	putQid(c.e, &a)
	return ok
}

// withMode sets the permissions of something new.
func withMode(mode uint32) *pmemfs.SetAttr {
	return &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: mode & 0o7777}
}

func (c *call) mkdir() errno {
	id, name, mode, gid := c.d.u32(), c.name(), c.d.u32(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	if !plainMode(mode, pmemfs.TypeDir) {
		return eInval
	}
	return c.made(id, gid, func(dir pmemfs.Handle) (pmemfs.Attr, error) {
		return c.img.eng.Mkdir(&c.cred, &c.call, dir, name, withMode(mode))
	})
}

func (c *call) symlink() errno {
	id, name, target, gid := c.d.u32(), c.name(), c.name(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	return c.made(id, gid, func(dir pmemfs.Handle) (pmemfs.Attr, error) {
		return c.img.eng.Symlink(&c.cred, &c.call, dir, name, target, nil)
	})
}

// mknod makes a file of any type but a directory or a symbolic link; ordinary files too, as mknod(2) does.
func (c *call) mknod() errno {
	id, name := c.d.u32(), c.name()
	mode, major, minor, gid := c.d.u32(), c.d.u32(), c.d.u32(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	if mode>>16 != 0 {
		return eInval
	}
	typ := pmemfs.FileType(mode >> 12)
	return c.made(id, gid, func(dir pmemfs.Handle) (pmemfs.Attr, error) {
		switch typ {
		case 0, pmemfs.TypeRegular:
			return c.img.eng.Create(&c.cred, &c.call, dir, name, &pmemfs.CreateOptions{Mode: pmemfs.Guarded, Attr: *withMode(mode)})
		}
		return c.img.eng.Mknod(&c.cred, &c.call, dir, name, typ, major, minor, withMode(mode))
	})
}

func (c *call) link() errno {
	dirID, id, name := c.d.u32(), c.d.u32(), c.name()
	if !c.d.done() {
		return eProto
	}
	dir, f, no := c.changeBoth(dirID, id)
	if no != ok {
		return no
	}
	_, err := c.img.eng.Link(&c.cred, &c.call, f.h, dir.h, name)
	return c.inDir(err)
}

// rename renames a file from the name by which its fid was found, if it still has that.
func (c *call) rename() errno {
	id, dirID, name := c.d.u32(), c.d.u32(), c.name()
	if !c.d.done() {
		return eProto
	}
	f, to, no := c.changeBoth(id, dirID)
	if no != ok {
		return no
	}
	dir, old, no := c.nameOf(f)
	if no != ok {
		return no
	}
	if err := c.img.eng.Rename(&c.cred, &c.call, dir, old, to.h, name, 0); err != nil {
		return c.status(err)
	}
	f.called(to.h, name)
	return ok
}

func (c *call) renameat() errno {
	fromID, old, toID, name := c.d.u32(), c.name(), c.d.u32(), c.name()
	if !c.d.done() {
		return eProto
	}
	from, to, no := c.changeBoth(fromID, toID)
	if no != ok {
		return no
	}
	return c.inDir(c.img.eng.Rename(&c.cred, &c.call, from.h, old, to.h, name, 0))
}

// removeDir is the only flag of Tunlinkat: AT_REMOVEDIR of unlinkat(2) on Linux.
const removeDir = 0x200

func (c *call) unlinkat() errno {
	id, name, flags := c.d.u32(), c.name(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	dir, no := c.change(id)
	switch {
	case no != ok:
		return no
	case flags == removeDir:
		return c.inDir(c.img.eng.Rmdir(&c.cred, &c.call, dir.h, name))
	case flags == 0:
		return c.inDir(c.img.eng.Unlink(&c.cred, &c.call, dir.h, name))
	}
	return eInval
}
