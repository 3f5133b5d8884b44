package ninep

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"

	"pmemfs/pmemfs"
)

// Types of locks, flags of a Tlock, and what it is answered.
const (
	lockRead   = 0
	lockWrite  = 1
	lockUnlock = 2

	lockBlock   = 1
	lockReclaim = 2

	lockGranted = 0
	lockBlocked = 1
	lockGrace   = 3
)

// Owners of locks are processes of a client in one session: a zero, with which no other protocol's owners begin, "9p", the session's
// number, the process's, and what the client calls itself.
const ownerHead = 3 + 8

func (s *session) ownerOf(process uint32, client []byte) pmemfs.LockOwner {
	b := append(make([]byte, 0, ownerHead+4+len(client)), 0, '9', 'p')
	b = binary.BigEndian.AppendUint64(b, s.id)
	b = binary.BigEndian.AppendUint32(b, process)
	return pmemfs.LockOwner{Client: s.client, ID: string(append(b, client...))}
}

// ownsLock selects the owners of the session.
func (s *session) ownsLock(id string) bool {
	return len(id) >= ownerHead && id[:3] == "\x009p" && binary.BigEndian.Uint64([]byte(id[3:ownerHead])) == s.id
}

// processOf is the process of an owner, and what its client calls itself; of an owner of another protocol there is its address.
func processOf(o pmemfs.LockOwner) (process uint32, client string) {
	if process, client, ok := OwnerOf(o.ID); ok {
		return process, client
	}
	return 0, o.Client
}

// OwnerOf returns the process of an owner and what its client calls itself, if it is one of 9P.
func OwnerOf(id string) (process uint32, client string, ok bool) {
	if !strings.HasPrefix(id, "\x009p") || len(id) < ownerHead+4 {
		return 0, "", false
	}
	return binary.BigEndian.Uint32([]byte(id[ownerHead:])), id[ownerHead+4:], true
}

// endOf is the last byte of a range: no length is no end. False if there is no such byte.
func endOf(start, length uint64) (end uint64, valid bool) {
	switch {
	case length == 0:
		return pmemfs.LockEOF, start <= math.MaxInt64
	case length-1 > math.MaxInt64-min(start, math.MaxInt64):
		return 0, false
	}
	return start + length - 1, start <= math.MaxInt64
}

// lock sets or takes away a lock of a byte range, which conflicts with those of every other protocol. A request that may wait is
// answered when it is granted, and given up when the client does not want it any more.
func (c *call) lock() errno {
	id, typ, flags := c.d.u32(), c.d.u8(), c.d.u32()
	start, length := c.d.u64(), c.d.u64()
	process, client := c.d.u32(), c.d.str()
	if !c.d.done() {
		return eProto
	}
	f, want, no := c.lockOf(id, typ, start, length, process, client)
	switch {
	case no != ok:
		return no
	case flags&lockReclaim != 0:
		return eNotSupp // locks end with their session, so there is nothing to claim
	case flags&^lockBlock != 0:
		return eInval
	case typ == lockWrite && c.exp.ReadOnly:
		return eROFS
	}
	if typ == lockUnlock {
		if no := c.status(c.img.eng.Unlock(f.h, want.Owner, want.Start, want.End)); no != ok {
			return no
		}
		put8(c.e, lockGranted)
		return ok
	}
	c.s.srv.locked(f, want.Owner)
	c.s.locksUsed()
	st, no := c.setLock(f, want, flags&lockBlock != 0)
	if no == ok {
		put8(c.e, st)
	}
	return no
}

// lockOf is the lock of an open file that a request is about. What is not shared is exclusive.
func (c *call) lockOf(id uint32, typ uint8, start, length uint64, process uint32, client []byte) (f *fid, l pmemfs.FileLock, no errno) {
	f, no = c.use(id)
	end, valid := endOf(start, length)
	switch {
	case no != ok:
		return nil, l, no
	case !f.open:
		return nil, l, eBadF
	case !valid, typ > lockUnlock, len(client) > pmemfs.NameMax:
		return nil, l, eInval
	}
	c.call.Open = true
	return f, pmemfs.FileLock{Owner: c.s.ownerOf(process, client), Exclusive: typ != lockRead, Start: start, End: end}, ok
}

