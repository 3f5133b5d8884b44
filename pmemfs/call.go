package pmemfs

// NoteKey says who asked for an operation, in 16 bytes that mean nothing to the engine; zero says nothing.
type NoteKey [16]byte

// Note says that the operation that Key asked for has happened: its record is durable.
type Note struct {
	Key  NoteKey
	Made Handle // the file that the operation made or gave a name to, or zero
}

// Call is what one call keeps and learns beside its result. A Cred points to it. It belongs to one call at a time.
type Call struct {
	// Note, unless it is zero, goes into the record that makes the operation durable, and is among Notes after the next Open.
	Note NoteKey
	// NoWait makes a call that changes nothing return ErrWouldBlock rather than wait for a lock that a change holds.
	NoWait bool
	// Saw is what the call saw of the files that its handles name, in the order of its arguments, also when it failed.
	Saw [2]Seen
}

// Seen is the attributes of one file before and after a call, both read under the locks that the call held: nothing came
// between. A call that changes nothing, or fails, has After only.
type Seen struct {
	Before, After       Attr
	HasBefore, HasAfter bool
}

// Reset makes c ready for another call. It keeps no note.
func (c *Call) Reset() {
	c.Note, c.NoWait = NoteKey{}, false
	for i := range c.Saw {
		c.Saw[i].HasBefore, c.Saw[i].HasAfter = false, false
	}
}
