package rawnfs

import (
	"errors"
	"fmt"

	"pmemfs/server/rpc"
)

// Handle names a file for as long as it exists, over any number of servers.
type Handle string

// Verifier changes whenever the server may have lost what was not committed.
type Verifier string

// Limits of what a reply may hold, in bytes.
const (
	handleBytesMax = 64
	nameBytesMax   = 255
	// readdirBytes is how much of a directory one reply brings.
	readdirBytes = 32 << 10
)

// typeDir is the ftype3 of a directory.
const typeDir = 2

var errMalformed = errors.New("rawnfs: malformed reply")

// Mount returns the handle of an exported directory (MNT).
func (c *Client) Mount(path string) (Handle, error) {
	d, err := c.call(progMount, 1, func(e *rpc.Encoder) { e.Opaque([]byte(path)) })
	if err != nil {
		return "", err
	}
	return handle(d)
}

// Getattr reports whether h is a directory (GETATTR).
func (c *Client) Getattr(h Handle) (dir bool, err error) {
	d, err := c.call(progNFS, 1, func(e *rpc.Encoder) { e.Opaque([]byte(h)) })
	if err != nil {
		return false, err
	}
	dir = d.Uint32() == typeDir
	return dir, ended(d)
}

// Truncate sets a file's size, in bytes (SETATTR).
func (c *Client) Truncate(h Handle, size uint64) error {
	_, err := c.call(progNFS, 2, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		for range 3 { // mode, uid and gid stay
			e.Bool(false)
		}
		e.Bool(true)
		e.Uint64(size)
		for range 3 { // both times stay, no guard
			e.Uint32(0)
		}
	})
	return err
}

// Lookup returns the handle of a name (LOOKUP).
func (c *Client) Lookup(dir Handle, name string) (Handle, error) {
	d, err := c.call(progNFS, 3, entry(dir, name))
	if err != nil {
		return "", err
	}
	return handle(d)
}

// Read returns up to n bytes at an offset, and whether the file ends there (READ).
func (c *Client) Read(h Handle, offset uint64, n int) (data []byte, eof bool, err error) {
	d, err := c.call(progNFS, 6, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint64(offset)
		e.Uint32(uint32(n))
	})
	if err != nil {
		return nil, false, err
	}
	skipAttr(d)
	count := d.Uint32()
	eof = d.Bool()
	data = d.Opaque(n)
	if uint32(len(data)) != count {
		d.Fail()
	}
	return data, eof, ended(d)
}

// Write writes all of data at an offset (WRITE): with stable it is durable when
// this returns (FILE_SYNC), else when a later Commit has returned the same verifier.
func (c *Client) Write(h Handle, offset uint64, data []byte, stable bool) (Verifier, error) {
	const fileSync = 2
	d, err := c.call(progNFS, 7, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint64(offset)
		e.Uint32(uint32(len(data)))
		if stable {
			e.Uint32(fileSync)
		} else {
			e.Uint32(0)
		}
		e.Opaque(data)
	})
	if err != nil {
		return "", err
	}
	skipWcc(d)
	count, committed := d.Uint32(), d.Uint32()
	v := Verifier(d.Fixed(8))
	if err := ended(d); err != nil {
		return "", err
	}
	if count != uint32(len(data)) || (stable && committed != fileSync) {
		return "", fmt.Errorf("rawnfs: WRITE of %d bytes wrote %d, committed %d", len(data), count, committed)
	}
	if committed == 0 {
		c.Unstable++
	}
	return v, nil
}

// Commit makes all that was written to h durable (COMMIT).
func (c *Client) Commit(h Handle) (Verifier, error) {
	d, err := c.call(progNFS, 21, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint64(0)
		e.Uint32(0)
	})
	if err != nil {
		return "", err
	}
	skipWcc(d)
	v := Verifier(d.Fixed(8))
	return v, ended(d)
}

// Create makes a file that must not exist yet (CREATE, GUARDED).
func (c *Client) Create(dir Handle, name string) (Handle, error) {
	return c.make(8, dir, name, func(e *rpc.Encoder) { e.Uint32(1) })
}

// Mkdir makes a directory (MKDIR).
func (c *Client) Mkdir(dir Handle, name string) (Handle, error) {
	return c.make(9, dir, name, func(*rpc.Encoder) {})
}

func (c *Client) make(proc uint32, dir Handle, name string, how func(*rpc.Encoder)) (Handle, error) {
	d, err := c.call(progNFS, proc, func(e *rpc.Encoder) {
		entry(dir, name)(e)
		how(e)
		e.Bool(true)
		e.Uint32(0o755)
		for range 5 { // nothing else is set
			e.Uint32(0)
		}
	})
	if err != nil {
		return "", err
	}
	if !d.Bool() {
		return "", errMalformed // allowed, but no test could go on without the handle
	}
	return handle(d)
}

// Remove removes a name, and a directory with it (REMOVE, RMDIR).
func (c *Client) Remove(dir Handle, name string, isDir bool) error {
	proc := uint32(12)
	if isDir {
		proc = 13
	}
	_, err := c.call(progNFS, proc, entry(dir, name))
	return err
}

// Rename gives from the name to within one directory; what had it is gone (RENAME).
func (c *Client) Rename(dir Handle, from, to string) error {
	_, err := c.call(progNFS, 14, func(e *rpc.Encoder) {
		entry(dir, from)(e)
		entry(dir, to)(e)
	})
	return err
}

// Readdir returns all names of a directory but "." and ".." (READDIR).
func (c *Client) Readdir(dir Handle) ([]string, error) {
	var names []string
	cookie, verifier := uint64(0), make([]byte, 8)
	for {
		d, err := c.call(progNFS, 16, func(e *rpc.Encoder) {
			e.Opaque([]byte(dir))
			e.Uint64(cookie)
			e.Raw(verifier)
			e.Uint32(readdirBytes)
		})
		if err != nil {
			return nil, err
		}
		skipAttr(d)
		verifier = d.Fixed(8)
		for d.Bool() {
			d.Uint64() // fileid
			name := string(d.Opaque(nameBytesMax))
			cookie = d.Uint64()
			if name != "." && name != ".." {
				names = append(names, name)
			}
		}
		eof := d.Bool()
		if err := ended(d); err != nil || eof {
			return names, err
		}
	}
}

// entry encodes diropargs3.
func entry(dir Handle, name string) func(*rpc.Encoder) {
	return func(e *rpc.Encoder) {
		e.Opaque([]byte(dir))
		e.Opaque([]byte(name))
	}
}

func handle(d *rpc.Decoder) (Handle, error) {
	h := Handle(d.Opaque(handleBytesMax))
	return h, ended(d)
}

// skipAttr skips post_op_attr.
func skipAttr(d *rpc.Decoder) {
	if d.Bool() {
		d.Fixed(84) // fattr3
	}
}

// skipWcc skips wcc_data.
func skipWcc(d *rpc.Decoder) {
	if d.Bool() {
		d.Fixed(24) // wcc_attr
	}
	skipAttr(d)
}

// ended reports a reply that lacked something. What follows is not looked at.
func ended(d *rpc.Decoder) error {
	if !d.OK() {
		return errMalformed
	}
	return nil
}
