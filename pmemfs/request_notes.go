package pmemfs

import (
	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
)

// RequestKey identifies a request to the engine. Its 16 bytes mean nothing here; zero is no request.
type RequestKey [16]byte

// RequestNote says that the request with this key was carried out: the record of its operation is durable. Servers rebuild
// their duplicate request caches from such notes.
type RequestNote struct {
	Key  RequestKey
	Made Handle // the file that the request made or gave a name to, or zero
}

// note logs in an operation, if the call has a request key, that the request was carried out and what it made.
func (c *Call) note(op *alloc.Op, made Handle) {
	if c != nil && c.Key != (RequestKey{}) {
		op.Tx.RequestNote(layout.RequestNote{Key: c.Key, Ino: made.Ino, Gen: made.Gen})
	}
}

// RequestNotes returns the requests that had been carried out when the filesystem was opened, oldest first, each key once: at
// most the newest 8,192, and as far back as the journal's ring goes. They come from the mounts before, whether those ended
// with Close or not. The list does not change while the filesystem is open; the caller must not change it either.
func (fs *FS) RequestNotes() []RequestNote { return fs.notes }

// takeNotes keeps the notes that recovery found.
func (fs *FS) takeNotes(st *journal.State) {
	for _, n := range st.Notes {
		fs.notes = append(fs.notes, RequestNote{Key: n.Key, Made: Handle{Ino: n.Ino, Gen: n.Gen}})
	}
	if st.NotesErr != nil {
		fs.log.Warn("some notes of earlier requests cannot be read or kept", "error", st.NotesErr)
	}
}
