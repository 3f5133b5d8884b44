package ninetest

import "fmt"

// Qid is what a server says a file is.
type Qid struct {
	Type    uint8
	Version uint32
	Path    uint64
}

// Qid takes a qid.
func (f *Fields) Qid() Qid { return Qid{f.Uint8(), f.Uint32(), f.Uint64()} }

// Attr is the attributes of a file as Rgetattr has them. Times are nanoseconds.
type Attr struct {
	Valid                      uint64
	Qid                        Qid
	Mode, UID, GID             uint32
	Nlink, Rdev, Size          uint64
	BlockSize, Blocks          uint64
	Atime, Mtime, Ctime, Btime int64
	Gen, DataVersion           uint64
}

// Begin agrees on the version and attaches fid to an export as a user.
func (c *Client) Begin(msize, fid uint32, export string, uid uint32) error {
	f, err := c.Call(Version, msize, "9P2000.L")
	if err != nil {
		return err
	}
	c.MSize = f.Uint32()
	if v := f.String(); v != "9P2000.L" {
		return fmt.Errorf("version %q", v)
	}
	return c.Attach(fid, export, uid)
}

// Attach makes fid the directory of an export, for a user.
func (c *Client) Attach(fid uint32, export string, uid uint32) error {
	_, err := c.Made(Attach, fid, NoFid, "", export, uid)
	return err
}

// Walk leads from fid to newFid and returns the qids on the way.
func (c *Client) Walk(fid, newFid uint32, names ...string) ([]Qid, error) {
	values := []any{fid, newFid, uint16(len(names))}
	for _, n := range names {
		values = append(values, n)
	}
	f, err := c.Call(Walk, values...)
	if err != nil {
		return nil, err
	}
	var list []Qid
	for range f.Uint16() {
		list = append(list, f.Qid())
	}
	return list, f.Done()
}

// Getattr returns all attributes.
func (c *Client) Getattr(fid uint32) (a Attr, err error) {
	f, err := c.Call(Getattr, fid, uint64(0x3fff))
	if err != nil {
		return a, err
	}
	a.Valid, a.Qid, a.Mode, a.UID, a.GID = f.Uint64(), f.Qid(), f.Uint32(), f.Uint32(), f.Uint32()
	a.Nlink, a.Rdev, a.Size, a.BlockSize, a.Blocks = f.Uint64(), f.Uint64(), f.Uint64(), f.Uint64(), f.Uint64()
	for _, t := range []*int64{&a.Atime, &a.Mtime, &a.Ctime, &a.Btime} {
		sec := int64(f.Uint64())
		*t = sec*1e9 + int64(f.Uint64())
	}
	a.Gen, a.DataVersion = f.Uint64(), f.Uint64()
	return a, f.Done()
}

// Open opens the file of fid.
func (c *Client) Open(fid, flags uint32) error {
	f, err := c.Call(Lopen, fid, flags)
	if err != nil {
		return err
	}
	f.Qid()
	f.Uint32()
	return f.Done()
}

// Create makes a file in the directory of fid, which becomes the file's.
func (c *Client) Create(fid uint32, name string, flags, mode, gid uint32) error {
	f, err := c.Call(Lcreate, fid, name, flags, mode, gid)
	if err != nil {
		return err
	}
	f.Qid()
	f.Uint32()
	return f.Done()
}

// Write writes at an offset and returns how much.
func (c *Client) Write(fid uint32, off uint64, data []byte) (uint32, error) {
	f, err := c.Call(Write, fid, off, uint32(len(data)), Raw(data))
	if err != nil {
		return 0, err
	}
	return f.Uint32(), f.Done()
}

// Read reads at an offset.
func (c *Client) Read(fid uint32, off uint64, count uint32) ([]byte, error) {
	f, err := c.Call(Read, fid, off, count)
	if err != nil {
		return nil, err
	}
	data := f.Bytes(int(f.Uint32()))
	return data, f.Done()
}

// Do sends a request whose answer has no fields.
func (c *Client) Do(kind uint8, values ...any) error {
	f, err := c.Call(kind, values...)
	if err != nil {
		return err
	}
	return f.Done()
}

// Made sends a request whose answer is the qid of what it made.
func (c *Client) Made(kind uint8, values ...any) (Qid, error) {
	f, err := c.Call(kind, values...)
	if err != nil {
		return Qid{}, err
	}
	return f.Qid(), f.Done()
}

// Entry is a name of a directory.
type Entry struct {
	Qid    Qid
	Offset uint64
	Type   uint8
	Name   string
}

// Readdir returns the entries behind an offset that one answer has.
func (c *Client) Readdir(fid uint32, off uint64, count uint32) (list []Entry, err error) {
	f, err := c.Call(Readdir, fid, off, count)
	if err != nil {
		return nil, err
	}
	if n := f.Uint32(); int(n) != f.Left() || n > count {
		return nil, fmt.Errorf("%d bytes of entries, of which %d are there, and %d were asked for", n, f.Left(), count)
	}
	for f.Left() > 0 {
		list = append(list, Entry{f.Qid(), f.Uint64(), f.Uint8(), f.String()})
	}
	return list, f.Done()
}

// Lock sets or takes away a lock and returns the status.
func (c *Client) Lock(fid uint32, typ uint8, flags uint32, start, length uint64, process uint32, client string) (uint8, error) {
	f, err := c.Call(Lock, fid, typ, flags, start, length, process, client)
	if err != nil {
		return 0, err
	}
	return f.Uint8(), f.Done()
}
