package crashtest

import (
	"hash/maphash"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// A choice is one line of an image with what it holds.
type choice struct {
	n int64
	b [lineSize]byte
}

// A stand holds one image at a time: the certain content of a medium with some lines exchanged. What runs on it is
// recorded so that it can be undone.
type stand struct {
	region  *pmem.Region
	medium  *Medium
	stable  uint64           // hash of what is certain
	outside uint64           // the same less the journal's ring and heads, which are no part of a state
	touched map[int64]uint64 // lines that may differ from what is certain, and which of their bytes were stored to
	journal [2]int64         // lines of ring and heads
	quiet   bool             // stores are the stand's own
}

var hashSeed = maphash.MakeSeed()

// hashLine returns the share of a line in the hash of an image, which is the sum of all.
func hashLine(n int64, b []byte) uint64 {
	h := maphash.Bytes(hashSeed, b)
	return (h ^ uint64(n)*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
}

// newStand returns a stand for images of a medium in a region of its own.
func newStand(m *Medium) (*stand, error) {
	region, err := pmem.NewMemory(int64(len(m.sure)), m.domain)
	if err != nil {
		return nil, err
	}
	s := &stand{region: region}
	s.follow(m)
	return s, nil
}

// follow makes the stand hold images of m from now on.
func (s *stand) follow(m *Medium) {
	s.medium, s.touched, s.journal = m, map[int64]uint64{}, [2]int64{}
	if sb, err := layout.DecodeSuperblock(m.sure); err == nil {
		s.journal = [2]int64{layout.BlockOffset(layout.JournalHeadA) / lineSize, (sb.RingOffset() + sb.RingBytes()) / lineSize}
	}
	s.stable, s.outside = 0, 0
	for n := int64(0); n*lineSize < int64(len(m.sure)); n++ {
		s.account(n, m.sureLine(n), 1)
	}
	m.becameSure = s.takeSure
	s.region.SetRecorder(nil)
	s.region.Write(0, m.sure)
	s.region.SetRecorder(s.on)
}

// account adds a line to the hashes, or with sign -1 takes it away.
func (s *stand) account(n int64, b []byte, sign uint64) {
	h := hashLine(n, b) * sign
	s.stable += h
	if !s.inJournal(n) {
		s.outside += h
	}
}

// inJournal reports whether a line is part of the heads or the ring.
func (s *stand) inJournal(n int64) bool { return n >= s.journal[0] && n < s.journal[1] }

// line returns what the stand holds.
func (s *stand) line(n int64) []byte {
	return s.region.Bytes()[n*lineSize : n*lineSize+int64(len(s.medium.sureLine(n)))]
}

// takeSure takes over a line that has become certain. The stand is at rest.
func (s *stand) takeSure(n int64) {
	s.account(n, s.line(n), ^uint64(0))
	s.put(n, s.medium.sureLine(n))
	s.account(n, s.line(n), 1)
}

// put stores a line without noting it.
func (s *stand) put(n int64, b []byte) {
	s.quiet = true
	s.region.Write(n*lineSize, b)
	s.quiet = false
}

// on notes which lines are stored to.
func (s *stand) on(e *pmem.Event) {
	if s.quiet || e.Kind != pmem.Stored && e.Kind != pmem.StoredThrough {
		return
	}
	off, n := e.Range.Off, e.Range.Len
	for n > 0 {
		line, at := off/lineSize, off%lineSize
		k := min(n, lineSize-at)
		s.touched[line] |= ^uint64(0) >> (lineSize - k) << at
		off, n = off+k, n-k
	}
}

// load makes the image that differs from what is certain by the choices.
func (s *stand) load(cs []choice) {
	for i := range cs {
		s.put(cs[i].n, cs[i].b[:len(s.medium.sureLine(cs[i].n))])
		s.touched[cs[i].n] |= 0
	}
}

// hashOf returns the hash of the image that the choices make, without making it.
func (s *stand) hashOf(cs []choice) uint64 {
	h := s.stable
	for i := range cs {
		sure := s.medium.sureLine(cs[i].n)
		h += hashLine(cs[i].n, cs[i].b[:len(sure)]) - hashLine(cs[i].n, sure)
	}
	return h
}

// state returns the hash of what the stand holds outside of the journal.
func (s *stand) state() uint64 {
	h := s.outside
	for n := range s.touched {
		if !s.inJournal(n) {
			h += hashLine(n, s.line(n)) - hashLine(n, s.medium.sureLine(n))
		}
	}
	return h
}

// stored returns the lines that were stored to since the image was loaded, with the bytes of each.
func (s *stand) stored() map[int64]uint64 {
	m := make(map[int64]uint64, len(s.touched))
	for n, mask := range s.touched {
		if mask != 0 {
			m[n] = mask
		}
	}
	return m
}

// reset undoes everything that happened since the image was loaded, and the image.
func (s *stand) reset() {
	for n := range s.touched {
		s.put(n, s.medium.sureLine(n))
	}
	clear(s.touched)
}
