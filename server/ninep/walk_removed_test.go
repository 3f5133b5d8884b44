package ninep_test

import (
	"syscall"
	"testing"

	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// TestRemovedDirectory uses fids of a directory that is no more: no name is in it, nor can one be made.
func TestRemovedDirectory(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 9, "f", "content", 0o644)
	_, err := c.Made(ninetest.Mkdir, uint32(0), "d", uint32(0o755), uint32(0))
	f.ok(err)
	const open, listed = 2, 3
	for fid := uint32(1); fid <= listed; fid++ {
		f.walk(c, 0, fid, "d")
	}
	f.ok(c.Open(listed, 0))
	list, err := c.Readdir(listed, 0, 1000)
	f.ok(err)
	remove := func() { f.ok(c.Do(ninetest.Unlinkat, uint32(0), "d", uint32(0x200))) }
	remove()
	none := func(fid uint32) {
		t.Helper()
		_, err := c.Walk(fid, 20, "f")
		f.fails(syscall.ENOENT, err)
		_, err = c.Walk(fid, 20, "..")
		f.fails(syscall.ENOENT, err)
		for kind, fields := range map[uint8][]any{
			ninetest.Mkdir:    {fid, "x", uint32(0o755), uint32(0)},
			ninetest.Symlink:  {fid, "x", "f", uint32(0)},
			ninetest.Mknod:    {fid, "x", uint32(0o10644), uint32(0), uint32(0), uint32(0)},
			ninetest.Link:     {fid, uint32(9), "x"},
			ninetest.Renameat: {uint32(0), "f", fid, "x"},
			ninetest.Unlinkat: {fid, "x", uint32(0)},
		} {
			if err := c.Do(kind, fields...); err != syscall.ENOENT {
				t.Errorf("kind %d: %v", kind, err)
			}
		}
		f.fails(syscall.ENOENT, c.Do(ninetest.Renameat, fid, "x", uint32(0), "y"))
	}
	none(1)
	none(listed)
	f.fails(syscall.ENOENT, c.Create(open, "x", openRDWR, 0o644, 0))
	_, err = c.Readdir(listed, 0, 1000)
	f.fails(syscall.ENOENT, err)
	_, err = c.Readdir(listed, list[len(list)-1].Offset, 1000)
	f.fails(syscall.ENOENT, err)
	_, err = c.Getattr(listed) // it is there as long as it is open
	f.ok(err)
	f.ok(c.Do(ninetest.Clunk, uint32(listed)))
	_, err = c.Getattr(1)
	f.fails(syscall.ESTALE, err)
	none(1)
}

// TestAttributeFid sends requests on a fid of an attribute that are about files: it is none.
func TestAttributeFid(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	f.ok(setXattr(c, 1, "user.a", []byte("value"), 0))
	begin := func() {
		f.walk(c, 0, 2, "f")
		if f.ok(c.Do(ninetest.Xattrcreate, uint32(2), "user.b", uint64(1), uint32(0))); t.Failed() {
			t.FailNow()
		}
	}
	begin()
	f.fails(syscall.EBADF, c.Do(ninetest.Remove, uint32(2))) // which gives it up in any case
	_, err := c.Getattr(2)
	f.fails(syscall.EBADF, err)
	begin()
	for kind, fields := range map[uint8][]any{
		ninetest.Rename:      {uint32(2), uint32(0), "g"},
		ninetest.Link:        {uint32(0), uint32(2), "g"},
		ninetest.Lopen:       {uint32(2), uint32(0)},
		ninetest.Xattrcreate: {uint32(2), "user.c", uint64(1), uint32(0)},
		ninetest.Readdir:     {uint32(2), uint64(0), uint32(1000)},
		ninetest.Walk:        {uint32(2), uint32(5), uint16(0)},
		ninetest.Xattrwalk:   {uint32(2), uint32(5), ""},
	} {
		if _, err := c.Call(kind, fields...); err != syscall.EBADF {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
	f.fails(syscall.EBADF, setattr(c, 2, 1, 0o600, 0, 0, 0, 0, 0, 0, 0))
	f.fails(syscall.EINVAL, c.Do(ninetest.Clunk, uint32(2))) // not all of it was written
	f.reads(c, 1, "content")
}

// TestEmptyAttribute sets an empty attribute, and removes it as Linux does: by writing nothing over what must be there.
func TestEmptyAttribute(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "f", "content", 0o644)
	for _, flags := range []uint32{0, 1} {
		f.ok(setXattr(c, 1, "user.a", nil, flags))
		if v, err := getXattr(c, 1, "user.a"); err != nil || len(v) != 0 {
			t.Errorf("%q, %v", v, err)
		}
		f.ok(setXattr(c, 1, "user.a", nil, 2))
		_, err := getXattr(c, 1, "user.a")
		f.fails(syscall.ENODATA, err)
	}
	f.fails(syscall.ENODATA, setXattr(c, 1, "user.a", nil, 2))
}
