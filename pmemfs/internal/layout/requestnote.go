package layout

// RequestNoteSize is the size of a note's payload: key 16 bytes, inode number u64, generation u64.
const RequestNoteSize = 32

// RequestNote is what an entry of the kind EntryRequestNote holds: who asked for the operation of its record, and what that made.
type RequestNote struct {
	Key      [16]byte
	Ino, Gen uint64 // zero if it made nothing
}

// AppendRequestNote appends an entry with a note.
func AppendRequestNote(b []byte, n *RequestNote) []byte {
	var p [RequestNoteSize]byte
	copy(p[:], n.Key[:])
	le.PutUint64(p[16:], n.Ino)
	le.PutUint64(p[24:], n.Gen)
	return AppendEntry(b, 0, RequestNoteSize, EntryRequestNote, 0, p[:])
}

// DecodeRequestNote reads the payload of an entry that NextEntry accepted as a note.
func DecodeRequestNote(b []byte) (n RequestNote) {
	copy(n.Key[:], b)
	n.Ino, n.Gen = le.Uint64(b[16:]), le.Uint64(b[24:])
	return n
}

// nextRequestNote is NextEntry for a note, whose header has been decoded.
func nextRequestNote(e Entry, rest []byte) (Entry, []byte, bool) {
	if e.Off != 0 || e.Len != RequestNoteSize || e.Arg != 0 || len(rest) < RequestNoteSize {
		return e, nil, false
	}
	e.Data = rest[:RequestNoteSize]
	return e, rest[RequestNoteSize:], true
}
