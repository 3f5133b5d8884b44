package serverbench

import (
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

// moves says which way data goes.
type moves uint8

const (
	nothing moves = iota
	reading
	writing
)

// row is an operation as it is loaded.
type row struct {
	rowInfo
	wire  wire
	data  moves
	patch patch
	cycle bool // the calls of a slot are one operation together
	// need makes on a server what the row works on.
	need func(s *site, conns, depth int) error
	// begin makes on a connection what its calls work on, and returns how many bytes of data one of them can have; nil for nothing.
	begin func(fd int, s *site, conn, depth int) (most int, err error)
	// slot builds the calls of one slot of a connection, each with so many bytes of data.
	slot func(s *site, conn, i, size int) slot
	// after looks at what a load has done, on connections that are closed; nil for not at all.
	after func(s *site, r *row, done []*conn) error
}

// slot is one outstanding call after the other.
type slot struct {
	calls  [][]byte // records, sent in turn
	turn   int
	at     int // where the record is patched
	offset uint64
	want   []byte // what a reply has at wantAt
	wantAt int
	wantIn int // the call whose reply it is

	xid  uint32
	made uint32 // calls so far
	busy bool
}

var nfsRows = []row{
	{need: needList, slot: getattrSlot},
	{need: needList, slot: lookupSlot},
	{need: needList, slot: accessSlot},
	{need: needData, slot: readSlot, data: reading, patch: patchOffset},
	{need: needData, slot: readSlot, data: reading, patch: patchOffset},
	{need: needData, slot: readSlot, data: reading, patch: patchOffset},
	{need: needWritten, slot: writeSlot, data: writing, patch: patchOffset, after: (*site).verify},
	{need: needWritten, slot: writeSlot, data: writing, patch: patchOffset, after: (*site).verify},
	{need: needWritten, slot: writeSlot, data: writing, patch: patchOffset, after: (*site).verify},
	{need: needDirs, slot: createSlot, patch: patchName},
	{need: needDirs, slot: removeSlot, patch: patchName},
	{need: (*site).needRenamed, slot: renameSlot, after: (*site).noteRenamed},
	{need: needPages, slot: listSlot, cycle: true},
}

// rowOf returns a row of a protocol by its name, which exists.
func rowOf(protocol, name string) *row {
	rows := nfsRows
	if protocol == ProtocolNineP {
		rows = nineRows
	}
	for i := range rows {
		if info := rowInfos[protocol][i]; info.name == name {
			r := rows[i]
			r.rowInfo, r.wire = info, wireOf(protocol)
			return &r
		}
	}
	panic("serverbench: no row " + name) // options were vetted
}

// wanted verifies that a reply has what it is known to have.
func (r *row) wanted(s *slot, head []byte) error {
	if s.want == nil || s.turn != s.wantIn {
		return nil
	}
	if len(head) < s.wantAt+len(s.want) || string(head[s.wantAt:s.wantAt+len(s.want)]) != string(s.want) {
		return fmt.Errorf("%s answers for another file", r.name)
	}
	return nil
}

func needList(s *site, _, _ int) error        { return s.needList() }
func needData(s *site, _, _ int) error        { return s.needData() }
func needWritten(s *site, conns, _ int) error { return s.needWritten(conns) }
func needDirs(s *site, conns, _ int) error    { return s.needDirs(conns) }
func needPages(s *site, _, _ int) error       { return s.needPages() }

// fileOf spreads slots over the files.
func (s *site) fileOf(conn, i int) *file { return &s.files[(conn*131+i)%len(s.files)] }

func getattrSlot(s *site, conn, i, _ int) slot {
	f := s.fileOf(conn, i)
	e := newCall(progNFS, procGetattr)
	e.Opaque(f.handle)
	return slot{calls: [][]byte{seal(e, 0)}, want: f.identity, wantAt: resultAt + fileidAt}
}

func lookupSlot(s *site, conn, i, _ int) slot {
	f := s.fileOf(conn, i)
	e := newCall(progNFS, procLookup)
	entry(s.list, f.name)(e)
	want := rpc.NewEncoder(nil)
	want.Opaque(f.handle)
	return slot{calls: [][]byte{seal(e, 0)}, want: want.Bytes(), wantAt: resultAt}
}

// accessSlot asks for all six permissions. What is granted is not compared: servers differ over execution by the superuser.
func accessSlot(s *site, conn, i, _ int) slot {
	e := newCall(progNFS, procAccess)
	e.Opaque(s.fileOf(conn, i).handle)
	e.Uint32(0x3f)
	return slot{calls: [][]byte{seal(e, 0)}}
}

// firstOffset spreads the calls of a connection over a file.
func firstOffset(conn, i, size int) uint64 {
	return uint64((conn+i)%(dataFileBytes/size)) * uint64(size)
}

// after is the offset of the part that follows another: 0 again where no more than a part would be left of the file.
func after(offset uint64, size int) uint64 {
	if offset += uint64(size); offset+uint64(size) > dataFileBytes {
		return 0
	}
	return offset
}

// before is the offset of the part that another follows.
func before(offset uint64, size int) uint64 {
	if offset == 0 {
		offset = uint64(dataFileBytes / size * size)
	}
	return offset - uint64(size)
}

func readSlot(s *site, conn, i, size int) slot {
	e := newCall(progNFS, procRead)
	offset := firstOffset(conn, i, size)
	readArgs(e, s.data, offset, size)
	return slot{calls: [][]byte{seal(e, 0)}, at: e.Len() - 12, offset: offset}
}

// writeSlot builds the call up to the data, which all calls share.
func writeSlot(s *site, conn, i, size int) slot {
	e := newCall(progNFS, procWrite)
	offset := firstOffset(conn, i, size)
	writeArgs(e, s.written[conn], offset, size)
	return slot{calls: [][]byte{seal(e, size)}, at: e.Len() - 20, offset: offset}
}

// newName is the name of a file that CREATE makes; the digits are patched.
func newName(n uint32) string { return fmt.Sprintf("c%08x---", n) }

func createSlot(s *site, conn, _, _ int) slot {
	e := newCall(progNFS, procCreate)
	entry(s.dirs[conn].handle, newName(0))(e)
	at := e.Len() - len(newName(0)) + 1
	e.Uint32(1) // GUARDED
	attributes(e)
	return slot{calls: [][]byte{seal(e, 0)}, at: at}
}

func removeSlot(s *site, conn, _, _ int) slot {
	e := newCall(progNFS, procRemove)
	entry(s.dirs[conn].handle, newName(0))(e)
	return slot{calls: [][]byte{seal(e, 0)}, at: e.Len() - len(newName(0)) + 1}
}

func renameSlot(s *site, conn, i, _ int) slot {
	sl := slot{turn: s.dirs[conn].renamed[i]}
	for which := range 2 {
		e := newCall(progNFS, procRename)
		entry(s.dirs[conn].handle, renameName(i, which))(e)
		entry(s.dirs[conn].handle, renameName(i, 1-which))(e)
		sl.calls = append(sl.calls, seal(e, 0))
	}
	return sl
}

func listSlot(s *site, conn, i, _ int) slot {
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
