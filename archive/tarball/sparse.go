package tarball

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// extentsMax bounds how many extents a sparse file of an archive may have.
const extentsMax = 1 << 20

// sparse finds out whether a regular file has holes, and where, in the ways of GNU tar: its old headers, and PAX 0.0, 0.1 and 1.0.
// Afterwards what is left of the data is the extents'.
func (r *Reader) sparse(e *Entry, p *pending) (err error) {
	size := p.pax[paxSparse+"size"]
	if size == "" {
		size = p.pax[paxSparse+"realsize"]
	}
	switch {
	case r.block[typeAt] == 'S':
		err = r.sparseGNU(e)
	case p.pax[paxSparse+"major"] == "1" && p.pax[paxSparse+"minor"] == "0":
		err = r.sparsePAX1(e)
	case p.pax[paxSparse+"map"] != "":
		e.Data, err = extents(strings.Split(p.pax[paxSparse+"map"], ","))
	case len(p.sparse00) > 0:
		e.Data, err = extents(p.sparse00)
	case p.pax[paxSparse+"major"] != "":
		return fmt.Errorf("sparse files of version %.20q.%.20q are not known here", p.pax[paxSparse+"major"], p.pax[paxSparse+"minor"])
	default:
		return nil
	}
	if err != nil {
		return err
	}
	e.Sparse = true
	if r.block[typeAt] != 'S' {
		if e.Size, err = strconv.ParseUint(size, 10, 63); err != nil {
			return fmt.Errorf("a sparse file of size %.40q", size)
		}
	}
	return r.vetExtents(e)
}

// vetExtents demands that extents ascend, lie in the file, and are what is there.
func (r *Reader) vetExtents(e *Entry) error {
	var end, sum uint64
	kept := e.Data[:0]
	for _, x := range e.Data {
		if x.Off < end || x.Len > e.Size || x.Off > e.Size-x.Len {
			return fmt.Errorf("its piece of data at %d, %d bytes, overlaps another one or ends behind the file's %d bytes", x.Off, x.Len, e.Size)
		}
		end = x.Off + x.Len
		sum += x.Len
		if x.Len > 0 {
			kept = append(kept, x)
		}
	}
	e.Data = kept
	if sum != r.left {
		return fmt.Errorf("its pieces of data have %d bytes, and %d are there", sum, r.left)
	}
	return nil
}

// extents reads pairs of decimal numbers.
func extents(numbers []string) ([]Extent, error) {
	if len(numbers)%2 != 0 || len(numbers) > 2*extentsMax {
		return nil, fmt.Errorf("a map of %d numbers", len(numbers))
	}
	list := make([]Extent, 0, len(numbers)/2)
	for i := 0; i < len(numbers); i += 2 {
		off, err1 := strconv.ParseUint(numbers[i], 10, 63)
		n, err2 := strconv.ParseUint(numbers[i+1], 10, 63)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("its map of data: %w", err)
		}
		list = append(list, Extent{off, n})
	}
	return list, nil
}

// sparsePAX1 reads the map that precedes the data: lines of numbers, the first how many pairs there are, padded to a block.
func (r *Reader) sparsePAX1(e *Entry) error {
	var buf []byte
	line := func() (uint64, error) {
		for {
			if i := bytes.IndexByte(buf, '\n'); i >= 0 {
				n, err := strconv.ParseUint(string(buf[:i]), 10, 63)
				buf = buf[i+1:]
				return n, err
			}
			if len(buf) > 20 || r.left < blockSize {
				return 0, errors.New("its map of data is damaged")
			}
			var b [blockSize]byte
			if err := r.fill(b[:]); err != nil {
				return 0, errTruncated
			}
			r.left -= blockSize
			buf = append(buf, b[:]...)
		}
	}
	n, err := line()
	if err != nil {
		return err
	}
	if n > extentsMax {
		return fmt.Errorf("a map of %d pieces of data: %d are read at most", n, extentsMax)
	}
	for range n {
		off, err := line()
		if err != nil {
			return err
		}
		size, err := line()
		if err != nil {
			return err
		}
		e.Data = append(e.Data, Extent{off, size})
	}
	return nil
}

// sparseGNU reads the map of an old GNU header: four pairs in it, and in blocks that follow 21 each.
func (r *Reader) sparseGNU(e *Entry) error {
	if string(fieldMagic.of(r.block[:])) != magicGNU {
		return errors.New("a sparse file in a header that cannot have one")
	}
	real, err := fieldRealSize.number(r.block[:])
	if err != nil || real < 0 {
		return errors.New("a sparse file without a size")
	}
	e.Size = uint64(real)
	add := func(b []byte) error {
		for ; len(b) >= 24; b = b[24:] {
			if b[0] == 0 && b[12] == 0 {
				return nil
			}
			off, err1 := field{0, 12}.number(b)
			n, err2 := field{12, 12}.number(b)
			if err := errors.Join(err1, err2); err != nil || off < 0 || n < 0 || len(e.Data) == extentsMax {
				return errors.New("its map of data is damaged")
			}
			e.Data = append(e.Data, Extent{uint64(off), uint64(n)})
		}
		return nil
	}
	if err := add(fieldSparse.of(r.block[:])); err != nil {
		return err
	}
	var b [blockSize]byte
	for more := fieldExtended.of(r.block[:])[0] != 0; more; more = b[504] != 0 {
		if err := r.fill(b[:]); err != nil {
			return errTruncated
		}
		if err := add(b[:504]); err != nil {
			return err
		}
	}
	return nil
}

// sparseMap writes the map of PAX 1.0 for a file: with an empty piece at its end where a hole ends it, by which its size is known.
func sparseMap(e *Entry) []byte {
	list := e.Data
	if n := len(list); n == 0 || list[n-1].Off+list[n-1].Len < e.Size {
		list = append(list[:n:n], Extent{e.Size, 0})
	}
	b := fmt.Appendf(nil, "%d\n", len(list))
	for _, x := range list {
		b = fmt.Appendf(b, "%d\n%d\n", x.Off, x.Len)
	}
	return append(b, make([]byte, padding(uint64(len(b))))...)
}

// Merge makes no more than so many extents of a list, by taking the smallest holes for data.
func Merge(list []Extent, most int) []Extent {
	for gap := uint64(4096); len(list) > most && gap < math.MaxInt64; gap *= 2 {
		kept := list[:1]
		for _, x := range list[1:] {
			last := &kept[len(kept)-1]
			if x.Off-last.Off-last.Len <= gap {
				last.Len = x.Off + x.Len - last.Off
			} else {
				kept = append(kept, x)
			}
		}
		list = kept
	}
	return list
}

// zeros is what a writer pads with.
var zeros [64 << 10]byte

func writeZeros(w io.Writer, n uint64) error {
	for n > 0 {
		p := zeros[:min(n, uint64(len(zeros)))]
		if _, err := w.Write(p); err != nil {
			return err
		}
		n -= uint64(len(p))
	}
	return nil
}
