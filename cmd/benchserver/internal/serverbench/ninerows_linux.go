package serverbench

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// getattrBasic asks for what stat(2) tells.
const getattrBasic = 0x7ff

// Fids on a connection that is loaded, besides nineRoot.
const (
	fidWork  uint32 = 1  // the directory or file that all its calls work on
	fidSlots uint32 = 16 // the first of those of the slots
)

// pieceUnit is what the data of one request is a multiple of.
const pieceUnit = 4096

var nineRows = []row{
	{need: needList, begin: beginFiles, slot: nineGetattrSlot},
	{need: needList, begin: beginIn(listOf), slot: nineWalkSlot, cycle: true},
	{need: needData, begin: beginOpen(dataOf, unix.O_RDONLY), slot: nineReadSlot, data: reading, patch: patchOffset},
	{need: needData, begin: beginOpen(dataOf, unix.O_RDONLY), slot: nineReadSlot, data: reading, patch: patchOffset},
	{need: needWritten, begin: beginOpen(writtenOf, unix.O_WRONLY), slot: nineWriteSlot, data: writing, patch: patchOffset, after: (*site).verify},
	{need: needWritten, begin: beginOpen(writtenOf, unix.O_WRONLY), slot: nineWriteSlot, data: writing, patch: patchOffset, after: (*site).verify},
	{need: needUnlinkat, begin: beginIn(dirOf), slot: nineCreateSlot, cycle: true, after: (*site).allGone},
}

// The file or directory that all calls of a connection work on.
func listOf(s *site, _ int) []byte       { return s.list }
func dataOf(s *site, _ int) []byte       { return s.data }
func writtenOf(s *site, conn int) []byte { return s.written[conn] }
func dirOf(s *site, conn int) []byte     { return s.dirs[conn].handle }

// attach begins a connection that is to be loaded.
func (s *site) attach(fd int) (*nineClient, int, error) {
	c := &nineClient{fd: fd}
	if err := c.begin(s.export); err != nil {
		return nil, 0, err
	}
	return c, max(pieceUnit, c.most/pieceUnit*pieceUnit), nil
}

func beginIn(where func(*site, int) []byte) func(int, *site, int, int) (int, error) {
	return func(fd int, s *site, conn, _ int) (int, error) {
		c, most, err := s.attach(fd)
		if err == nil {
			err = c.walk(fidWork, string(where(s, conn)))
		}
		return most, err
	}
}

func beginOpen(what func(*site, int) []byte, flags uint32) func(int, *site, int, int) (int, error) {
	return func(fd int, s *site, conn, _ int) (int, error) {
		c, most, err := s.attach(fd)
		if err == nil {
			err = c.open(fidWork, string(what(s, conn)), flags)
		}
		return most, err
	}
}

// beginFiles gives each slot the fid of a file.
func beginFiles(fd int, s *site, conn, depth int) (int, error) {
	c, most, err := s.attach(fd)
	for i := 0; i < depth && err == nil; i++ {
		err = c.walk(fidSlots+uint32(i), string(s.fileOf(conn, i).handle))
	}
	return most, err
}

func nineGetattrSlot(s *site, conn, i, _ int) slot {
	return slot{
		calls: [][]byte{nineCall(tGetattr, 0, fidSlots+uint32(i), uint64(getattrBasic))},
		want:  s.fileOf(conn, i).identity, wantAt: nineHead + 8 + qidPathAt,
	}
}

// nineWalkSlot walks one name, and gives the fid up, as one has to before the next.
func nineWalkSlot(s *site, conn, i, _ int) slot {
	f, fid := s.fileOf(conn, i), fidSlots+uint32(i)
	return slot{
		calls: [][]byte{nineCall(tWalk, 0, fidWork, fid, uint16(1), f.name), nineCall(tClunk, 0, fid)},
		want:  f.identity, wantAt: nineHead + 2 + qidPathAt,
	}
}

func nineReadSlot(_ *site, conn, i, size int) slot {
	return slot{
		calls:  [][]byte{nineCall(tRead, 0, fidWork, uint64(0), uint32(size))},
		at:     markBytes + nineHead + 4,
		offset: firstOffset(conn, i, size),
	}
}

// nineWriteSlot builds the request up to the data, which all requests share.
func nineWriteSlot(_ *site, conn, i, size int) slot {
	return slot{
		calls:  [][]byte{nineCall(tWrite, size, fidWork, uint64(0), uint32(size))},
		at:     markBytes + nineHead + 4,
		offset: firstOffset(conn, i, size),
	}
}

// nineName is the name that a slot's file has while it is there.
func nineName(i int) string { return fmt.Sprintf("c%08x---", i) }

// needUnlinkat makes the directories, and finds out whether the server knows Tunlinkat.
func needUnlinkat(s *site, conns, _ int) error {
	if err := s.needDirs(conns); err != nil {
		return err
	}
	err := s.c.(*nineClient).unlink(s.dirs[0].handle, "none")
	s.noUnlinkat = errors.Is(err, syscall.EOPNOTSUPP)
	if s.noUnlinkat || errors.Is(err, errNotThere) {
		return nil
	}
	return fmt.Errorf("a file that is not there is removed: %w", err)
}

// nineCreateSlot makes a file and removes it. Making one takes a fid of the directory, which becomes the file's and is given up. Where
// there is no Tunlinkat the file is removed as Linux does it then: by a fid of its own, which Tremove gives up.
func nineCreateSlot(s *site, _, i, _ int) slot {
	fid, name := fidSlots+uint32(i), nineName(i)
	sl := slot{calls: [][]byte{
		nineCall(tWalk, 0, fidWork, fid, uint16(0)),
		nineCall(tLcreate, 0, fid, name, uint32(unix.O_RDWR|unix.O_CREAT|unix.O_EXCL), uint32(0o644), uint32(0)),
		nineCall(tClunk, 0, fid),
	}}
	if s.noUnlinkat {
		sl.calls = append(sl.calls, nineCall(tWalk, 0, fidWork, fid, uint16(1), name), nineCall(tRemove, 0, fid))
	} else {
		sl.calls = append(sl.calls, nineCall(tUnlinkat, 0, fidWork, name, uint32(0)))
	}
	return sl
}

// allGone verifies that no file is left of those that were made and removed.
func (s *site) allGone(_ *row, done []*conn) error {
	for conn, c := range done {
		for i := range c.slots {
			if err := s.gone(conn, nineName(i)); err != nil {
				return err
			}
		}
	}
	return nil
}
