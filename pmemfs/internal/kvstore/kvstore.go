// Package kvstore keeps small values of servers in the image, under keys: what a lock monitor has to remember across restarts, for example.
// They are the extended attributes of inode layout.ValuesIno, which no client can reach. The inode is made with the first value.
//
// # Concurrency and durability
//
// Reading functions take the gate and the inode's stripe themselves. Changing functions are part of an operation, under the inode's stripe,
// and durable and atomic with it. The store has no lock of its own.
package kvstore

import (
	"bytes"
	"errors"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volume"
	"pmemfs/pmemfs/internal/xattr"
)

// Bounds.
const (
	KeysMax  = 4096                  // values in the store
	KeyMax   = layout.XattrNameMax   // bytes of a key
	ValueMax = layout.XattrInlineMax // bytes of a value
)

// Errors of the store.
var (
	// ErrNotFound is returned for a key without a value.
	ErrNotFound = errors.New("no value under that key")
	// ErrFull is returned when there are KeysMax other values.
	ErrFull = errors.New("as many values as an image may have")
	// ErrLength is returned for an empty key, and for a key or a value that is too long.
	ErrLength = errors.New("the length of a key or a value is out of bounds")
	// ErrKey is returned for a key with a zero byte.
	ErrKey = errors.New("a key has a zero byte")
)

// Store is the key-value store of a volume. Safe for any number of goroutines.
type Store struct{ v *volume.Volume }

// New returns the store of a volume.
func New(v *volume.Volume) *Store { return &Store{v} }

// Get returns a copy of a value. ErrNotFound; errors wrap layout.ErrDamaged, or are memory faults. No fence.
func (s *Store) Get(key string) (value []byte, err error) {
	err = s.view(func(set *xattr.Set) error {
		v, found, err := set.Get([]byte(key))
		if err == nil && !found {
			err = ErrNotFound
		}
		value = v
		return err
	})
	return value, err
}

// Keys returns all keys, in no order. Errors are those of Get. No fence.
func (s *Store) Keys() (keys []string, err error) {
	err = s.view(func(set *xattr.Set) error {
		list, err := set.List()
		for _, key := range list {
			keys = append(keys, string(key))
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return nil, nil // there never were any
	}
	return keys, err
}

func (s *Store) view(f func(*xattr.Set) error) error {
	return s.v.View(layout.ValuesIno, func() error {
		in, err := s.v.Inodes.View(nil, layout.ValuesIno)
		if errors.Is(err, inode.ErrStale) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		set := s.open(nil, in)
		return f(&set)
	})
}

func (s *Store) open(op *alloc.Op, in layout.Inode) xattr.Set {
	return xattr.Open(s.v.Journal, op, in, s.v.XattrKey0, s.v.XattrKey1)
}

// Vet returns ErrLength or ErrKey if a key or a value cannot be stored.
func Vet(key string, value []byte) error {
	switch {
	case key == "" || len(key) > KeyMax || len(value) > ValueMax:
		return ErrLength
	case bytes.IndexByte([]byte(key), 0) >= 0:
		return ErrKey
	}
	return nil
}

// Put logs in op that a key has a value, in place of what it had. Both have been vetted, and the stripe of layout.ValuesIno is held
// exclusively. ErrFull, errors of the allocator, and those of Get.
func (s *Store) Put(op *alloc.Op, key string, value []byte, now int64) error {
	return s.edit(op, now, func(set *xattr.Set) error {
		_, found, err := set.Get([]byte(key))
		if err != nil {
			return err
		}
		if !found {
			list, err := set.List()
			if err != nil {
				return err
			}
			if len(list) >= KeysMax {
				return ErrFull
			}
		}
		return set.Put([]byte(key), value)
	})
}

// Delete logs in op that a key has no value any more. Locks and errors are those of Put, and ErrNotFound.
func (s *Store) Delete(op *alloc.Op, key string, now int64) error {
	return s.edit(op, now, func(set *xattr.Set) error {
		found, err := set.Remove([]byte(key))
		if err == nil && !found {
			err = ErrNotFound
		}
		return err
	})
}

func (s *Store) edit(op *alloc.Op, now int64, f func(*xattr.Set) error) error {
	in, err := s.v.Inodes.EditOrOwn(op, layout.ValuesIno)
	if err != nil {
		return err
	}
	set := s.open(op, in)
	if err := f(&set); err != nil {
		return err
	}
	in.SetCtime(now)
	in.BumpChange()
	return nil
}
