// Package tarball reads and writes tar archives that keep all that a file of Linux has: times in nanoseconds, extended attributes,
// access control lists, holes, names of any bytes and length.
//
// The standard library's archive/tar writes no holes, and reads them as zeros; so a file of a terabyte that holds nothing would take minutes here.
// What is read: ustar, V7, PAX and GNU archives, with sparse files in the four ways of GNU tar. What is written: ustar
// headers, with PAX records where those are not enough, and sparse files as PAX 1.0, which GNU tar and libarchive restore with their holes.
//
// A Source and a Sink are the two ends of every copy of a tree: an archive, a folder of the host (archive/hostdir), an image (archive).
//
// # Concurrency and durability
//
// A Reader or Writer belongs to one goroutine. Nothing here is made durable.
package tarball

import (
	"errors"
	"fmt"
	"io"
)

// Type is what an entry is, by its letter in an archive.
type Type byte

// The types.
const (
	Regular Type = '0'
	Link    Type = '1' // another name of an entry that came before
	Symlink Type = '2'
	Char    Type = '3'
	Block   Type = '4'
	Dir     Type = '5'
	FIFO    Type = '6'
	Socket  Type = 's' // ours: no archive can hold one
)

// Extent is a part of a file that holds data, in bytes.
type Extent struct{ Off, Len uint64 }

// Xattr is an extended attribute. Access control lists are among them, in the form that Linux gives them: system.posix_acl_access.
type Xattr struct {
	Name  string
	Value []byte
}

// Entry is one file of a tree.
type Entry struct {
	Name         string // any bytes, parts separated by slashes; "." or empty for the top
	Type         Type
	Mode         uint32 // 07777
	UID, GID     uint32
	Size         uint64 // of a regular file, holes included
	Mtime, Atime int64  // nanoseconds since 1970
	HasAtime     bool
	Target       string // of a link or symbolic link
	Major, Minor uint32
	Xattrs       []Xattr
	Sparse       bool     // only Data is data, the rest holes
	Data         []Extent // in ascending order; of a file that is not Sparse one of its size, or none
	Offset       int64    // of its header in the archive that it comes from; negative if that is none
}

// Extents returns what of the file is data.
func (e *Entry) Extents() []Extent {
	if e.Type != Regular || e.Sparse {
		return e.Data
	}
	if e.Size == 0 {
		return nil
	}
	return []Extent{{0, e.Size}}
}

// DataSize returns how many bytes of data the entry has.
func (e *Entry) DataSize() (n uint64) {
	for _, x := range e.Extents() {
		n += x.Len
	}
	return n
}

// Source is a tree that is read, one entry after another.
type Source interface {
	// Next returns the next entry, io.EOF behind the last.
	Next() (*Entry, error)
	// Read reads the entry's data: its extents, one after another.
	Read(p []byte) (int, error)
}

// Sink is a tree that is written.
type Sink interface {
	// Begin begins an entry. Its data follows by Write; all of it, before the next one.
	Begin(e *Entry) error
	Write(p []byte) (int, error)
	// Close ends the tree. It is no tree without that.
	Close() error
}

// ErrSocket is returned by Writer.Begin, which has written nothing: no archive can hold a socket.
var ErrSocket = errors.New("a socket, which no tar archive can hold")

// Error says what is wrong with an archive, and where.
type Error struct {
	Name   string // of the entry; empty if that is not known
	Offset int64  // of its header, in bytes; negative if there is no archive
	Cause  error
}

// Error names the entry and the offset.
func (e *Error) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%q: %v", Short(e.Name), e.Cause)
	}
	if e.Name == "" {
		return fmt.Sprintf("archive, offset %d: %v", e.Offset, e.Cause)
	}
	return fmt.Sprintf("archive entry %q, offset %d: %v", Short(e.Name), e.Offset, e.Cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Wrap says of an error which entry it is about.
func (e *Entry) Wrap(err error) error {
	if err == nil {
		return nil
	}
	return &Error{e.Name, e.Offset, err}
}

// Truncated reports whether an error says that an archive ended before its end.
func Truncated(err error) bool { return errors.Is(err, errTruncated) }

// shownMax is how much of a name a message shows, in bytes.
const shownMax = 300

// Short returns a name as a message shows it.
func Short(name string) string {
	if len(name) <= shownMax {
		return name
	}
	return name[:shownMax/2] + "..." + name[len(name)-shownMax/2:]
}

// copyChunk is how much data Copy holds, in bytes.
const copyChunk = 256 << 10

// Copy copies a tree, and closes the sink. progress is told of each piece of data; entry of each entry, and may refuse it.
func Copy(to Sink, from Source, entry func(*Entry) error, progress func(bytes int)) error {
	chunk := make([]byte, copyChunk)
	for {
		e, err := from.Next()
		if errors.Is(err, io.EOF) {
			return to.Close()
		}
		if err != nil {
			return err
		}
		if err := entry(e); err != nil {
			return err
		}
		if err := to.Begin(e); err != nil {
			return err
		}
		if err := copyData(to, from, e, chunk, progress); err != nil {
			return err
		}
	}
}

func copyData(to Sink, from Source, e *Entry, chunk []byte, progress func(bytes int)) error {
	for left := e.DataSize(); left > 0; {
		p := chunk[:min(left, uint64(len(chunk)))]
		if _, err := io.ReadFull(from, p); err != nil {
			return err
		}
		if _, err := to.Write(p); err != nil {
			return err
		}
		left -= uint64(len(p))
		progress(len(p))
	}
	return nil
}
