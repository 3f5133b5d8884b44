package pmemfs

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/kvstore"
	"pmemfs/pmemfs/internal/layout"
)

// Bounds of the key-value store, in which servers keep small values in the image.
const (
	KeysMax  = kvstore.KeysMax  // values
	KeyMax   = kvstore.KeyMax   // bytes of a key
	ValueMax = kvstore.ValueMax // bytes of a value
)

// Value returns a copy of the value that PutValue has stored under a key. ErrNotExist, ErrIO, ErrClosed. No fence.
func (fs *FS) Value(key string) (value []byte, err error) {
	defer fs.finish(&err, layout.ValuesIno)
	return fs.values.Get(key)
}

// Keys returns the keys of all values, in no order. ErrIO, ErrClosed. No fence.
func (fs *FS) Keys() (keys []string, err error) {
	defer fs.finish(&err, layout.ValuesIno)
	return fs.values.Keys()
}

// PutValue stores a few bytes for a server under a key, in place of what was there: the old or the new ones survive a crash. Keys
// begin with the server's own name. Values are of the image, not of a file, so no client sees them. ErrRange for an empty key,
// and for a key or value that is too long; ErrInvalid for a key with a zero byte; ErrNoSpace when there are KeysMax others; ErrIO, ErrReadOnly, ErrClosed.
// One fence; durable on return.
func (fs *FS) PutValue(key string, value []byte) error {
	if err := kvstore.Vet(key, value); err != nil {
		return mapErr(err)
	}
	return fs.changeValues(func(op *alloc.Op) error { return fs.values.Put(op, key, value, now()) })
}

// DeleteValue forgets the value under a key. ErrNotExist, ErrIO, ErrReadOnly, ErrClosed. One fence; durable on return.
func (fs *FS) DeleteValue(key string) error {
	return fs.changeValues(func(op *alloc.Op) error { return fs.values.Delete(op, key, now()) })
}

func (fs *FS) changeValues(f func(op *alloc.Op) error) error {
	ch := change{fs: fs, ino: layout.ValuesIno}
	return ch.single(func() error { return f(ch.begin()) }, layout.ValuesIno)
}
