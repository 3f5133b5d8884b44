package serverbench

import (
	"encoding/binary"
	"fmt"

	"pmemfs/server/rpc"
)

// patch says what differs between the calls of a slot besides the xid.
type patch uint8

const (
	patchNothing patch = iota
	patchName          // the eight hexadecimal digits of a number
	patchOffset
)

// row is an operation as it is loaded.
type row struct {
	rowInfo
	proc  uint32
	patch patch
	// need makes on a server what the row works on.
	need func(s *site, conns, depth int) error
	// slot builds the calls of one slot of a connection.
	slot func(s *site, conn, i int) slot
}

// slot is one outstanding call after the other.
type slot struct {
	calls  [][]byte // records, sent in turn
	turn   int
	at     int // where the record is patched
	offset uint64
	want   []byte // what a reply has at wantAt
	wantAt int

	xid  uint32
	made uint32 // calls so far
	busy bool
}

var rows = []row{
	{proc: procGetattr, need: needList, slot: getattrSlot},
	{proc: procLookup, need: needList, slot: lookupSlot},
	{proc: procAccess, need: needList, slot: accessSlot},
	{proc: procRead, need: needData, slot: readSlot(4 << 10), patch: patchOffset},
	{proc: procRead, need: needData, slot: readSlot(64 << 10), patch: patchOffset},
	{proc: procRead, need: needData, slot: readSlot(1 << 20), patch: patchOffset},
	{proc: procWrite, need: needWritten, slot: writeSlot(4 << 10), patch: patchOffset},
	{proc: procWrite, need: needWritten, slot: writeSlot(64 << 10), patch: patchOffset},
	{proc: procWrite, need: needWritten, slot: writeSlot(1 << 20), patch: patchOffset},
	{proc: procCreate, need: needDirs, slot: createSlot, patch: patchName},
	{proc: procRemove, need: needDirs, slot: removeSlot, patch: patchName},
	{proc: procRename, need: (*site).needRenamed, slot: renameSlot},
	{proc: procReaddirplus, need: needList, slot: listSlot},
}

// rowOf returns a row by its name, which exists.
func rowOf(name string) *row {
	for i := range rows {
		if rowInfos[i].name == name {
			r := &rows[i]
			r.rowInfo = rowInfos[i]
			return r
		}
	}
	panic("serverbench: no row " + name) // options were vetted
}

func needList(s *site, _, _ int) error        { return s.needList() }
func needData(s *site, _, _ int) error        { return s.needData() }
func needWritten(s *site, conns, _ int) error { return s.needWritten(conns) }
func needDirs(s *site, conns, _ int) error    { return s.needDirs(conns) }

// fileOf spreads slots over the files.
func (s *site) fileOf(conn, i int) *file { return &s.files[(conn*131+i)%len(s.files)] }

func getattrSlot(s *site, conn, i int) slot {
	f := s.fileOf(conn, i)
	e := newCall(progNFS, procGetattr)
	e.Opaque(f.handle)
	return slot{calls: [][]byte{seal(e, 0)}, want: f.attr[fileidAt : fileidAt+8], wantAt: resultAt + fileidAt}
}

func lookupSlot(s *site, conn, i int) slot {
	f := s.fileOf(conn, i)
	e := newCall(progNFS, procLookup)
	entry(s.list, f.name)(e)
	want := rpc.NewEncoder(nil)
	want.Opaque(f.handle)
	return slot{calls: [][]byte{seal(e, 0)}, want: want.Bytes(), wantAt: resultAt}
}

// accessSlot asks for all six permissions. What is granted is not compared: servers differ over execution by the superuser.
func accessSlot(s *site, conn, i int) slot {
	e := newCall(progNFS, procAccess)
	e.Opaque(s.fileOf(conn, i).handle)
	e.Uint32(0x3f)
	return slot{calls: [][]byte{seal(e, 0)}}
}

// place spreads the calls of a connection over a file.
func place(conn, i, size int) uint64 {
	return uint64((conn+i)%(dataFileBytes/size)) * uint64(size)
}

