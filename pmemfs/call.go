package pmemfs

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
)

// NoteKey says who asked for an operation, in 16 bytes that mean nothing to the engine; zero says nothing.
type NoteKey [16]byte

// Note says that the operation that Key asked for has happened: its record is durable.
type Note struct {
	Key  NoteKey
	Made Handle // the file that the operation made or gave a name to, or zero
}

// Call is what one call keeps and learns beside its result. A Cred points to it. It belongs to one call at a time, and
// costs a call that has none a comparison.
type Call struct {
	// Note, unless it is zero, goes into the record that makes the operation durable, and is among Notes after the next Open.
	Note NoteKey
	// NoWait makes a call that changes nothing return ErrWouldBlock rather than wait for a lock that a change holds. A
	// Readdir that has called emit waits all the same, and calls that change something do not look at it.
	NoWait bool
	// Open says that the file is open, and that what the call does with its data was allowed when it was opened (Access): permissions for
	// reading, writing and listing are not looked at again.
	Open bool
	// Only, unless it is zero, is the file that an Unlink, a Rmdir or a Rename is about: when the name (of a Rename, the old one) is another
	// one's, the call is ErrStale and changes nothing.
	Only Handle
	// Within are directories, unless they are zero, out of which ".." does not lead a Lookup or a Readdir: of a directory that does not have
	// each of them above it, ".." is the directory itself. That is decided while no directory changes its parent.
	Within [2]Handle
	// Saw is what the call saw of the files that its handles name, in the order of its arguments, also when it failed. What
	// it could not look at, as its name or another argument was refused first, has neither attribute.
	Saw [2]Seen

	next  [2]Attr // what Saw will say when the record is durable
	ahead [2]bool // which of next counts
}

// Seen is the attributes of one file before and after a call, both read under the locks that the call held: nothing came
// between. A call that changes nothing, or fails, has After only, which Pre returns too.
type Seen struct {
	Before, After       Attr
	HasBefore, HasAfter bool
}

// Pre returns the attributes before the call, also of one that has changed nothing; nil if the file was not looked at.
func (s *Seen) Pre() *Attr {
	switch {
	case s.HasBefore:
		return &s.Before
	case s.HasAfter:
		return &s.After
	}
	return nil
}

// Reset makes c ready for another call. It keeps no note.
func (c *Call) Reset() {
	c.Note, c.NoWait, c.Open, c.Only, c.Within, c.ahead = NoteKey{}, false, false, Handle{}, [2]Handle{}, [2]bool{}
	for i := range c.Saw {
		c.Saw[i].HasBefore, c.Saw[i].HasAfter = false, false
	}
}

// about returns ErrStale if the call is to be about another file.
func (c *Call) about(in layout.Inode) error {
	if c == nil || c.Only == (Handle{}) || c.Only == (Handle{in.Ino(), in.Gen()}) {
		return nil
	}
	return ErrStale
}

// note logs in an operation, if the call has a note, that it was asked for and what it made.
func (c *Call) note(op *alloc.Op, made Handle) {
	if c != nil && c.Note != (NoteKey{}) {
		op.Tx.Note(layout.Note{Key: c.Note, Ino: made.Ino, Gen: made.Gen})
	}
}

// Notes returns the notes of what had happened when the filesystem was opened, oldest first, each key once: at most the
// newest 8,192, and as far back as the journal's ring goes. They come from the life before, whether that ended with Close
// or not, and from those before it. It does not change while the filesystem is open; the caller must not change it either.
func (fs *FS) Notes() []Note { return fs.notes }

// takeNotes keeps the notes that recovery found.
func (fs *FS) takeNotes(st *journal.State) {
	for _, n := range st.Notes {
		fs.notes = append(fs.notes, Note{Key: n.Key, Made: Handle{n.Ino, n.Gen}})
	}
	if st.NotesErr != nil {
		fs.log.Warn("some notes of earlier calls cannot be read or kept", "error", st.NotesErr)
	}
}

// call returns what the caller wants to learn, or nil.
func (c *Cred) call() *Call {
	if c == nil {
		return nil
	}
	return c.Call
}

// opened reports whether the call is one on an open file.
func (c *Cred) opened() bool { return c.Call != nil && c.Call.Open }

// bounded reports whether ".." leads the call only so far.
func (c *Call) bounded() bool { return c != nil && c.Within != [2]Handle{} }

// waits reports whether the call may wait for locks.
func (c *Call) waits() bool { return c == nil || !c.NoWait }

// see notes how the file of handle i is. Its stripe is held.
func (c *Call) see(i int, in layout.Inode) {
	if c != nil {
		c.ahead[i] = false
		c.Saw[i].After, c.Saw[i].HasAfter = attrOf(in), true
	}
}

// anew is for an attempt behind one that has changed something: others had the locks in between, so what was before the first is
// not what was before the second.
func (c *Call) anew() {
	if c == nil {
		return
	}
	for i := range c.Saw {
		c.Saw[i].HasBefore = false
	}
}

// expect notes how the file of handle i, which see has seen under the same lock, will be after the next commit.
func (c *Call) expect(i int, in layout.Inode) {
	if c != nil {
		c.next[i], c.ahead[i] = attrOf(in), true
	}
}

// commit commits the operation of a call. What the call expected is then what it saw. A call of several records has seen
// Before in front of the first one.
func (c *Call) commit(op *alloc.Op) error {
	if err := op.Commit(); err != nil || c == nil {
		return err
	}
	c.happened()
	return nil
}

// happened makes what the call expected what it saw.
func (c *Call) happened() {
	if c == nil {
		return
	}
	for i := range c.Saw {
		s := &c.Saw[i]
		if !c.ahead[i] {
			continue
		}
		if !s.HasBefore {
			s.Before, s.HasBefore = s.After, true
		}
		s.After, c.ahead[i] = c.next[i], false
	}
}
