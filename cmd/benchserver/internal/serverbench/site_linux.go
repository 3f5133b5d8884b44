package serverbench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	filesListed   = 1000
	dataFileBytes = 2 << 20
	readSalt      = 1 // of the content of the file that is read
)

// store is how a site is made: a client that makes one call after the other. A handle is whatever leads to a file.
type store interface {
	makeFile(dir []byte, name string) ([]byte, error)
	makeDir(dir []byte, name string) ([]byte, error)
	// lookup returns the handle of a name, or errNotThere.
	lookup(dir []byte, name string) ([]byte, error)
	// identity is what replies about a file have in them.
	identity(handle []byte) ([]byte, error)
	read(handle []byte, offset uint64, n int) ([]byte, error)
	write(handle []byte, offset uint64, data []byte) error
	close() error
}

// site is what was put on one server to be worked on. It belongs to one goroutine.
type site struct {
	addr   string
	export string // by which 9P attaches
	c      store
	work   []byte // the directory with everything

	list    []byte // directory of filesListed files
	files   []file
	pages   []page
	data    []byte   // the file that is read
	written [][]byte // the files that are written, one a connection
	dirs    []*workDir

	noUnlinkat bool   // the server of 9P does not know that
	cells      uint64 // loaded so far; makes content and names new
}

type file struct {
	name     string
	handle   []byte
	identity []byte
}

// workDir is a connection's directory for CREATE, REMOVE and RENAME.
type workDir struct {
	handle  []byte
	renamed []int // for each outstanding call, which of its two names its file has
}

// newSite mounts a server and makes the directory for everything.
func newSite(addr, mountAddr, path string) (*site, error) {
	m, err := dial(mountAddr)
	if err != nil {
		return nil, err
	}
	root, err := m.mount(path)
	if err := errors.Join(err, m.close()); err != nil {
		return nil, err
	}
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	return furnished(addr, c, root, "bench")
}

// furnished makes the directory for everything. A client that cannot be used is closed.
func furnished(addr string, c store, root []byte, name string) (*site, error) {
	work, err := c.makeDir(root, name)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &site{addr: addr, c: c, work: work}, nil
}

// needList makes the directory of files.
func (s *site) needList() (err error) {
	if s.list != nil {
		return nil
	}
	if s.list, err = s.c.makeDir(s.work, "list"); err != nil {
		return err
	}
	for i := range filesListed {
		f := file{name: fmt.Sprintf("file-%07d", i)}
		if f.handle, err = s.c.makeFile(s.list, f.name); err != nil {
			return err
		}
		if f.identity, err = s.c.identity(f.handle); err != nil {
			return err
		}
		s.files = append(s.files, f)
	}
	return nil
}

// needPages learns where the replies of READDIRPLUS begin.
func (s *site) needPages() error {
	if err := s.needList(); err != nil || s.pages != nil {
		return err
	}
	pages, entries, err := s.c.(*client).pages(s.list)
	if err != nil {
		return err
	}
	s.pages = pages
	// Whether "." and ".." are listed is up to the server.
	if entries < filesListed || entries > filesListed+2 {
		return fmt.Errorf("READDIRPLUS lists %d entries of %d files", entries, filesListed)
	}
	return nil
}

// needData makes the file that is read.
func (s *site) needData() (err error) {
	if s.data == nil {
		s.data, err = s.fill("read", readSalt)
	}
	return err
}

// needWritten makes the files that are written.
func (s *site) needWritten(conns int) error {
	for i := len(s.written); i < conns; i++ {
		h, err := s.fill(fmt.Sprintf("written-%d", i), 0)
		if err != nil {
			return err
		}
		s.written = append(s.written, h)
	}
	return nil
}

// fill makes a file with content, and reads some of it back.
func (s *site) fill(name string, salt uint64) ([]byte, error) {
	const piece = 64 << 10
	h, err := s.c.makeFile(s.work, name)
	if err != nil {
		return nil, err
	}
	for at := uint64(0); at < dataFileBytes; at += piece {
		if err := s.c.write(h, at, content(piece, at, salt)); err != nil {
			return nil, err
		}
	}
	return h, s.compare(h, dataFileBytes-piece, content(piece, dataFileBytes-piece, salt))
}

// compare reads a part of a file and expects data.
func (s *site) compare(handle []byte, offset uint64, data []byte) error {
	got, err := s.c.read(handle, offset, len(data))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("%d bytes at offset %d are not what was written", len(data), offset)
	}
	return nil
}

// needDirs makes the directories of so many connections.
func (s *site) needDirs(conns int) error {
	for i := len(s.dirs); i < conns; i++ {
		h, err := s.c.makeDir(s.work, fmt.Sprintf("dir-%d", i))
		if err != nil {
			return err
		}
		s.dirs = append(s.dirs, &workDir{handle: h})
	}
	return nil
}

// needRenamed makes the files that RENAME moves, one for each outstanding call.
func (s *site) needRenamed(conns, depth int) error {
	if err := s.needDirs(conns); err != nil {
		return err
	}
	for _, d := range s.dirs[:conns] {
		for i := len(d.renamed); i < depth; i++ {
			if _, err := s.c.makeFile(d.handle, renameName(i, 0)); err != nil {
				return err
			}
			d.renamed = append(d.renamed, 0)
		}
	}
	return nil
}

// renameName is one of the two names of a file that RENAME moves.
func renameName(i, which int) string { return fmt.Sprintf("%c%07d", 'r'+which, i) }

// word is the content of a file in the 8 bytes at an offset that is a multiple of 8.
func word(offset, salt uint64) uint64 { return (offset + salt<<32) * 0x9e3779b97f4a7c15 }

// content is n bytes of a file from an offset on; both are multiples of 8.
func content(n int, offset, salt uint64) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		binary.BigEndian.PutUint64(b[i:], word(offset+uint64(i), salt))
	}
	return b
}
