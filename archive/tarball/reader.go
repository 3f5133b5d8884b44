package tarball

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

const (
	extensionMax = 1 << 20  // bytes of a PAX header or a long name
	extensionRun = 64       // of them before one entry
	trailMax     = 64 << 20 // bytes behind the end of an archive
)

// Reader reads an archive. It is a Source.
type Reader struct {
	r     io.Reader
	off   int64  // read so far
	left  uint64 // of the entry's data
	pad   uint64 // behind it
	end   bool
	block [blockSize]byte
}

// NewReader reads an archive from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// pending is what headers before an entry have said of it.
type pending struct {
	pax        map[string]string
	sparse00   []string // numbers, as PAX 0.0 has them: one record each
	name, link *string  // GNU
}

// fill reads a whole block. At the very end of the input it returns io.EOF.
func (r *Reader) fill(b []byte) error {
	n, err := io.ReadFull(r.r, b)
	r.off += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}

// Next skips what is left of an entry and returns the next one.
//
// Errors: io.EOF behind the end of the archive; an *Error; what the reader said.
func (r *Reader) Next() (*Entry, error) {
	if r.end {
		return nil, io.EOF
	}
	if err := r.skip(r.left + r.pad); err != nil {
		return nil, &Error{"", r.off, err}
	}
	r.left, r.pad = 0, 0
	var p pending
	for range extensionRun {
		at := r.off
		done, err := r.header(at)
		if err != nil || done {
			return nil, err
		}
		e, err := r.entry(&p)
		if err != nil {
			return nil, &Error{cmpOr(p.name, p.pax["path"], fieldName.text(r.block[:])), at, err}
		}
		if e != nil {
			e.Offset = at
			return e, nil
		}
	}
	return nil, &Error{"", r.off, errors.New("more headers than an entry can have")}
}

func cmpOr(p *string, others ...string) string {
	if p != nil {
		return *p
	}
	for _, o := range others {
		if o != "" {
			return o
		}
	}
	return ""
}

// header reads a header block; done at the end of the archive.
func (r *Reader) header(at int64) (done bool, err error) {
	b := r.block[:]
	switch err := r.fill(b); {
	case errors.Is(err, io.EOF) && at == 0:
		return false, &Error{"", at, errors.New("the archive is empty: not even its end is there")}
	case errors.Is(err, io.EOF):
		return false, &Error{"", at, errTruncated}
	case errors.Is(err, errTruncated):
		if at == 0 {
			err = errNotTar
		}
		return false, &Error{"", at, err}
	case err != nil:
		return false, err
	}
	if allZero(b) {
		// The end is two blocks of zeros; some programs write one.
		r.end = true
		if err := r.drain(); err != nil {
			return false, &Error{"", r.off, err}
		}
		return true, io.EOF
	}
	if err := verify(b); err != nil {
		if at == 0 {
			err = errNotTar
		}
		return false, &Error{fieldName.text(b), at, err}
	}
	return false, nil
}

// drain reads what follows the end, so that whoever writes it is not stopped, and a compressed stream is verified to its end.
func (r *Reader) drain() error {
	n, err := io.Copy(io.Discard, io.LimitReader(r.r, trailMax+1))
	if n > trailMax {
		err = fmt.Errorf("more than %d bytes follow the end of the archive", trailMax)
	}
	return err
}

func allZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// entry reads what a header says; nil if it is about the entry that follows.
func (r *Reader) entry(p *pending) (*Entry, error) {
	b := r.block[:]
	size, err := fieldSize.number(b)
	if err != nil {
		return nil, err
	}
	if size < 0 {
		return nil, fmt.Errorf("a size of %d", size)
	}
	switch t := b[typeAt]; t {
	case 'x', 'X', 'g':
		text, err := r.extension(size)
		if err != nil || t == 'g' {
			return nil, err // what is said of all entries, such as git's commit, is not about files
		}
		return nil, p.parse(text)
	case 'L', 'K':
		text, err := r.extension(size)
		name, _, _ := strings.Cut(string(text), "\x00")
		if t == 'L' {
			p.name = &name
		} else {
			p.link = &name
		}
		return nil, err
	case 'V':
		*p = pending{}
		return nil, r.skip(uint64(size) + padding(uint64(size)))
	}
	return r.file(p, uint64(size))
}

