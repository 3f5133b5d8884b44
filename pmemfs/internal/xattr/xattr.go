// Package xattr keeps the extended attributes of an inode in a tree of their own, keyed by a hash of the name.
//
// Values up to layout.XattrInlineMax bytes are in the record; longer ones in blocks of their own that are written and
// fenced before the record that names them. The caller holds the inode's lock.
package xattr

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/tree"
)

var siteValue = pmem.NewThroughSite("xattr: blocks of a long value")

// ErrFull is returned when 128 names of an inode have the same hash.
var ErrFull = errors.New("too many attribute names with one hash")

// Set is the attributes of one inode for the length of one operation.
type Set struct {
	t      tree.Tree
	in     layout.Inode
	k0, k1 uint64
}

// Open returns the attributes of inode in, as dir.Open does.
func Open(j *journal.Journal, op *alloc.Op, in layout.Inode, k0, k1 uint64) Set {
	block, height := in.XattrRoot()
	return Set{
		t:  tree.Tree{J: j, Op: op, Kind: layout.TreeXattr, Owner: in.Ino(), Root: tree.Root{Block: block, Height: height}},
		in: in, k0: k0, k1: k1,
	}
}

func (s *Set) decode(c *tree.Cursor) (layout.Xattr, error) {
	x, ok := layout.DecodeXattr(c.Payload())
	if !ok {
		return x, fmt.Errorf("%w: inode %d: attribute %#x is malformed", layout.ErrDamaged, s.in.Ino(), c.Key())
	}
	return x, nil
}

// find returns the key of a name and its record, or the first free key.
func (s *Set) find(name []byte) (key uint64, x layout.Xattr, found bool, err error) {
	base := layout.KeyBase(siphash.Hash(s.k0, s.k1, name))
	free := base
	var c tree.Cursor
	for err = s.t.SeekGE(&c, base); err == nil && c.Valid() && c.Key() <= layout.KeyLast(base); err = s.t.Next(&c) {
		if x, err = s.decode(&c); err != nil {
			return 0, x, false, err
		}
		if bytes.Equal(x.Name, name) {
			return c.Key(), x, true, nil
		}
		if c.Key() == free {
			free++
		}
	}
	if free > layout.KeyLast(base) {
		return 0, layout.Xattr{}, false, ErrFull
	}
	return free, layout.Xattr{}, false, err
}

// Peek returns a value that is kept in its record, as it lies there: it is valid as long as the caller holds the lock, and
// not to be changed. Nothing is allocated.
func (s *Set) Peek(name []byte) (value []byte, found bool, err error) {
	_, x, found, err := s.find(name)
	if err == nil && found && len(x.Blocks) > 0 {
		err = fmt.Errorf("%w: inode %d: attribute %q is not in its record", layout.ErrDamaged, s.in.Ino(), name)
	}
	return x.Value, found, err
}

// Get returns a copy of a value.
func (s *Set) Get(name []byte) (value []byte, found bool, err error) {
	_, x, found, err := s.find(name)
	if err != nil || !found {
		return nil, false, err
	}
	if len(x.Blocks) == 0 {
		return append([]byte{}, x.Value...), true, nil
	}
	value = make([]byte, 0, len(x.Blocks)*layout.BlockSize)
	medium := s.t.J.Region().Bytes()
	for _, b := range x.Blocks {
		if b >= uint64(len(medium))>>layout.BlockShift {
			return nil, false, fmt.Errorf("%w: inode %d: attribute value at block %d", layout.ErrDamaged, s.in.Ino(), b)
		}
		value = append(value, medium[layout.BlockOffset(b):layout.BlockOffset(b+1)]...)
	}
	value = value[:x.Size]
	if layout.CRC(value) != x.CRC && !mutation.ValueSum.Off() {
		return nil, false, fmt.Errorf("%w: inode %d: checksum of attribute %q is wrong", layout.ErrDamaged, s.in.Ino(), name)
	}
	return value, true, nil
}

func (s *Set) save() {
	s.in.SetXattrRoot(s.t.Root.Block, s.t.Root.Height)
	s.in.AddBlocks(s.t.Nodes)
	s.t.Nodes = 0
}

