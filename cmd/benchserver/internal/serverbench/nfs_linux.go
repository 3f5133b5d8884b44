package serverbench

import (
	"fmt"

	"pmemfs/server/rpc"
)

// entry encodes diropargs3.
func entry(dir []byte, name string) func(*rpc.Encoder) {
	return func(e *rpc.Encoder) {
		e.Opaque(dir)
		e.Opaque([]byte(name))
	}
}

func (c *client) mount(path string) ([]byte, error) {
	d, err := c.do(progMount, 1, func(e *rpc.Encoder) { e.Opaque([]byte(path)) })
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", path, err)
	}
	handle := d.Opaque(handleMax)
	if !d.OK() {
		return nil, errOdd
	}
	return handle, nil
}

func (c *client) null() error {
	_, err := c.do(progNFS, 0, func(*rpc.Encoder) {})
	return err
}

// lookup returns a name's handle.
func (c *client) lookup(dir []byte, name string) ([]byte, error) {
	d, err := c.do(progNFS, procLookup, entry(dir, name))
	if err != nil {
		return nil, err
	}
	handle := d.Opaque(handleMax)
	if !d.OK() {
		return nil, errOdd
	}
	return handle, nil
}

// identity returns the file number as fattr3 has it.
func (c *client) identity(handle []byte) ([]byte, error) {
	d, err := c.do(progNFS, procGetattr, func(e *rpc.Encoder) { e.Opaque(handle) })
	if err != nil {
		return nil, err
	}
	attr := d.Fixed(attrBytes)
	if !d.OK() {
		return nil, errOdd
	}
	return attr[fileidAt : fileidAt+8], nil
}

func (c *client) makeFile(dir []byte, name string) ([]byte, error) {
	return c.make(procCreate, dir, name)
}
func (c *client) makeDir(dir []byte, name string) ([]byte, error) {
	return c.make(procMkdir, dir, name)
}

// make makes a file or, with procMkdir, a directory, and returns its handle.
func (c *client) make(proc uint32, dir []byte, name string) ([]byte, error) {
	_, err := c.do(progNFS, proc, func(e *rpc.Encoder) {
		entry(dir, name)(e)
		if proc == procCreate {
			e.Uint32(1) // GUARDED
		}
		attributes(e)
	})
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	// The handle in the reply is optional.
	return c.lookup(dir, name)
}

// attributes encodes sattr3 with a mode only.
func attributes(e *rpc.Encoder) {
	e.Bool(true)
	e.Uint32(0o755)
	for range 5 {
		e.Uint32(0)
	}
}

func (c *client) write(handle []byte, offset uint64, data []byte) error {
	_, err := c.do(progNFS, procWrite, func(e *rpc.Encoder) {
		writeArgs(e, handle, offset, len(data))
		e.Raw(data)
	})
	return err
}

// writeArgs encodes WRITE3args but for the data.
func writeArgs(e *rpc.Encoder, handle []byte, offset uint64, n int) {
	e.Opaque(handle)
	e.Uint64(offset)
	e.Uint32(uint32(n))
	e.Uint32(fileSync)
	e.Uint32(uint32(n))
}

func readArgs(e *rpc.Encoder, handle []byte, offset uint64, n int) {
	e.Opaque(handle)
	e.Uint64(offset)
	e.Uint32(uint32(n))
}

func (c *client) read(handle []byte, offset uint64, n int) ([]byte, error) {
	d, err := c.do(progNFS, procRead, func(e *rpc.Encoder) { readArgs(e, handle, offset, n) })
	if err != nil {
		return nil, err
	}
	if d.Bool() {
		d.Fixed(attrBytes)
	}
	d.Uint32() // count
	d.Bool()   // eof
	data := d.Opaque(n)
	if !d.OK() {
		return nil, errOdd
	}
	return data, nil
}

// page is where a reply of READDIRPLUS goes on.
type page struct {
	cookie   uint64
	verifier [8]byte
}

func pageArgs(e *rpc.Encoder, dir []byte, p page) {
	e.Opaque(dir)
	e.Uint64(p.cookie)
	e.Raw(p.verifier[:])
	e.Uint32(pageBytes) // of names and cookies
	e.Uint32(pageBytes) // of everything
}

// pages lists a directory and returns where each reply begins, and the number of entries that were listed.
func (c *client) pages(dir []byte) (starts []page, entries int, err error) {
	var at page
	for {
		starts = append(starts, at)
		d, err := c.do(progNFS, procReaddirplus, func(e *rpc.Encoder) { pageArgs(e, dir, at) })
		if err != nil {
			return nil, 0, err
		}
		if d.Bool() {
			d.Fixed(attrBytes)
		}
		copy(at.verifier[:], d.Fixed(8))
		before := entries
		for d.Bool() {
			d.Uint64() // fileid
			d.Opaque(255)
			at.cookie = d.Uint64()
			if d.Bool() {
				d.Fixed(attrBytes)
			}
			if d.Bool() {
				d.Opaque(handleMax)
			}
			entries++
		}
		eof := d.Bool()
		if !d.OK() || (!eof && entries == before) {
			return nil, 0, errOdd
		}
		if eof {
			return starts, entries, nil
		}
	}
}
