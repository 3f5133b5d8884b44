package export

// Offsets of a directory that clients keep are keys of the engine: 63 bits of a keyed hash of each name, and 1 and 2 for "." and "..". A 32-bit
// program without large files has 31 bits for one, and Linux gives it EOVERFLOW for more. So an export may tell the upper 31 bits alone. Names
// that have those in common, of a million some two hundred, share an offset: it means the position behind all of them, and they go into one answer,
// so that nobody is sent to a position between. Only a program that itself stops between two of them, and comes back by the offset, misses one.
const (
	shortDropped = 32
	shortMax     = 1<<31 - 1
	keyDotDot    = 2
)

// Offset is what a client of e is told for the position behind the entry with a key.
func (e *Export) Offset(key uint64) uint64 {
	if !e.ShortOffsets || key <= keyDotDot {
		return key
	}
	return max(key>>shortDropped, keyDotDot+1)
}

// Key is the key behind which a client of e goes on that comes with an offset. An offset that is too long for e is a key: it was told before e had
// short ones.
func (e *Export) Key(offset uint64) uint64 {
	if !e.ShortOffsets || offset <= keyDotDot || offset > shortMax {
		return offset
	}
	return offset<<shortDropped | (1<<shortDropped - 1)
}

// Cut finds where an answer with entries can end: in front of an entry, or of all in front of it that share its offset.
type Cut struct {
	offset uint64
	at     int
}

// Before notes that the next entry has an offset and begins at length at of the answer, and returns to which length the answer is cut if there is
// no room for it. When nothing is left then, the answer is too small for any.
func (c *Cut) Before(offset uint64, at int) (end int) {
	if offset != c.offset {
		c.offset, c.at = offset, at
	}
	return c.at
}
