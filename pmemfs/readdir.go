package pmemfs

import (
	"errors"
	"sync"

	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
)

// Cookies of the names that are not stored.
const (
	cookieDot    = 1
	cookieDotDot = 2
	cookieSnaps  = 3 // SnapshotsName, where it is shown
)

var nameDot, nameDotDot = []byte("."), []byte("..")

// batchEntries is how many entries Readdir reads under one hold of the directory's lock. What of the last batch its caller has
// no room for is read in vain: half a batch for each reply of some 150 entries.
const batchEntries = 32

// batch is a copied piece of a directory.
type batch struct {
	names   []byte
	ents    []DirEntry
	ends    []int // end of each name in names
	buf     [batchEntries * 64]byte
	entBuf  [batchEntries]DirEntry
	endsBuf [batchEntries]int
}

var batchPool = sync.Pool{New: func() any { return new(batch) }}

// Readdir calls emit with the entries that follow cookie, 0 for the start, until emit returns false. "." and ".." come
// first, as far up as Call.Within allows. A cookie stays valid whatever is added or removed; an entry that exists throughout is seen exactly once; no lock
// is held during emit. withAttr asks for attributes too. Read permission is needed. No fence.
//
// Errors: ErrNotDir, ErrAccess; read errors.
func (fs *FS) Readdir(c *Cred, call *Call, h Handle, cookie uint64, withAttr bool, emit func(*DirEntry) bool) (err error) {
	defer fs.finish(&err, h.Ino)
	b := batchPool.Get().(*batch)
	defer batchPool.Put(b)
	for wait := call.waits(); ; wait = true {
		more, err := fs.readBatch(c, call, h, cookie, withAttr, wait, b)
		if err != nil && withAttr && media.Confined(err) {
			// It may be the memory of one child's inode that faults, which must not hide the others' names.
			more, err = fs.readBatch(c, call, h, cookie, false, wait, b)
		}
		if err != nil {
			return err
		}
		for i := range b.ents {
			e := &b.ents[i]
			start := 0
			if i > 0 {
				start = b.ends[i-1]
			}
			e.Name = b.names[start:b.ends[i]]
			cookie = e.Cookie
			if withAttr && !e.HasAttr && h.Snap == 0 && !fs.lateAttr(call, h, e) {
				continue // removed since
			}
			if !emit(e) {
				return nil
			}
		}
		if !more {
			return nil
		}
	}
}

// lateAttr fills in the attributes of an entry whose inode was locked when the batch was read. False means that the name
// is gone.
func (fs *FS) lateAttr(call *Call, h Handle, e *DirEntry) bool {
	var own *Call
	if call.bounded() {
		own = &Call{Within: call.Within}
	}
	a, err := fs.Lookup(&Cred{}, own, h, e.Name)
	switch {
	case err == nil:
		e.Attr, e.HasAttr, e.Ino, e.Type = a, true, a.Ino, a.Type
	case errors.Is(err, ErrNotExist), errors.Is(err, ErrStale):
		return false
	}
	return true // damage of one inode does not hide its name
}

// readBatch reads entries after cookie into b. more is false at the end of the directory. Unless it is to wait, for the
// directory or later for an inode of one of the names, it returns ErrWouldBlock rather than do so.
func (fs *FS) readBatch(c *Cred, call *Call, h Handle, cookie uint64, withAttr, wait bool, b *batch) (more bool, err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(h.Ino)
	if err != nil {
		return false, err
	}
	defer g.RUnlock()
	if h.Snap != 0 {
		return fs.readBatchSnapshot(c, call, h, cookie, withAttr, b)
	}
	held, within, err := fs.parentsFor(call, h, cookie, wait)
	if held {
		defer fs.renameMu.RUnlock()
	}
	if err != nil {
		return false, err
	}
	s := fs.stripes.of(h.Ino)
	if !s.read(wait) {
		return false, ErrWouldBlock
	}
	defer s.RUnlock()
	d, err := fs.directory(call, 0, h)
	if err != nil {
		return false, err
	}
	if err := fs.allow(c, d, AccessRead); err != nil && !call.opened() {
		return false, err
	}
	b.names, b.ents, b.ends = b.buf[:0], b.entBuf[:0], b.endsBuf[:0]
	if d.Nlink() == 0 || cookie == ^uint64(0) {
		return false, nil // removed while open, or a cookie behind every other
	}
	blocked := false
	add := func(name []byte, ino uint64, t FileType, cookie uint64) bool {
		n := len(b.ents)
		b.ents = b.ents[:n+1]
		e := &b.ents[n]
		e.Ino, e.Snap, e.Type, e.Cookie, e.HasAttr = ino, 0, t, cookie, false
		if withAttr {
			err := fs.childAttr(s, ino, &e.Attr)
			e.HasAttr = err == nil
			blocked = blocked || err == errRetry && !wait
		}
		b.names = append(b.names, name...)
		b.ends = append(b.ends, len(b.names))
		return n+1 < batchEntries && !blocked
	}
	if cookie < cookieDot {
		add(nameDot, d.Ino(), TypeDir, cookieDot)
	}
	if cookie < cookieDotDot {
		up := d.Parent()
		if !within {
			up = d.Ino()
		}
		add(nameDotDot, up, TypeDir, cookieDotDot)
	}
	if cookie < cookieSnaps && call.shows(h) {
		snaps := attrOf(fs.snapDirOf(d))
		b.add([]byte(SnapshotsName), snaps.Handle, TypeDir, cookieSnaps, &snaps)
	}
	dd := dir.Open(fs.j, nil, d, fs.key)
	err = dd.Scan(max(cookie, cookieSnaps), func(e dir.Entry) bool {
		more = !add(e.Name, e.Ino, FileType(e.Type), e.Key)
		return !more
	})
	if blocked {
		return false, ErrWouldBlock
	}
	return more, err
}

// vet that stored keys never collide with the cookies of what is not stored.
var _ [layout.FirstKey - cookieSnaps - 1]byte