// setLock sets a lock. It may wait for other owners, and for the end of a grace. A request for which there is no room beside the others does not:
// the client is told to ask again.
func (c *call) setLock(f *fid, want pmemfs.FileLock, block bool) (status uint8, no errno) {
	asked := lockRequest{f.img, f.h, want}
	mayWait := block && c.r.Beside() && c.s.mayWaitFor(asked)
	if mayWait {
		defer c.s.waitedFor(asked)
	}
	for c.img.grace() {
		if !mayWait {
			return lockGrace, ok
		}
		c.r.LeaveSeat()
		if no := c.pause(time.After(gracePoll)); no != ok {
			return 0, no
		}
	}
	if !mayWait {
		err := c.img.eng.TryLock(&c.cred, &c.call, f.h, want)
		if errors.Is(err, pmemfs.ErrConflict) {
			return lockBlocked, ok
		}
		return lockGranted, c.status(err)
	}
	told := make(chan error, 1)
	granted, err := c.img.eng.WaitLock(&c.cred, &c.call, f.h, want, func(err error) { told <- err })
	if err != nil || granted {
		return lockGranted, c.status(err)
	}
	c.r.LeaveSeat()
	if no := pauseFor(c, told, &err); no != ok && c.img.eng.CancelLock(f.h, want) {
		return 0, no
	} else if no != ok {
		err = <-told // it has just been decided
	}
	return lockGranted, c.status(err)
}

// pause waits for something, or returns eIntr when the client does not want the request any more, or is gone.
func (c *call) pause(until <-chan time.Time) errno {
	var at time.Time
	return pauseFor(c, until, &at)
}

func pauseFor[T any](c *call, until <-chan T, got *T) errno {
	select {
	case *got = <-until:
		return ok
	case <-c.p.canceled:
	case <-c.s.stopped:
	}
	return eIntr
}

// locksUsed notes that there may be locks to drop when the session ends.
func (s *session) locksUsed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hasLocks = true
}

// lockRequest is a request for a lock that waits.
type lockRequest struct {
	img  *image
	h    pmemfs.Handle
	want pmemfs.FileLock
}

// mayWaitFor counts a request among those that wait for locks; there are not many, as other requests wait in the same rooms. The
// engine tells one only of two that are the same. Who finds no room is told to ask again.
func (s *session) mayWaitFor(r lockRequest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks[r] || len(s.locks) >= s.srv.limits.LockWaits {
		return false
	}
	if !s.srv.lockWaits.Take(s.remote.Addr(), 1) {
		return false
	}
	if s.locks == nil {
		s.locks = make(map[lockRequest]bool)
	}
	s.locks[r] = true
	return true
}

func (s *session) waitedFor(r lockRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.locks, r)
	s.srv.lockWaits.Give(s.remote.Addr(), 1)
}

// getlock tells which lock would be in the way of one, if any. Linux does not say of which kind of lock it asks, but always lockUnlock;
// then every lock of another owner counts.
func (c *call) getlock() errno {
	id, typ := c.d.u32(), c.d.u8()
	start, length := c.d.u64(), c.d.u64()
	process, client := c.d.u32(), c.d.str()
	if !c.d.done() {
		return eProto
	}
	f, want, no := c.lockOf(id, typ, start, length, process, client)
	if no != ok {
		return no
	}
	l, found, err := c.img.eng.TestLock(&c.cred, &c.call, f.h, want)
	if err != nil {
		return c.status(err)
	}
	typ = lockUnlock
	if found {
		typ, start, length = lockRead, l.Start, 0
		if l.Exclusive {
			typ = lockWrite
		}
		if l.End != pmemfs.LockEOF {
			length = l.End - l.Start + 1
		}
		var holder string
		process, holder = processOf(l.Owner)
		client = []byte(holder)
	}
	put8(c.e, typ)
	put64(c.e, start)
	put64(c.e, length)
	put32(c.e, process)
	putStr(c.e, client)
	return ok
}
