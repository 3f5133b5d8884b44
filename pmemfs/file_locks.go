package pmemfs

import (
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/locks"
)

// LockOwner is who holds a lock. Locks of one owner never conflict, whatever protocol they come through.
type LockOwner struct {
	Client string // by which locks are counted and dropped
	ID     string // one of its users, in any form
}

// FileLock is a byte-range lock, held or asked for.
type FileLock struct {
	Owner     LockOwner
	Exclusive bool
	Start     uint64 // the first byte
	End       uint64 // the last byte, LockEOF for no end
	Tag       string // whatever a protocol wants to see again of a lock that is in the way; no part of its identity
}

// LockEOF as the last byte of a lock means that it has no end.
const LockEOF = locks.EOF

// FileShare is a reservation of a whole file: what its owner does with it, and what others may not do meanwhile. It conflicts
// with other reservations only.
type FileShare struct {
	Owner        LockOwner
	Access, Deny ShareMode
}

// ShareMode is what a FileShare accesses or denies.
type ShareMode uint8

// Bits of a ShareMode.
const (
	ShareRead  = ShareMode(locks.ShareRead)
	ShareWrite = ShareMode(locks.ShareWrite)
)

// LockUsage is how much the locks of a filesystem are.
type LockUsage struct {
	Files   int // that have any
	Units   int // locks and reservations
	Waits   int // requests that wait
	Clients int // that have any
}

func (l *FileLock) internal() locks.Lock {
	return locks.Lock{Owner: locks.Owner(l.Owner), Exclusive: l.Exclusive, Start: l.Start, End: l.End, Tag: l.Tag}
}

// lockable calls f with the table of locks while h names a regular file that c may read, or write: whoever may do either
// may lock in either mode. Locks are in memory alone and bounded for each client.
func (fs *FS) lockable(c *Cred, call *Call, h Handle, f func(t *locks.Table) error) error {
	return fs.view(call, h, func(in layout.Inode) error {
		if in.Mode()&layout.ModeType != layout.ModeRegular {
			return ErrInvalid
		}
		if err := fs.allowData(c, call, in, AccessRead); err != nil && fs.allowData(c, call, in, AccessWrite) != nil {
			return err
		}
		return f(fs.locks)
	})
}

// TestLock returns a lock of another owner that is in the way of want. No fence.
//
// Errors: ErrInvalid for what is no regular file; ErrAccess; read errors.
func (fs *FS) TestLock(c *Cred, call *Call, h Handle, want FileLock) (l FileLock, found bool, err error) {
	err = fs.lockable(c, call, h, func(t *locks.Table) error {
		var held locks.Lock
		held, found = t.Test(h.FileID(), want.internal())
		l = FileLock{LockOwner(held.Owner), held.Exclusive, held.Start, held.End, held.Tag}
		return nil
	})
	return l, found, err
}

// TryLock sets a lock, in place of what its owner has in the range. ErrConflict when another owner has one in the way;
// ErrNoLocks. Locks are gone when the filesystem is closed. No fence.
func (fs *FS) TryLock(c *Cred, call *Call, h Handle, want FileLock) error {
	return fs.lockable(c, call, h, func(t *locks.Table) error { return t.Lock(h.FileID(), want.internal()) })
}

// WaitLock sets a lock at once, and returns true, or asks for it: then done is called once, with nil when the lock is granted,
// or an error: ErrDeadlock, or ErrStale when the file is removed or its owner's locks are dropped. Until then CancelLock takes the
// request back. Requests are granted in turn. The same request, made again, only changes who is told. done is called under
// locks of the filesystem: it returns at once and calls nothing here. ErrDeadlock; ErrNoLocks. No fence.
func (fs *FS) WaitLock(c *Cred, call *Call, h Handle, want FileLock, done func(error)) (granted bool, err error) {
	err = fs.lockable(c, call, h, func(t *locks.Table) (err error) {
		granted, err = t.Wait(h.FileID(), want.internal(), func(err error) { done(mapErr(err)) })
		return err
	})
	return granted, err
}

// CancelLock takes back a request that waits. It returns false when there is none: it may have been granted.
func (fs *FS) CancelLock(h Handle, want FileLock) bool {
	return fs.locks.Cancel(h.FileID(), want.internal())
}

// Unlock takes away what an owner has in a range, with no permission but being the owner. ErrNoLocks when that would leave a
// lock in two pieces, of which the client may not have another; ErrStale. No fence.
func (fs *FS) Unlock(h Handle, owner LockOwner, start, end uint64) error {
	if h.Snap != 0 { // also when the snapshot is gone, of which the locks are not told
		return mapErr(fs.locks.Unlock(h.FileID(), locks.Owner(owner), start, end))
	}
	return fs.view(nil, h, func(layout.Inode) error { return fs.locks.Unlock(h.FileID(), locks.Owner(owner), start, end) })
}

// ReleaseLocks takes away all that an owner has of a file, requests included, as closing a file does. No fence.
func (fs *FS) ReleaseLocks(h Handle, owner LockOwner) {
	fs.locks.DropFile(h.FileID(), locks.Owner(owner))
}

// DropLocks takes away all that those owners of a client have of whom match says so, and returns how much that was: locks,
// reservations, and requests, which end with ErrStale. match is called under a lock. No fence.
func (fs *FS) DropLocks(client string, match func(id string) bool) int {
	return fs.locks.Drop(client, match)
}

// HasLocks reports whether an owner of a client of whom match says so has anything that DropLocks would drop.
func (fs *FS) HasLocks(client string, match func(id string) bool) bool {
	return fs.locks.Has(client, match)
}

// Share makes a reservation, in place of the one that its owner has. ErrConflict; ErrNoLocks. No fence.
func (fs *FS) Share(c *Cred, call *Call, h Handle, want FileShare) error {
	share := locks.Share{Owner: locks.Owner(want.Owner), Access: locks.ShareMode(want.Access), Deny: locks.ShareMode(want.Deny)}
	return fs.lockable(c, call, h, func(t *locks.Table) error { return t.Share(h.FileID(), share) })
}

// Unshare takes an owner's reservation away, if it has one. ErrStale. No fence.
func (fs *FS) Unshare(h Handle, owner LockOwner) error {
	return fs.view(nil, h, func(layout.Inode) error {
		fs.locks.Unshare(h.FileID(), locks.Owner(owner))
		return nil
	})
}

// LockClients returns the clients that have locks, requests or reservations, in no order.
func (fs *FS) LockClients() []string { return fs.locks.Clients() }

// LockUsage returns how much the locks of the filesystem are.
func (fs *FS) LockUsage() LockUsage { return LockUsage(fs.locks.Usage()) }

// LockEntry is a lock of a file that is held, or a request for one that waits.
type LockEntry struct {
	FileID  uint64
	Lock    FileLock
	Waiting bool
	For     LockOwner // of a request: who has a lock that is in its way, or asked for one before
}

// ListLocks returns up to so many locks and requests, in no order, and how many there are. No fence.
func (fs *FS) ListLocks(most int) (list []LockEntry, all int) {
	entries, all := fs.locks.List(most)
	for _, e := range entries {
		l := FileLock{LockOwner(e.Lock.Owner), e.Lock.Exclusive, e.Lock.Start, e.Lock.End, e.Lock.Tag}
		list = append(list, LockEntry{FileID: e.Ino, Lock: l, Waiting: e.Waiting, For: LockOwner(e.For)})
	}
	return list, all
}
