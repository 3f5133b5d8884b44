package pmemfs

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
)

// Call is what one call asks for, and learns, beside its arguments and its result. It belongs to one call at a time. A nil Call
// asks for nothing, and costs a comparison.
type Call struct {
	// Key, unless it is zero, identifies the request that the call carries out: the record that makes the operation durable says
	// so, and the key is among RequestNotes after the next Open.
	Key RequestKey
	// NoWait makes a call that changes nothing return ErrWouldBlock rather than wait for a lock that a change holds. A
	// Readdir that has called emit waits all the same, and calls that change something do not look at it.
	NoWait bool
	// Open says that the file is open, and that what the call does with its data was allowed when it was opened (Access): permissions for
	// reading, writing and listing are not looked at again.
	Open bool
	// Expected, unless it is zero, is the file that an Unlink, a Rmdir or a Rename is about: when the name (of a Rename, the old one) is
	// another one's, the call is ErrStale and changes nothing.
	Expected Handle
	// Within are directories, unless they are zero, out of which ".." does not lead a Lookup or a Readdir: of a directory that does not have
	// each of them above it, ".." is the directory itself. That is decided while no directory changes its parent.
	Within [2]Handle
	// Top is the directory, unless it is zero, in which the name SnapshotsName leads to the directory of snapshots, and means no file. ShowTop
	// makes a Readdir of it show that name.
	Top     Handle
	ShowTop bool

	// WCC is what the call has learned of the files that its handles name, in the order of its arguments, also when it failed.
	// What it could not look at, as its name or another argument was refused first, has no attributes.
	WCC [2]WCC

	next    [2]Attr // the post-op attributes once the record is durable
	hasNext [2]bool // which of next counts
}

// WCC is the weak cache consistency data of one file (RFC 1813 section 2.6): its attributes before and after a call, both read
// under the locks that the call held, so that nothing came between. A call that changes nothing, or fails, has Post only.
type WCC struct {
	Pre, Post       Attr
	HasPre, HasPost bool
}

// PreOp returns the pre-op attributes. Of a file that the call has looked at and not changed they are the post-op attributes;
// nil if it was not looked at.
func (w *WCC) PreOp() *Attr {
	switch {
	case w.HasPre:
		return &w.Pre
	case w.HasPost:
		return &w.Post
	}
	return nil
}

// Reset makes c ready for another call, which asks for nothing.
func (c *Call) Reset() {
	c.Key, c.NoWait, c.Open, c.Expected, c.Within, c.hasNext = RequestKey{}, false, false, Handle{}, [2]Handle{}, [2]bool{}
	c.Top, c.ShowTop = Handle{}, false
	for i := range c.WCC {
		c.WCC[i].HasPre, c.WCC[i].HasPost = false, false
	}
}

// vetExpected returns ErrStale if the call is to be about another file.
func (c *Call) vetExpected(in layout.Inode) error {
	if c == nil || c.Expected == (Handle{}) || c.Expected == (Handle{Ino: in.Ino(), Gen: in.Gen()}) {
		return nil
	}
	return ErrStale
}

// opened reports whether the call is one on an open file.
func (c *Call) opened() bool { return c != nil && c.Open }

// bounded reports whether ".." leads the call only so far.
func (c *Call) bounded() bool { return c != nil && c.Within != [2]Handle{} }

// leadsToSnapshots reports whether a name in a directory is that of the directory of snapshots.
func (c *Call) leadsToSnapshots(dir Handle, name []byte) bool {
	return len(name) == len(SnapshotsName) && c != nil && c.Top == dir && c.Top != Handle{} && string(name) == SnapshotsName
}

// shows reports whether a Readdir of a directory shows the directory of snapshots.
func (c *Call) shows(dir Handle) bool { return c != nil && c.ShowTop && c.Top == dir }

// waits reports whether the call may wait for locks.
func (c *Call) waits() bool { return c == nil || !c.NoWait }

// setPost takes the attributes of the file of handle i, whose stripe is held, for the post-op ones: they are, unless a record
// changes them.
func (c *Call) setPost(i int, in layout.Inode) {
	if c != nil {
		c.hasNext[i] = false
		c.WCC[i].Post, c.WCC[i].HasPost = attrOf(in), true
	}
}

// setNext takes the attributes that the file of handle i, which setPost has seen under the same lock, will have when the record
// is durable.
func (c *Call) setNext(i int, in layout.Inode) {
	if c != nil {
		c.next[i], c.hasNext[i] = attrOf(in), true
	}
}

// commit commits the operation of a call, and with it the attributes.
func (c *Call) commit(op *alloc.Op) error {
	if err := op.Commit(); err != nil || c == nil {
		return err
	}
	c.committed()
	return nil
}

// committed says that the record is durable: what was next is the post-op attributes, and what was before it the pre-op ones.
// Those of a call of several records were before the first.
func (c *Call) committed() {
	if c == nil {
		return
	}
	for i := range c.WCC {
		w := &c.WCC[i]
		if !c.hasNext[i] {
			continue
		}
		if !w.HasPre {
			w.Pre, w.HasPre = w.Post, true
		}
		w.Post, c.hasNext[i] = c.next[i], false
	}
}

// dropPre is for another attempt, behind one that may have changed something: others had the locks in between, so what was before
// the first attempt is not what was before the second.
func (c *Call) dropPre() {
	if c == nil {
		return
	}
	for i := range c.WCC {
		c.WCC[i].HasPre = false
	}
}
