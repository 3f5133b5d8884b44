package ninep

import (
	"sync/atomic"

	"pmemfs/pmemfs"
)

// Flags of open(2) on Linux, which Tlopen and Tlcreate carry wherever the server runs. What becomes of each says the package comment.
const (
	openAccess    = 0o3
	openWriteOnly = 0o1
	openReadWrite = 0o2
	openCreate    = 0o100
	openExclusive = 0o200
	openNoTTY     = 0o400
	openTruncate  = 0o1000
	openAppend    = 0o2000
	openNonblock  = 0o4000
	openDataSync  = 0o10000
	openAsync     = 0o20000
	openDirect    = 0o40000
	openLargeFile = 0o100000
	openDirectory = 0o200000
	openNoFollow  = 0o400000
	openNoAtime   = 0o1000000
	openCloseExec = 0o2000000
	openSync      = 0o4000000

	openKnown = openAccess | openCreate | openExclusive | openNoTTY | openTruncate | openAppend | openNonblock | openDataSync | openAsync |
		openDirect | openLargeFile | openDirectory | openNoFollow | openNoAtime | openCloseExec | openSync
)

// rights are what a file is opened for.
type rights struct{ read, write, truncate, append bool }

// rightsOf reads them from flags, for a fid that is to become that of an open file. What nobody knows is refused, as O_PATH and O_TMPFILE
// are.
func (c *call) rightsOf(f *fid, flags uint32) (r rights, no errno) {
	access := flags & openAccess
	switch {
	case f.open, f.xattr != nil:
		return r, eBadF
	case access > openReadWrite, flags&^openKnown != 0:
		return r, eInval
	}
	r = rights{access != openWriteOnly, access != 0, flags&openTruncate != 0, flags&openAppend != 0}
	c.s.asked(r)
	return r, ok
}

// plainMode reports whether a mode has nothing but permissions, and the type that a request makes in any case.
func plainMode(mode uint32, t pmemfs.FileType) bool {
	typ := mode >> 12
	return typ == 0 || typ == uint32(t)
}

// habits are what a session has shown of its client, to tell by whether it sends pages that it has cached by way of any open file.
//
// Linux 6.4 to 6.17 does that when it caches writes (cache=mmap, loose and fscache): it opens for both what a program opens for writing, passes
// O_APPEND on, and later sends whole pages through that fid, with the offset of the page. Its appends must go where it says: its own programs
// take turns, and what is at the offset may be the page's old content. A client that does not cache opens for writing alone when a program
// does, and its offsets of appends are what it happens to know.
type habits struct {
	linux       atomic.Bool // has asked for attributes as Linux does
	writeOnly   atomic.Bool // has opened a file for writing alone of its own accord
	refusedBoth atomic.Bool // an open for both was refused, after which that client also tries writing alone
}

// maskOfLinux is the mask of its every Tgetattr for a file that it comes to know: the basic attributes, and the generation.
const maskOfLinux = 1<<11 - 1 | 1<<12

// attributes notes for what attributes the client has asked.
func (h *habits) attributes(mask uint64) {
	if mask == maskOfLinux && !h.linux.Load() {
		h.linux.Store(true)
	}
}

// asked notes for what the client opens a file.
func (h *habits) asked(r rights) {
	if r.write && !r.read && !h.refusedBoth.Swap(false) {
		h.writeOnly.Store(true)
	}
}

// refused notes that the client may not open a file.
func (h *habits) refused(r rights) {
	if r.write && r.read {
		h.refusedBoth.Store(true)
	}
}

// writesBack reports whether the client may send cached pages through a fid that was opened for both.
func (h *habits) writesBack() bool { return h.linux.Load() && !h.writeOnly.Load() }
