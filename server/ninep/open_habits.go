package ninep

import "sync/atomic"

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
