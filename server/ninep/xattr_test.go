package ninep_test

import (
	"bytes"
	"encoding/binary"
	"syscall"
	"testing"

	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// setXattr sets an attribute of the file of fid as Linux does.
func setXattr(c *ninetest.Client, fid uint32, name string, value []byte, flags uint32) error {
	const own = 1000
	if _, err := c.Walk(fid, own); err != nil {
		return err
	}
	err := c.Do(ninetest.Xattrcreate, uint32(own), name, uint64(len(value)), flags)
	for off := 0; err == nil && off < len(value); {
		n := min(len(value)-off, 4000)
		_, err = c.Write(own, uint64(off), value[off:off+n])
		off += n
	}
	if end := c.Do(ninetest.Clunk, uint32(own)); err == nil {
		err = end
	}
	return err
}

// getXattr reads one, or the names of all.
func getXattr(c *ninetest.Client, fid uint32, name string) ([]byte, error) {
	const own = 1000
	r, err := c.Call(ninetest.Xattrwalk, fid, uint32(own), name)
	if err != nil {
		return nil, err
	}
	var value []byte
	for size := r.Uint64(); uint64(len(value)) < size; {
		piece, err := c.Read(own, uint64(len(value)), 4000)
		if err != nil || len(piece) == 0 {
			return nil, err
		}
		value = append(value, piece...)
	}
	return value, c.Do(ninetest.Clunk, uint32(own))
}

// TestXattrs checks attributes and the rules for their names.
func TestXattrs(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o666)
	long := bytes.Repeat([]byte("value "), 10_000)
	f.ok(setXattr(c, 1, "user.a", []byte("one"), 0))
	f.ok(setXattr(c, 1, "user.long", long, 1))
	f.ok(setXattr(c, 1, "trusted.t", nil, 0))
	f.fails(syscall.EEXIST, setXattr(c, 1, "user.a", []byte("two"), 1))
	f.fails(syscall.ENODATA, setXattr(c, 1, "user.b", []byte("two"), 2))
	f.ok(setXattr(c, 1, "user.a", []byte("two"), 2))
	for name, want := range map[string][]byte{"user.a": []byte("two"), "user.long": long, "trusted.t": nil} {
		if got, err := getXattr(c, 1, name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if list, err := getXattr(c, 1, ""); err != nil || string(list) != "trusted.t\x00user.a\x00user.long\x00" {
		t.Errorf("names: %q, %v", list, err)
	}
	f.ok(setXattr(c, 1, "user.long", nil, 2)) // removes it
	_, err := getXattr(c, 1, "user.long")
	f.fails(syscall.ENODATA, err)
	f.fails(syscall.E2BIG, setXattr(c, 1, "user.big", make([]byte, 65537), 0))
	f.fails(syscall.EOPNOTSUPP, setXattr(c, 1, "security.capability", []byte("x"), 0))
	f.fails(syscall.EOPNOTSUPP, setXattr(c, 1, "other.a", []byte("x"), 0))
	f.fails(syscall.EINVAL, setXattr(c, 1, "user.a", []byte("x"), 3))
	_, err = c.Made(ninetest.Symlink, uint32(0), "l", "f", uint32(0))
	f.ok(err)
	f.walk(c, 0, 2, "l")
	f.fails(syscall.EPERM, setXattr(c, 2, "user.a", []byte("x"), 0))

	user := f.mount(1000)
	f.walk(user, 0, 1, "f")
	f.fails(syscall.EPERM, setXattr(user, 1, "trusted.t", nil, 0))
	f.fails(syscall.EPERM, setXattr(user, 1, "security.s", nil, 0))
	_, err = getXattr(user, 1, "trusted.t")
	f.fails(syscall.ENODATA, err)
	f.ok(setXattr(user, 1, "user.u", []byte("u"), 0))
	if list, err := getXattr(user, 1, ""); err != nil || string(list) != "user.a\x00user.u\x00" {
		t.Errorf("names: %q, %v", list, err)
	}
}

// TestXattrPieces checks what is written in a wrong way: nothing comes of it.
func TestXattrPieces(t *testing.T) {
	f := serve(t, ninep.Limits{XattrBytes: 128 << 10})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o666)
	begin := func(fid uint32, size uint64) error {
		f.walk(c, 1, fid)
		return c.Do(ninetest.Xattrcreate, fid, "user.a", size, uint32(0))
	}
	f.ok(begin(2, 6))
	_, err := c.Write(2, 1, []byte("x"))
	f.fails(syscall.EINVAL, err)
	_, err = c.Write(2, 0, []byte("1234567"))
	f.fails(syscall.ENOSPC, err)
	_, err = c.Read(2, 0, 1)
	f.fails(syscall.EBADF, err)
	_, err = c.Walk(2, 9)
	f.fails(syscall.EBADF, err)
	_, err = c.Write(2, 0, []byte("123"))
	f.ok(err)
	f.fails(syscall.EINVAL, c.Do(ninetest.Clunk, uint32(2)))
	_, err = getXattr(c, 1, "user.a")
	f.fails(syscall.ENODATA, err)
	f.ok(begin(2, 60<<10))
	f.fails(syscall.ENOMEM, begin(3, 60<<10)) // its client has its share
	f.fails(syscall.EINVAL, c.Do(ninetest.Clunk, uint32(2)))
	f.ok(c.Do(ninetest.Clunk, uint32(3)))
	f.ok(setXattr(c, 1, "user.a", make([]byte, 60<<10), 0))
	f.fails(syscall.EBADF, c.Do(ninetest.Xattrcreate, uint32(1), "user.a", uint64(1), uint32(0))) // open
}

// acl is a list as Linux has it: pairs of tag and permissions, and a number.
func acl(entries ...[3]uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

// TestACL checks that lists are attributes, that they count, and that the mode follows.
func TestACL(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o600)
	const none = 1<<32 - 1
	list := acl([3]uint32{1, 6, none}, [3]uint32{2, 4, 1000}, [3]uint32{4, 0, none}, [3]uint32{0x10, 4, none}, [3]uint32{0x20, 0, none})
	f.ok(setXattr(c, 1, "system.posix_acl_access", list, 0))
	if got, err := getXattr(c, 1, "system.posix_acl_access"); err != nil || !bytes.Equal(got, list) {
		t.Errorf("% x, %v", got, err)
	}
	if a, err := c.Getattr(1); err != nil || a.Mode != 0o100640 {
		t.Errorf("mode %o, %v", a.Mode, err)
	}
	for uid, may := range map[uint32]bool{1000: true, 1001: false} {
		user := f.mount(uid)
		f.walk(user, 0, 1, "f")
		if err := user.Open(1, 0); (err == nil) != may {
			t.Errorf("user %d: %v", uid, err)
		}
	}
	f.ok(setXattr(c, 1, "system.posix_acl_access", nil, 0)) // removes it
	_, err := getXattr(c, 1, "system.posix_acl_access")
	f.fails(syscall.ENODATA, err)
	f.fails(syscall.EINVAL, setXattr(c, 1, "system.posix_acl_access", []byte("nonsense"), 0))
}