// extension reads the data of a header that is about the next one.
func (r *Reader) extension(size int64) ([]byte, error) {
	if size > extensionMax {
		return nil, fmt.Errorf("a header of %d bytes", size)
	}
	b := make([]byte, uint64(size)+padding(uint64(size)))
	if err := r.fill(b); err != nil {
		return nil, errTruncated
	}
	return b[:size], nil
}

// file makes the entry of a header that is about a file.
func (r *Reader) file(p *pending, size uint64) (*Entry, error) {
	e := &Entry{}
	stored := size
	if err := r.basics(e); err != nil {
		return nil, err
	}
	if p.name != nil {
		e.Name = *p.name
	}
	if p.link != nil {
		e.Target = *p.link
	}
	if err := p.apply(e, &stored); err != nil {
		return nil, err
	}
	switch t := r.block[typeAt]; t {
	case '0', 0, '7', 'S':
		e.Type = Regular
		if strings.HasSuffix(e.Name, "/") && t != 'S' {
			e.Type = Dir // V7 had no letter for it
		}
	case '1', '2', '3', '4', '5', '6':
		e.Type = Type(t)
	case 'D':
		e.Type = Dir // of an incremental archive, with a list of names
	default:
		return nil, fmt.Errorf("entries of type %q are not known here", t)
	}
	if stored > math.MaxInt64-blockSize {
		return nil, fmt.Errorf("a size of %d", stored)
	}
	r.left, r.pad = stored, padding(stored)
	if e.Type != Regular {
		if e.Type != Dir && e.Type != Link && stored > 0 {
			return nil, fmt.Errorf("what has no content has %d bytes", stored)
		}
		r.pad, r.left = stored+padding(stored), 0 // a list of names, or the file again that a link leads to
		return e, vetNames(e)
	}
	e.Size = stored
	if err := r.sparse(e, p); err != nil {
		return nil, err
	}
	return e, vetNames(e)
}

// basics reads the fields that all kinds of entries have.
func (r *Reader) basics(e *Entry) error {
	b := r.block[:]
	e.Name, e.Target = fieldName.text(b), fieldLink.text(b)
	magic := string(fieldMagic.of(b))
	if prefix := fieldPrefix.text(b); magic == magicUstar && prefix != "" {
		e.Name = prefix + "/" + e.Name
	}
	numbers := make([]int64, 0, 6)
	for _, f := range []field{fieldMode, fieldUID, fieldGID, fieldMajor, fieldMinor, fieldMtime} {
		n := int64(0)
		if f != fieldMajor && f != fieldMinor || magic == magicUstar || magic == magicGNU {
			var err error
			if n, err = f.number(b); err != nil {
				return err
			}
		}
		numbers = append(numbers, n)
	}
	e.Mode = uint32(numbers[0] & 0o7777)
	for i, to := range []*uint32{&e.UID, &e.GID, &e.Major, &e.Minor} {
		n := numbers[i+1]
		if n < 0 || n > math.MaxUint32 {
			return fmt.Errorf("the owner or device number %d is none", n)
		}
		*to = uint32(n)
	}
	mtime := numbers[5]
	if mtime > math.MaxInt64/int64(time.Second) || mtime < math.MinInt64/int64(time.Second) {
		return fmt.Errorf("the time %d is out of range", mtime)
	}
	e.Mtime = mtime * int64(time.Second)
	return nil
}

// vetNames refuses names that no file can have.
func vetNames(e *Entry) error {
	if strings.ContainsRune(e.Name, 0) || strings.ContainsRune(e.Target, 0) {
		return errors.New("a name has a zero byte")
	}
	if e.Name == "" {
		return errors.New("it has no name")
	}
	if (e.Type == Link || e.Type == Symlink) && e.Target == "" {
		return errors.New("a link to nothing")
	}
	return nil
}

// skip passes over bytes.
func (r *Reader) skip(n uint64) error {
	if n == 0 {
		return nil
	}
	done, err := io.CopyN(io.Discard, r.r, int64(n))
	r.off += done
	if errors.Is(err, io.EOF) {
		return errTruncated
	}
	return err
}

// Read reads the entry's data.
func (r *Reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.r.Read(p[:min(uint64(len(p)), r.left)])
	r.off += int64(n)
	r.left -= uint64(n)
	if errors.Is(err, io.EOF) && r.left > 0 {
		return n, &Error{"", r.off, errTruncated}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
