package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"pmemfs/pmemfs"
)

// draftKey begins the keys of an image's values that say in which directory an import has its draft. The rest of a key is the draft's name, and
// the value is the directory.
const draftKey = "archive.draft."

// note has the image remember in which directory the draft is, so that it does not stay there when the process is killed. It costs a record for
// each directory that is filled.
func (m *importer) note(dir pmemfs.Handle) error {
	if m.noted == dir {
		return nil
	}
	value := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, dir.Ino), dir.Gen)
	if err := m.fs.PutValue(draftKey+m.temp, value); err != nil {
		return err
	}
	m.noted = dir
	return nil
}

// forget has the image remember no more: there is no draft.
func (m *importer) forget() error {
	if m.noted == (pmemfs.Handle{}) {
		return nil
	}
	return m.fs.DeleteValue(draftKey + m.temp)
}

// Sweep removes the drafts of imports that a crash has ended. It is called when an image has been opened for writing, before anything is
// imported. Durable on return.
//
// Errors: those of the engine, joined: one draft that cannot be removed does not keep the others.
func Sweep(fs *pmemfs.FS) error {
	keys, err := fs.Keys()
	if err != nil {
		return err
	}
	var all []error
	for _, key := range keys {
		if name, ok := strings.CutPrefix(key, draftKey); ok {
			if err := sweep(fs, key, name); err != nil {
				all = append(all, fmt.Errorf("the draft %s: %w", name, err))
			}
		}
	}
	return errors.Join(all...)
}

// sweep removes a draft.
func sweep(fs *pmemfs.FS, key, name string) error {
	value, err := fs.Value(key)
	if err != nil {
		return err
	}
	if len(value) == 16 && strings.HasPrefix(name, tempPrefix) {
		dir := pmemfs.Handle{Ino: binary.LittleEndian.Uint64(value), Gen: binary.LittleEndian.Uint64(value[8:])}
		if err := fs.Unlink(&superuser, nil, dir, []byte(name)); err != nil && !gone(err) {
			return err
		}
	}
	return fs.DeleteValue(key)
}

// gone reports whether there is no draft any more: somebody else has removed it, or has something else there.
func gone(err error) bool {
	for _, other := range []error{pmemfs.ErrNotExist, pmemfs.ErrStale, pmemfs.ErrIsDir, pmemfs.ErrNotDir} {
		if errors.Is(err, other) {
			return true
		}
	}
	return false
}