func readSlot(size int) func(*site, int, int) slot {
	return func(s *site, conn, i int) slot {
		e := newCall(progNFS, procRead)
		offset := place(conn, i, size)
		readArgs(e, s.data, offset, size)
		return slot{calls: [][]byte{seal(e, 0)}, at: e.Len() - 12, offset: offset}
	}
}

// writeSlot builds the call up to the data, which all calls share.
func writeSlot(size int) func(*site, int, int) slot {
	return func(s *site, conn, i int) slot {
		e := newCall(progNFS, procWrite)
		offset := place(conn, i, size)
		writeArgs(e, s.written[conn], offset, size)
		return slot{calls: [][]byte{seal(e, size)}, at: e.Len() - 20, offset: offset}
	}
}

// newName is the name of a file that CREATE makes; the digits are patched.
func newName(n uint32) string { return fmt.Sprintf("c%08x---", n) }

func createSlot(s *site, conn, _ int) slot {
	e := newCall(progNFS, procCreate)
	entry(s.dirs[conn].handle, newName(0))(e)
	at := e.Len() - len(newName(0)) + 1
	e.Uint32(1) // GUARDED
	attributes(e)
	return slot{calls: [][]byte{seal(e, 0)}, at: at}
}

func removeSlot(s *site, conn, _ int) slot {
	e := newCall(progNFS, procRemove)
	entry(s.dirs[conn].handle, newName(0))(e)
	return slot{calls: [][]byte{seal(e, 0)}, at: e.Len() - len(newName(0)) + 1}
}

func renameSlot(s *site, conn, i int) slot {
	sl := slot{turn: s.dirs[conn].renamed[i]}
	for which := range 2 {
		e := newCall(progNFS, procRename)
		entry(s.dirs[conn].handle, renameName(i, which))(e)
		entry(s.dirs[conn].handle, renameName(i, 1-which))(e)
		sl.calls = append(sl.calls, seal(e, 0))
	}
	return sl
}

func listSlot(s *site, conn, i int) slot {
	sl := slot{turn: (conn + i) % len(s.pages)}
	for _, p := range s.pages {
		e := newCall(progNFS, procReaddirplus)
		pageArgs(e, s.list, p)
		sl.calls = append(sl.calls, seal(e, 0))
	}
	return sl
}

// putDigits writes a number as eight hexadecimal digits.
func putDigits(b []byte, n uint32) {
	const digits = "0123456789abcdef"
	for i := range 8 {
		b[i] = digits[n>>(28-4*i)&15]
	}
}

// checkReply verifies what only replies to this operation have. A head is cut to headBytes.
func (r *row) checkReply(s *slot, head []byte, length int) error {
	if s.want != nil && (len(head) < s.wantAt+len(s.want) || string(head[s.wantAt:s.wantAt+len(s.want)]) != string(s.want)) {
		return fmt.Errorf("%s answers for another file", r.name)
	}
	switch r.proc {
	case procRead:
		at := dataAt(head)
		if at == 0 || length != at+r.data || int(binary.BigEndian.Uint32(head[at-12:])) != r.data {
			return fmt.Errorf("%s brings another number of bytes", r.name)
		}
	case procWrite:
		// wcc_data, then count, committed and verifier (RFC 1813 section 3.3.7).
		if length < resultAt+8+16 || len(head) < length {
			return errOdd
		}
		count, committed := binary.BigEndian.Uint32(head[length-16:]), binary.BigEndian.Uint32(head[length-12:])
		if int(count) != r.data || committed != fileSync {
			return fmt.Errorf("%s wrote %d bytes, committed %d", r.name, count, committed)
		}
	}
	return nil
}

// dataAt is where the data begins in a reply to READ (RFC 1813 section 3.3.6), or 0 if the head is too short.
func dataAt(head []byte) int {
	if len(head) < resultAt+16 {
		return 0
	}
	at := resultAt + 16
	if binary.BigEndian.Uint32(head[resultAt:]) == 1 {
		at += attrBytes
	}
	if len(head) < at {
		return 0
	}
	return at
}
