// Package dir maps the names of a directory to inode numbers.
//
// The key of a name is a keyed 56-bit hash and a 7-bit number that tells names of equal hash apart. It is the name's
// READDIR cookie: it never changes while the name exists, whatever else is added or removed. "." and ".." are not
// stored. The caller holds the directory's lock.
package dir

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/tree"
)

// ErrFull is returned when 128 names of a directory have the same 56-bit hash, which only somebody who knows the
// filesystem's secret key can arrange.
var ErrFull = errors.New("too many names with one hash")

// Key is the hash key of a filesystem.
type Key struct{ K0, K1 uint64 }

// Entry is a name found.
type Entry struct {
	Key  uint64
	Ino  uint64
	Type uint8  // S_IFMT >> 12
	Name []byte // aliases the medium: valid under the caller's lock
}

// Dir is a directory for the length of one operation.
type Dir struct {
	t   tree.Tree
	in  layout.Inode
	key Key
}

// Open returns the directory of inode in: a shadow to change it, the medium's bytes to read it, with op nil.
func Open(j *journal.Journal, op *alloc.Op, in layout.Inode, key Key) Dir {
	block, height := in.DataRoot()
	return Dir{
		t:   tree.Tree{J: j, Op: op, Kind: layout.TreeDir, Owner: in.Ino(), Root: tree.Root{Block: block, Height: height}},
		in:  in,
		key: key,
	}
}

func (d *Dir) base(name []byte) uint64 { return layout.KeyBase(siphash.Hash(d.key.K0, d.key.K1, name)) }

func (d *Dir) decode(c *tree.Cursor) (Entry, error) {
	ino, typ, name, ok := layout.DecodeDirent(c.Payload())
	if !ok {
		return Entry{}, fmt.Errorf("%w: directory %d: entry %#x is malformed", layout.ErrDamaged, d.in.Ino(), c.Key())
	}
	return Entry{c.Key(), ino, typ, name}, nil
}

// Position is where Lookup has found a name, or has not.
type Position struct{ c tree.Cursor }

// Lookup finds a name. free is the smallest key that the name could be inserted with when it is absent. at is for Insert and Remove,
// which then need not search again.
func (d *Dir) Lookup(name []byte, at *Position) (e Entry, found bool, free uint64, err error) {
	base := d.base(name)
	free = base
	c := &at.c
	for err = d.t.SeekGE(c, base); err == nil && c.Valid() && c.Key() <= layout.KeyLast(base); err = d.t.Next(c) {
		if e, err = d.decode(c); err != nil {
			return Entry{}, false, 0, err
		}
		if bytes.Equal(e.Name, name) {
			return e, true, 0, nil
		}
		if e.Key == free {
			free++
		}
	}
	return Entry{}, false, free, err
}

func (d *Dir) save(entries int64) {
	d.in.SetDataRoot(d.t.Root.Block, d.t.Root.Height)
	d.in.AddBlocks(d.t.Nodes)
	d.t.Nodes = 0
	d.in.SetSize(d.in.Size() + uint64(entries))
}

// Insert adds a name that Lookup did not find, with the key that it returned.
func (d *Dir) Insert(at *Position, free uint64, name []byte, ino uint64, typ uint8) error {
	if free > layout.KeyLast(d.base(name)) {
		return ErrFull
	}
	var buf [layout.DirentMax]byte
	if err := d.t.InsertAt(&at.c, free, layout.EncodeDirent(buf[:], ino, typ, name)); err != nil {
		return err
	}
	d.save(1)
	return nil
}

// Replace makes an existing entry name another inode. Its key stays.
func (d *Dir) Replace(e Entry, ino uint64, typ uint8) error {
	var buf [layout.DirentMax]byte
	if err := d.t.Update(e.Key, layout.EncodeDirent(buf[:], ino, typ, e.Name)); err != nil {
		return err
	}
	d.save(0) // a root that a snapshot has was copied
	return nil
}

// Remove deletes an entry that Lookup found.
func (d *Dir) Remove(at *Position, e Entry) error {
	if err := d.t.DeleteAt(&at.c, e.Key); err != nil {
		return err
	}
	d.save(-1)
	return nil
}

// Scan calls f with each entry whose key is above after, in key order, until f returns false.
func (d *Dir) Scan(after uint64, f func(Entry) bool) error {
	var c tree.Cursor
	err := d.t.SeekGE(&c, after+1)
	for ; err == nil && c.Valid(); err = d.t.Next(&c) {
		e, err := d.decode(&c)
		if err != nil {
			return err
		}
		if !f(e) {
			return nil
		}
	}
	return err
}
