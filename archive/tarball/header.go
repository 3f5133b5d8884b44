package tarball

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

const blockSize = 512

// field is a part of a header block: from a byte on, so many.
type field struct{ off, len int }

// The fields of a ustar header, and those that GNU has in place of the prefix.
var (
	fieldName     = field{0, 100}
	fieldMode     = field{100, 8}
	fieldUID      = field{108, 8}
	fieldGID      = field{116, 8}
	fieldSize     = field{124, 12}
	fieldMtime    = field{136, 12}
	fieldSum      = field{148, 8}
	fieldLink     = field{157, 100}
	fieldMagic    = field{257, 8}
	fieldMajor    = field{329, 8}
	fieldMinor    = field{337, 8}
	fieldPrefix   = field{345, 155}
	fieldSparse   = field{386, 96} // GNU: four extents
	fieldExtended = field{482, 1}  // GNU: a block of extents follows
	fieldRealSize = field{483, 12} // GNU
)

const (
	typeAt     = 156
	magicUstar = "ustar\x0000"
	magicGNU   = "ustar  \x00"
)

var (
	errNotTar    = errors.New("this is no tar archive")
	errChecksum  = errors.New("the header's checksum is wrong")
	errTruncated = errors.New("the archive ends here, before its end")
)

func (f field) of(b []byte) []byte { return b[f.off : f.off+f.len] }

// text returns what a field says up to its first zero byte.
func (f field) text(b []byte) string {
	t, _, _ := bytes.Cut(f.of(b), []byte{0})
	return string(t)
}

// number reads a field: octal digits, or GNU's base 256.
func (f field) number(b []byte) (int64, error) {
	t := f.of(b)
	if t[0]&0x80 == 0 {
		digits := bytes.Trim(t, " \x00")
		if len(digits) == 0 {
			return 0, nil
		}
		n, err := strconv.ParseUint(string(digits), 8, 63)
		if err != nil {
			return 0, fmt.Errorf("the field at byte %d of the header is no number: %q", f.off, digits)
		}
		return int64(n), nil
	}
	negative := t[0]&0x40 != 0
	var n uint64
	for i, c := range t {
		if negative {
			c = ^c
		}
		if i == 0 {
			c &= 0x3f
		}
		if n>>55 != 0 {
			return 0, fmt.Errorf("the number at byte %d of the header is too large", f.off)
		}
		n = n<<8 | uint64(c)
	}
	if negative {
		return -int64(n) - 1, nil
	}
	return int64(n), nil
}

// put writes a number, octal if it fits, else in base 256, which GNU tar reads; fits says which.
func (f field) put(b []byte, n int64) (fits bool) {
	t := f.of(b)
	digits := f.len - 1
	if n >= 0 && (digits*3 >= 63 || n < 1<<(3*digits)) {
		copy(t, fmt.Sprintf("%0*o", digits, n))
		return true
	}
	for i := f.len - 1; i >= 0; i-- {
		t[i] = byte(n)
		n >>= 8
	}
	t[0] |= 0x80
	return false
}

// sums returns the checksum of a header, as all write it, and as some old programs did.
func sums(b []byte) (unsigned, signed int64) {
	for i, c := range b {
		if i >= fieldSum.off && i < fieldSum.off+fieldSum.len {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return unsigned, signed
}

// verify compares a header with its checksum.
func verify(b []byte) error {
	want, err := fieldSum.number(b)
	if err != nil {
		return errNotTar
	}
	unsigned, signed := sums(b)
	if want != unsigned && want != signed {
		return errChecksum
	}
	return nil
}

// seal writes the checksum.
func seal(b []byte) {
	unsigned, _ := sums(b)
	copy(fieldSum.of(b), fmt.Sprintf("%06o\x00 ", unsigned))
}

// padding returns how many bytes follow n to make whole blocks.
func padding(n uint64) uint64 { return -n % blockSize }
