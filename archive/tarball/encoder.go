package tarball

import (
	"bytes"
	"errors"
	"io"
)

// Encoder is an archive of a source, made as it is read.
type Encoder struct {
	from     Source
	buf      bytes.Buffer
	w        *Writer
	left     uint64 // of the entry's data
	end      bool
	chunk    []byte
	entry    func(*Entry) error
	progress func(bytes int)
}

// NewEncoder makes an archive of a source. entry is told of each entry; progress of each piece of data. What no archive can hold is told to
// skipped, and left out.
func NewEncoder(from Source, skipped func(*Entry), progress func(bytes int)) *Encoder {
	e := &Encoder{from: from, chunk: make([]byte, copyChunk), progress: progress}
	e.w = NewWriter(&e.buf)
	e.entry = func(x *Entry) error {
		err := e.w.Begin(x)
		if errors.Is(err, ErrSocket) {
			skipped(x)
			return nil
		}
		e.left = x.DataSize()
		return err
	}
	return e
}

// Read reads the archive. Errors: io.EOF; the source's.
func (e *Encoder) Read(p []byte) (int, error) {
	for e.buf.Len() == 0 {
		if e.end {
			return 0, io.EOF
		}
		if err := e.step(); err != nil {
			return 0, err
		}
	}
	return e.buf.Read(p)
}

// step encodes an entry, a piece of its data, or the end.
func (e *Encoder) step() error {
	if e.left > 0 {
		p := e.chunk[:min(e.left, uint64(len(e.chunk)))]
		if _, err := io.ReadFull(e.from, p); err != nil {
			return err
		}
		e.left -= uint64(len(p))
		e.progress(len(p))
		_, err := e.w.Write(p)
		return err
	}
	x, err := e.from.Next()
	if errors.Is(err, io.EOF) {
		e.end = true
		return e.w.Close()
	}
	if err != nil {
		return err
	}
	return e.entry(x)
}