// Put sets a value, replacing any other.
func (s *Set) Put(name, value []byte) error {
	defer s.save()
	key, old, found, err := s.find(name)
	if err != nil {
		return err
	}
	x := layout.Xattr{Name: name, Size: uint32(len(value)), CRC: layout.CRC(value), Value: value}
	if found && len(old.Blocks) == 0 && len(old.Value) == len(value) {
		return s.t.Update(key, layout.EncodeXattr(nil, &x)) // takes no space, so it succeeds on a full filesystem
	}
	if found {
		if err := s.drop(key, old); err != nil {
			return err
		}
	}
	if len(value) > layout.XattrInlineMax {
		if err := s.spill(&x); err != nil {
			return err
		}
	}
	return s.t.Insert(key, layout.EncodeXattr(nil, &x))
}

// spill writes a long value to blocks of its own, with one fence for all of them.
func (s *Set) spill(x *layout.Xattr) error {
	var segs []pmem.Segment
	if epoch := s.t.Op.Epoch(); epoch > firstEpoch {
		x.Flags, x.Birth = layout.XattrBorn, epoch
	}
	rest := x.Value
	for len(rest) > 0 {
		r, err := s.t.Op.AllocBlocks(0, layout.BlocksFor(uint64(len(rest))), false)
		if err != nil {
			return err
		}
		s.in.AddBlocks(int64(r.Len))
		for i := range r.Len {
			x.Blocks = append(x.Blocks, r.Start+i)
		}
		n := min(uint64(len(rest)), r.Len<<layout.BlockShift)
		segs = append(segs, pmem.Segment{Off: layout.BlockOffset(r.Start), Src: rest[:n]})
		rest = rest[n:]
	}
	durable, err := s.t.J.Region().WriteThrough(siteValue, segs)
	if err != nil {
		return err
	}
	if !durable.Valid() {
		return errors.New("xattr: value linked before it is durable")
	}
	return nil
}

// firstEpoch is the birth epoch of everything in an image that never had a snapshot. Records do not mention it.
const firstEpoch = 1

// Birth returns the birth epoch of the blocks of a value.
func Birth(x *layout.Xattr) uint64 { return max(x.Birth, firstEpoch) }

// drop deletes a record and frees the blocks of its value.
func (s *Set) drop(key uint64, x layout.Xattr) error {
	birth := Birth(&x)
	for _, b := range x.Blocks {
		if err := s.t.Op.Release(s.t.Owner, b, 1, birth, false); err != nil {
			return err
		}
		s.in.AddBlocks(-1)
	}
	return s.t.Delete(key)
}

// Remove deletes an attribute.
func (s *Set) Remove(name []byte) (found bool, err error) {
	defer s.save()
	key, x, found, err := s.find(name)
	if err != nil || !found {
		return found, err
	}
	return true, s.drop(key, x)
}

// Holds returns a copy of the name of the attribute whose value a block holds, or nil.
func (s *Set) Holds(block uint64) ([]byte, error) {
	var c tree.Cursor
	err := s.t.SeekGE(&c, 0)
	for ; err == nil && c.Valid(); err = s.t.Next(&c) {
		x, err := s.decode(&c)
		if err != nil {
			return nil, err
		}
		if slices.Contains(x.Blocks, block) {
			return bytes.Clone(x.Name), nil
		}
	}
	return nil, err
}

// HasNode reports whether a block is a node of the attributes' tree.
func (s *Set) HasNode(block uint64) (bool, error) { return s.t.Has(block) }

// List returns copies of the names.
func (s *Set) List() ([][]byte, error) {
	var names [][]byte
	var c tree.Cursor
	err := s.t.SeekGE(&c, 0)
	for ; err == nil && c.Valid(); err = s.t.Next(&c) {
		x, err := s.decode(&c)
		if err != nil {
			return nil, err
		}
		names = append(names, bytes.Clone(x.Name))
	}
	return names, err
}

// Clear deletes up to limit attributes. done is false when some are left for another operation.
func (s *Set) Clear(limit int) (done bool, err error) {
	defer s.save()
	for range limit {
		var c tree.Cursor
		if err := s.t.SeekGE(&c, 0); err != nil {
			return false, err
		}
		if !c.Valid() {
			return true, nil
		}
		x, err := s.decode(&c)
		if err != nil {
			return false, err
		}
		if err := s.drop(c.Key(), x); err != nil {
			return false, err
		}
	}
	return s.t.Root.Height == 0, nil
}
