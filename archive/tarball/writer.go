package tarball

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	recordSize = 20 * blockSize // what GNU tar fills its last record to
	sparsePart = "GNUSparseFile.0"
)

// Writer writes an archive. It is a Sink. The same entries make the same bytes.
type Writer struct {
	w       io.Writer
	written uint64
	left    uint64 // of the entry's data
	pad     uint64
}

// NewWriter writes an archive to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

func (w *Writer) put(b []byte) error {
	n, err := w.w.Write(b)
	w.written += uint64(n)
	return err
}

// Begin writes an entry's header.
//
// Errors: ErrSocket; one that wraps what cannot be said in an archive; what the writer said.
func (w *Writer) Begin(e *Entry) error {
	if err := w.finish(); err != nil {
		return err
	}
	if e.Type == Socket {
		return e.Wrap(ErrSocket)
	}
	var b [blockSize]byte
	b[typeAt] = byte(e.Type)
	records, err := w.fields(e, b[:])
	if err != nil {
		return e.Wrap(err)
	}
	var table []byte
	if e.Type == Regular && e.Sparse {
		table = sparseMap(e)
		records = append(records, record(paxSparse+"major", "1"), record(paxSparse+"minor", "0"), record(paxSparse+"name", e.Name),
			record(paxSparse+"realsize", strconv.FormatUint(e.Size, 10)))
	}
	w.left = e.DataSize()
	size := w.left + uint64(len(table))
	if size > math.MaxInt64-blockSize {
		return e.Wrap(fmt.Errorf("%d bytes of data", size))
	}
	w.pad = padding(size)
	if fits := fieldSize.put(b[:], int64(size)); !fits {
		records = append(records, record("size", strconv.FormatUint(size, 10)))
	}
	if !utf8.ValidString(e.Name) || !utf8.ValidString(e.Target) {
		records = append(records, record("hdrcharset", "BINARY"))
	}
	if err := w.extension(e, records); err != nil {
		return err
	}
	seal(b[:])
	return errors.Join(w.put(b[:]), w.put(table))
}

// extension writes PAX records before a header.
func (w *Writer) extension(e *Entry, records []string) error {
	if len(records) == 0 {
		return nil
	}
	slices.Sort(records)
	text := strings.Join(records, "")
	if len(text) > extensionMax {
		return e.Wrap(fmt.Errorf("its name and attributes take %d bytes, and %d are read again at most", len(text), extensionMax))
	}
	var b [blockSize]byte
	b[typeAt] = 'x'
	copy(fieldName.of(b[:]), "PaxHeaders/"+shortName(e.Name))
	fieldMode.put(b[:], 0o644)
	fieldUID.put(b[:], 0)
	fieldGID.put(b[:], 0)
	fieldSize.put(b[:], int64(len(text)))
	fieldMtime.put(b[:], 0)
	copy(fieldMagic.of(b[:]), magicUstar)
	seal(b[:])
	return errors.Join(w.put(b[:]), w.put([]byte(text)), w.put(zeros[:padding(uint64(len(text)))]))
}

// shortName is what stands in a header in place of a name that does not fit; nobody who reads PAX records sees it.
func shortName(name string) string {
	base := name[strings.LastIndexByte(strings.TrimSuffix(name, "/"), '/')+1:]
	ascii := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || r < ' ' {
			return '_'
		}
		return r
	}, base)
	return ascii[:min(len(ascii), 80)]
}

// fields fills a header in, and returns records of what does not fit there.
func (w *Writer) fields(e *Entry, b []byte) (records []string, err error) {
	name := e.Name
	if e.Type == Dir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	switch {
	case e.Type == Regular && e.Sparse: // who does not know sparse files makes a file of this name, with the map in it
		copy(fieldName.of(b), sparsePart+"/"+shortName(name))
	case !putName(b, name):
		copy(fieldName.of(b), shortName(name))
		records = append(records, record("path", name))
	}
	if len(e.Target) > fieldLink.len || !isASCII(e.Target) {
		records = append(records, record("linkpath", e.Target))
		copy(fieldLink.of(b), shortName(e.Target))
	} else {
		copy(fieldLink.of(b), e.Target)
	}
	fieldMode.put(b, int64(e.Mode&0o7777))
	for _, id := range []struct {
		field
		n   uint32
		key string
	}{{fieldUID, e.UID, "uid"}, {fieldGID, e.GID, "gid"}} {
		if fits := id.put(b, int64(id.n)); !fits {
			records = append(records, record(id.key, strconv.FormatUint(uint64(id.n), 10)))
		}
	}
	fieldMajor.put(b, int64(e.Major))
	fieldMinor.put(b, int64(e.Minor))
	if fits := e.Mtime >= 0 && fieldMtime.put(b, e.Mtime/1e9); !fits || e.Mtime%1e9 != 0 {
		if e.Mtime < 0 {
			fieldMtime.put(b, 0)
		}
		records = append(records, record("mtime", formatTime(e.Mtime)))
	}
	if e.HasAtime {
		records = append(records, record("atime", formatTime(e.Atime)))
	}
	copy(fieldMagic.of(b), magicUstar)
	return appendXattrs(records, e)
}

// appendXattrs adds the records of extended attributes.
func appendXattrs(records []string, e *Entry) ([]string, error) {
	for _, x := range e.Xattrs {
		key := map[string]string{AccessACL: paxAccess, DefaultACL: paxDefault}[x.Name]
		if key == "" {
			if strings.Contains(x.Name, "=") {
				return nil, fmt.Errorf("the extended attribute %q: no archive can hold a name with \"=\"", x.Name)
			}
			records = append(records, record(paxXattr+x.Name, string(x.Value)))
			continue
		}
		text, err := aclText(x.Value)
		if err != nil {
			return nil, err
		}
		records = append(records, record(key, text))
	}
	return records, nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// putName writes a name into a header, split at a slash if need be. False if it does not fit.
func putName(b []byte, name string) bool {
	if !isASCII(name) {
		return false
	}
	if len(name) <= fieldName.len {
		copy(fieldName.of(b), name)
		return true
	}
	if len(name) > fieldName.len+fieldPrefix.len {
		return false
	}
	cut := strings.LastIndexByte(name[:min(len(name)-1, fieldPrefix.len+1)], '/')
	if cut <= 0 || len(name)-cut-1 > fieldName.len {
		return false
	}
	copy(fieldPrefix.of(b), name[:cut])
	copy(fieldName.of(b), name[cut+1:])
	return true
}

// Write writes data of the entry.
func (w *Writer) Write(p []byte) (int, error) {
	if uint64(len(p)) > w.left {
		return 0, fmt.Errorf("%d bytes too many for the entry", uint64(len(p))-w.left)
	}
	n, err := w.w.Write(p)
	w.written += uint64(n)
	w.left -= uint64(n)
	return n, err
}

// finish ends an entry.
func (w *Writer) finish() error {
	if w.left > 0 {
		return fmt.Errorf("an entry lacks %d bytes", w.left)
	}
	pad := w.pad
	w.pad = 0
	return w.put(zeros[:pad])
}

// Close writes the end of the archive. It does not close what it writes to.
func (w *Writer) Close() error {
	if err := w.finish(); err != nil {
		return err
	}
	end := 2*blockSize + w.written
	fill := 2*blockSize + (recordSize-end%recordSize)%recordSize
	w.written += fill
	return writeZeros(w.w, fill)
}
