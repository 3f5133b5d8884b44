package ninep

import (
	"math"

	"pmemfs/pmemfs"
)

// Bits of a Tgetattr's mask that are answered: all that the protocol knows.
const getattrAll = 1<<14 - 1

const (
	attrBytes  = 8 + qidBytes + 3*4 + 15*8
	blockBytes = 4096
	second     = 1_000_000_000 // nanoseconds
)

// getattr tells the attributes that the mask asks for, and whatever else comes with them.
func (c *call) getattr() errno {
	id, mask := c.d.u32(), c.d.u64()
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	if no != ok {
		return no
	}
	c.s.attributes(mask)
	a, err := c.img.eng.Getattr(&c.call, f.h)
	if err != nil {
		return c.status(err)
	}
	b := c.e.Extend(attrBytes)
	le.PutUint64(b, mask&getattrAll)
	fillQid(b[8:], &a)
	b = b[8+qidBytes:]
	le.PutUint32(b, uint32(a.Type)<<12|a.Mode)
	le.PutUint32(b[4:], a.UID)
	le.PutUint32(b[8:], a.GID)
	b = b[12:]
	put := func(v uint64) {
		le.PutUint64(b, v)
		b = b[8:]
	}
	put(uint64(a.Nlink))
	put(deviceOf(&a))
	put(a.Size)
	put(blockBytes)
	put(a.Used / 512)
	for _, t := range [...]int64{a.Atime, a.Mtime, a.Ctime, a.Btime} {
		sec, nsec := t/second, t%second
		if nsec < 0 {
			sec, nsec = sec-1, nsec+second
		}
		put(uint64(sec))
		put(uint64(nsec))
	}
	put(uint64(versionOf(a.Gen))) // clients keep 32 bits, and compare them with all that comes
	put(a.Change)
	return ok
}

// deviceOf is the number of a device as Linux has it in 64 bits.
func deviceOf(a *pmemfs.Attr) uint64 {
	major, minor := uint64(a.Major), uint64(a.Minor)
	return minor&0xff | major<<8&0xfff00 | minor&^0xff<<12
}

// Bits of a Tsetattr.
const (
	setMode = 1 << iota
	setUID
	setGID
	setSize
	setAtime
	setMtime
	setCtime // always moves
	setAtimeTo
	setMtimeTo
	setAll = 1<<iota - 1
)

// setattr changes attributes, all at once. The size of a file that is open for writing can be changed whatever its mode says.
func (c *call) setattr() errno {
	id, valid := c.d.u32(), c.d.u32()
	var set pmemfs.SetAttr
	set.Mode, set.UID, set.GID, set.Size = c.d.u32()&0o7777, c.d.u32(), c.d.u32(), c.d.u64()
	atime, atimeOK := timeOf(c.d.u64(), c.d.u64())
	mtime, mtimeOK := timeOf(c.d.u64(), c.d.u64())
	set.Atime, set.Mtime = atime, mtime
	if !c.d.done() {
		return eProto
	}
	f, no := c.change(id)
	switch {
	case no != ok:
		return no
	case valid&^setAll != 0, valid&setAtimeTo != 0 && valid&setAtime == 0, valid&setMtimeTo != 0 && valid&setMtime == 0:
		return eInval
	case valid&setAtimeTo != 0 && !atimeOK, valid&setMtimeTo != 0 && !mtimeOK:
		return eInval
	}
	// As chown(2) has it, what is no id leaves the owner, or the group.
	if set.UID == noUID {
		valid &^= setUID
	}
	if set.GID == noUID {
		valid &^= setGID
	}
	for _, b := range [...]struct {
		bit  uint32
		mask pmemfs.SetMask
	}{{setMode, pmemfs.SetMode}, {setUID, pmemfs.SetUID}, {setGID, pmemfs.SetGID}, {setSize, pmemfs.SetSize}} {
		if valid&b.bit != 0 {
			set.Mask |= b.mask
		}
	}
	set.Mask |= timeMask(valid, setAtime, setAtimeTo, pmemfs.SetAtimeNow, pmemfs.SetAtime)
	set.Mask |= timeMask(valid, setMtime, setMtimeTo, pmemfs.SetMtimeNow, pmemfs.SetMtime)
	if set.Mask&pmemfs.SetSize != 0 {
		set.Mask &^= pmemfs.SetMtimeNow // comes with the size; Linux asks for both in ftruncate(2), and who may do the one may not do the other
	}
	if no := c.mayResize(f, &set); no != ok {
		return no
	}
	if err := c.dropIDs(f, &set); err != nil {
		return c.status(err)
	}
	c.call.Open = f.write && set.Mask&^(pmemfs.SetSize|pmemfs.SetDropID) == 0
	_, err := c.img.eng.Setattr(&c.cred, &c.call, f.h, &set)
	return c.status(err)
}

