package archive

import (
	"errors"
	"fmt"
	"io"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// What things take in an image, at most, in bytes.
const (
	inodeTakes = 256 + 64 // with its bitmap, and nodes that are not full
	nameTakes  = 2 * 48   // in a node that is half full, beside the name
	xattrTakes = 4 * 48
	nodeHolds  = 100 // extents in a node that is not full
)

// Estimate is how large an image has to be for a tree.
type Estimate struct {
	bytes uint64
	Data  uint64 // of files, holes left out
	Files uint64
}

// Add counts an entry.
func (s *Estimate) Add(e *tarball.Entry) {
	up := func(n uint64) uint64 { return (n + blockSize - 1) / blockSize * blockSize }
	list := e.Extents()
	for _, x := range list {
		s.bytes += up(x.Len + x.Off%blockSize)
		s.Data += x.Len
	}
	s.bytes += uint64(len(list)) / nodeHolds * blockSize
	s.bytes += inodeTakes + nameTakes + 2*uint64(len(baseOf(e.Name))) + up(uint64(len(e.Target)))
	if e.Type == tarball.Dir {
		s.bytes += blockSize
	}
	for _, x := range e.Xattrs {
		s.bytes += xattrTakes + 2*uint64(len(x.Name))
		if len(x.Value) > 1024 {
			s.bytes += up(uint64(len(x.Value)))
		} else {
			s.bytes += 2 * uint64(len(x.Value))
		}
	}
	if len(e.Xattrs) > 0 {
		s.bytes += blockSize
	}
	s.Files++
}

func baseOf(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[i+1:]
		}
	}
	return name
}

// Image is a size of an image that has room for the tree, and a little more: an eighth, in whole MiB.
func (s *Estimate) Image() int64 {
	const mib = 1 << 20
	need := s.bytes + s.bytes/8 + 4*mib
	need += need / 32 // journal and bitmaps
	return int64(max((need+mib-1)/mib*mib, pmemfs.MinSize))
}

// EstimateAll counts all of a source, which it reads to its end. It stops when data is more than most bytes, by what headers say.
//
// Errors: pmemfs.ErrNoSpace for too much; the source's.
func EstimateAll(source tarball.Source, most uint64) (s Estimate, err error) {
	for {
		e, err := source.Next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if s.Add(e); s.bytes > most {
			return s, e.Wrap(fmt.Errorf("%w: with it the files have %d bytes, and there is room for %d", pmemfs.ErrNoSpace, s.bytes, most))
		}
	}
}
