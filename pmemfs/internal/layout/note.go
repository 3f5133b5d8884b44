package layout

// NoteSize is the size of a note's payload: key 16 bytes, inode number u64, generation u64.
const NoteSize = 32

// Note is what an entry of the kind EntryNote holds: who asked for the operation of its record, and what that made.
type Note struct {
	Key      [16]byte
	Ino, Gen uint64 // zero if it made nothing
}

// AppendNote appends an entry with a note.
func AppendNote(b []byte, n *Note) []byte {
	var p [NoteSize]byte
	copy(p[:], n.Key[:])
	le.PutUint64(p[16:], n.Ino)
	le.PutUint64(p[24:], n.Gen)
	return AppendEntry(b, 0, NoteSize, EntryNote, 0, p[:])
}

// DecodeNote reads the payload of an entry that NextEntry accepted as a note.
func DecodeNote(b []byte) (n Note) {
	copy(n.Key[:], b)
	n.Ino, n.Gen = le.Uint64(b[16:]), le.Uint64(b[24:])
	return n
}

// nextNote is NextEntry for a note, whose header has been decoded.
func nextNote(e Entry, rest []byte) (Entry, []byte, bool) {
	if e.Off != 0 || e.Len != NoteSize || e.Arg != 0 || len(rest) < NoteSize {
		return e, nil, false
	}
	e.Data = rest[:NoteSize]
	return e, rest[NoteSize:], true
}