// mayResize asks for the permission to change a size as truncate(2) needs it, also by the owner, unless the file is open for writing. The
// engine alone would let owners, as NFS has it.
func (c *call) mayResize(f *fid, set *pmemfs.SetAttr) errno {
	if set.Mask&pmemfs.SetSize == 0 || f.write || f.typ != pmemfs.TypeRegular {
		return ok
	}
	got, err := c.img.eng.Access(&c.cred, &c.call, f.h, pmemfs.AccessWrite)
	switch {
	case err != nil:
		return c.status(err)
	case got == 0:
		return eAccess
	}
	return ok
}

// dropIDs makes less of setting a mode where all that it would change is to take set-id bits away, and not by the owner: Linux asks for that in
// the name of somebody who writes or truncates, before he does. What is written need not come in his name, so it is not left to the engine.
func (c *call) dropIDs(f *fid, set *pmemfs.SetAttr) error {
	if set.Mask&^pmemfs.SetSize != pmemfs.SetMode || f.typ != pmemfs.TypeRegular || c.cred.UID == 0 {
		return nil
	}
	a, err := c.img.eng.Getattr(&c.call, f.h)
	if err != nil {
		return err
	}
	const setID = 0o6000
	if c.cred.UID != a.UID && set.Mode&^a.Mode == 0 && a.Mode&^set.Mode&^setID == 0 && a.Mode&setID != 0 {
		set.Mask ^= pmemfs.SetMode | pmemfs.SetDropID
	}
	return nil
}

// timeMask says what is to become of a time: nothing, now, or the time that was sent.
func timeMask(valid, bit, to uint32, now, set pmemfs.SetMask) pmemfs.SetMask {
	switch {
	case valid&bit == 0:
		return 0
	case valid&to == 0:
		return now
	}
	return set
}

// timeOf is a time in nanoseconds, the nearest one that there is, and whether it was one.
func timeOf(sec, nsec uint64) (t int64, valid bool) {
	const most = int64(math.MaxInt64)/second - 1
	s := min(max(int64(sec), -most), most)
	return s*second + int64(nsec%second), nsec < second
}

// statfs tells of the filesystem.
func (c *call) statfs() errno {
	id := c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	if no != ok {
		return no
	}
	st, err := c.img.eng.StatfsAt(f.h)
	if err != nil {
		return c.status(err)
	}
	const magic = 0x01021997 // V9FS_MAGIC, of linux/magic.h
	block := uint64(st.BlockSize)
	put32(c.e, magic)
	put32(c.e, st.BlockSize)
	for _, v := range [...]uint64{st.TotalBytes / block, st.FreeBytes / block, st.AvailBytes / block, st.TotalFiles, st.FreeFiles, c.img.fsid} {
		put64(c.e, v)
	}
	put32(c.e, st.NameMax)
	return ok
}

// readlink tells where a symbolic link leads.
func (c *call) readlink() errno {
	id := c.d.u32()
	if !c.d.done() {
		return eProto
	}
	f, no := c.use(id)
	if no != ok {
		return no
	}
	target, err := c.img.eng.Readlink(&c.call, f.h)
	if err != nil {
		return c.status(err)
	}
	putStr(c.e, target)
	return ok
}
