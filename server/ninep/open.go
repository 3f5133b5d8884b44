package ninep

import (
	"errors"

	"pmemfs/pmemfs"
)

// lopen opens the file of a fid. What it is opened for is allowed from then on, whatever becomes of the mode, and the file is there
// until the fid is given up.
func (c *call) lopen() errno {
	id, flags := c.d.u32(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	if no != ok {
		return no
	}
	r, no := c.rightsOf(f, flags)
	switch {
	case no != ok:
		return no
	case flags&openDirectory != 0 && f.typ != pmemfs.TypeDir:
		return eNotDir
	case (c.exp.ReadOnly || f.h.Snap != 0) && (r.write || r.truncate):
		return eROFS // now, not when a client writes back what it has cached
	}
	return c.openAs(id, f, f.clone(), r)
}

// openAs opens a file that exists as the fid to, and puts that where f was.
func (c *call) openAs(id uint32, f, to *fid, r rights) errno {
	return c.opened(id, f, to, c.open(to, r))
}

// opened answers that a file is open, unless it is not.
func (c *call) opened(id uint32, f, to *fid, no errno) errno {
	var a pmemfs.Attr
	if no == ok {
		var err error
		a, err = c.img.eng.Getattr(nil, to.h)
		no = c.status(err)
	}
	if no == ok {
		no = c.s.replace(id, f, to)
	}
	if no != ok {
		return errnoOf(errors.Join(no, c.s.srv.unuse(to)))
	}
	putQid(c.e, &a)
	put32(c.e, c.s.msize.Load()-ioHead)
	return ok
}

// open opens the file of a fid that is in no table yet, if the caller may.
func (c *call) open(f *fid, r rights) errno {
	switch f.typ {
	case pmemfs.TypeRegular:
	case pmemfs.TypeDir:
		if r.write || r.truncate {
			return eIsDir
		}
	case pmemfs.TypeSymlink:
		return eLoop
	default:
		return eNXIO // devices and pipes are the client's own
	}
	if no := c.mayOpen(f, r); no != ok {
		c.s.refused(r)
		return no
	}
	if no := c.hold(f, r); no != ok || !r.truncate {
		return no
	}
	c.call.Open = true
	_, err := c.img.eng.Setattr(&c.cred, &c.call, f.h, &pmemfs.SetAttr{Mask: pmemfs.SetSize})
	return c.status(err)
}

// mayOpen asks for the permissions to open a file. What may be executed may be opened for reading, as NFS has it (RFC 1813 section 4.4):
// the client's kernel has to read what it executes, and looks by itself at who may read.
func (c *call) mayOpen(f *fid, r rights) errno {
	var want uint32
	if r.read {
		want |= pmemfs.AccessRead
	}
	if r.write || r.truncate {
		want |= pmemfs.AccessWrite
	}
	got, err := c.img.eng.Access(&c.cred, &c.call, f.h, want)
	if err == nil && got != want && want == pmemfs.AccessRead && f.typ == pmemfs.TypeRegular {
		want = pmemfs.AccessExec
		got, err = c.img.eng.Access(&c.cred, &c.call, f.h, want)
	}
	switch {
	case err != nil:
		return c.status(err)
	case got != want:
		return eAccess
	}
	return ok
}

// hold keeps the file of a fid for as long as the fid is there.
func (c *call) hold(f *fid, r rights) errno {
	if err := c.img.eng.Hold(f.h); err != nil {
		return c.status(err)
	}
	f.open, f.read, f.write, f.append = true, r.read, r.write, r.append
	return ok
}

// createTries is how often a file is looked for that is there when it is to be made, and is not when it is to be opened.
const createTries = 16

// lcreate makes a file, or unless O_EXCL is among the flags opens the one that is there. The fid of the directory becomes that of the
// file.
func (c *call) lcreate() errno {
	id, name := c.d.u32(), c.name()
	flags, mode, gid := c.d.u32(), c.d.u32(), c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f, no := c.change(id)
	if no != ok {
		return no
	}
	r, no := c.rightsOf(f, flags)
	switch {
	case no != ok:
		return no
	case flags&openDirectory != 0, !plainMode(mode, pmemfs.TypeRegular):
		return eInval
	}
	c.withGroup(f, gid)
	o := pmemfs.CreateOptions{Mode: pmemfs.Guarded, Attr: pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: mode & 0o7777}}
	var err error
	for range createTries {
		var a pmemfs.Attr
		if a, err = c.img.eng.Create(&c.cred, &c.call, f.h, name, &o); err == nil {
			to := newFid(f, a.Handle, a.Type)
			to.called(f.h, name)
			return c.opened(id, f, to, c.hold(to, r)) // allowed whatever the mode says
		}
		if !errors.Is(err, pmemfs.ErrExist) || flags&openExclusive != 0 {
			return c.inDir(err)
		}
		if a, err = c.find(f, f.h, name); err == nil {
			to := newFid(f, a.Handle, a.Type)
			to.called(f.h, name)
			return c.openAs(id, f, to, r)
		}
		if !errors.Is(err, pmemfs.ErrNotExist) {
			break
		}
	}
	return c.status(err)
}
