package nlm

import (
	"math"

	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

// Number is the RPC program number of the lock manager.
const Number = 100021

// Versions. There is a version 2, which is of no use over a network.
const (
	version1 = 1
	version3 = 3
	version4 = 4
)

// Procedures (RFC 1813 section 6.3). Those with Msg are Async more, their results another Async.
const (
	procNull    = 0
	procTest    = 1
	procLock    = 2
	procCancel  = 3
	procUnlock  = 4
	procGranted = 5
	async       = 5 // from a procedure to its _MSG, and from that to its _RES
	procMsg     = 6
	procRes     = 11
	procShare   = 20
	procUnshare = 21
	procNMLock  = 22
	procFreeAll = 23
	procCount   = 24
)

// status is nlm4_stats (RFC 1813 section 6.1.3).
type status uint32

const (
	granted      status = 0
	denied       status = 1
	deniedNoLock status = 2
	blocked      status = 3
	deniedGrace  status = 4
	deadlock     status = 5
	readOnly     status = 6
	staleHandle  status = 7
	tooBig       status = 8
	failed       status = 9
)

// in returns the status as a version can say it: 1 and 3 have the first five.
func (s status) in(vers uint32) status {
	switch {
	case vers == version4 || s <= deniedGrace:
		return s
	case s == deadlock:
		return denied
	}
	return deniedNoLock
}

// Lengths of what clients send (LM_MAXSTRLEN, MAXNETOBJ_SZ, MAXNAMELEN).
const (
	nameMax   = 1024
	objectMax = 1024
)

// alock is nlm4_lock, or nlm_lock: who wants what of which file. Its slices alias the call.
type alock struct {
	caller, fh, oh []byte
	svid           uint32
	start, length  uint64
}

func decodeLock(d *rpc.Decoder, vers uint32) (l alock) {
	l.caller, l.fh, l.oh = d.Opaque(nameMax), d.Opaque(objectMax), d.Opaque(objectMax)
	l.svid = d.Uint32()
	if vers == version4 {
		l.start, l.length = d.Uint64(), d.Uint64()
	} else {
		l.start, l.length = uint64(d.Uint32()), uint64(d.Uint32())
	}
	return l
}

func (l *alock) encode(e *rpc.Encoder, vers uint32) {
	e.Opaque(l.caller)
	e.Opaque(l.fh)
	e.Opaque(l.oh)
	e.Uint32(l.svid)
	putRange(e, vers, l.start, l.length)
}

// putRange appends an offset and a length. What a version with 32 bits cannot say is as near as it can.
func putRange(e *rpc.Encoder, vers uint32, start, length uint64) {
	if vers == version4 {
		e.Uint64(start)
		e.Uint64(length)
		return
	}
	if length > math.MaxUint32 {
		length = 0
	}
	e.Uint32(uint32(min(start, math.MaxUint32)))
	e.Uint32(uint32(length))
}

// end is the last byte; false for a range beyond what an off_t of 64 bits can say, as clients' kernels have it: to grant it would be to lock
// what nobody can have.
func (l *alock) end() (uint64, bool) {
	if l.start > math.MaxInt64 {
		return 0, false
	}
	if l.length == 0 {
		return pmemfs.LockEOF, true
	}
	return l.start + l.length - 1, l.length-1 <= math.MaxInt64-l.start
}

// lengthOf is the length of a lock as it is on the wire: 0 for one without an end.
func lengthOf(l *pmemfs.FileLock) uint64 {
	if l.End == pmemfs.LockEOF {
		return 0
	}
	return l.End - l.Start + 1
}

// arguments are those of any procedure. Its slices alias the call.
type arguments struct {
	cookie           []byte
	block, exclusive bool
	lock             alock
	reclaim          bool
	state            uint32 // of the client's status monitor
	mode, access     uint32 // of a share: what others may not do, what its owner does
	stat             status // of a _RES
}

// decode reads the arguments of a procedure (RFC 1813 sections 6.1.4 and 6.3).
func decode(proc, vers uint32, args []byte) (a arguments, ok bool) {
	d := rpc.NewDecoder(args)
	if proc == procFreeAll {
		a.lock.caller, a.state = d.Opaque(nameMax), d.Uint32()
		return a, d.Done()
	}
	if proc == procNull {
		return a, d.Done()
	}
	a.cookie = d.Opaque(objectMax)
	if proc >= procRes && proc < procRes+async {
		return a, a.decodeResult(d, proc, vers)
	}
	switch base(proc) {
	case procTest, procGranted:
		a.exclusive = d.Bool()
		a.lock = decodeLock(d, vers)
	case procLock, procNMLock:
		a.block, a.exclusive = d.Bool(), d.Bool()
		a.lock = decodeLock(d, vers)
		a.reclaim, a.state = d.Bool(), d.Uint32()
	case procCancel:
		a.block, a.exclusive = d.Bool(), d.Bool()
		a.lock = decodeLock(d, vers)
	case procUnlock:
		a.lock = decodeLock(d, vers)
	case procShare, procUnshare:
		a.lock.caller, a.lock.fh, a.lock.oh = d.Opaque(nameMax), d.Opaque(objectMax), d.Opaque(objectMax)
		a.mode, a.access, a.reclaim = d.Uint32(), d.Uint32(), d.Bool()
		if a.mode > 3 || a.access > 3 {
			return a, false
		}
	}
	return a, d.Done()
}

// base is the procedure of which one is the _MSG form.
func base(proc uint32) uint32 {
	if proc >= procMsg && proc < procRes {
		return proc - async
	}
	return proc
}

// decodeResult reads what a client sends as the result of an asynchronous call.
func (a *arguments) decodeResult(d *rpc.Decoder, proc, vers uint32) bool {
	a.stat = status(d.Uint32())
	if proc == procRes && a.stat == denied { // nlm4_testrply: the holder
		d.Bool()
		d.Uint32()
		d.Opaque(objectMax)
		if vers == version4 {
			d.Uint64()
			d.Uint64()
		} else {
			d.Uint32()
			d.Uint32()
		}
	}
	return d.Done()
}
