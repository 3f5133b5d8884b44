package pmemfs

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// The tables of offsets in SPEC.md, in order, as far as the dump needs them.
const (
	tableSuper  = 0
	tableHead   = 2
	tableRecord = 4
	tableEntry  = 5
	tableInode  = 7
	tableNode   = 8
	tableDirent = 9
)

// specField is a row of a table of offsets.
type specField struct {
	off, size int // size 0 says that the field goes to the end of what it is in
	text      string
}

// specTables returns the tables of offsets of SPEC.md. TestSpecOffsets, in package layout, holds them to the constants.
func specTables(t *testing.T, spec string) (tables [][]specField) {
	t.Helper()
	row := regexp.MustCompile(`^\| (\d+) \| (\d+)?(?: each)? ?\| ?(.*) \|$`)
	for line := range strings.Lines(spec) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "| offset |") {
			tables = append(tables, nil)
			continue
		}
		m := row.FindStringSubmatch(line)
		if m == nil || len(tables) == 0 {
			continue
		}
		off, err := strconv.Atoi(m[1])
		must(t, err)
		size := 0
		if m[2] != "" {
			size, err = strconv.Atoi(m[2])
			must(t, err)
		}
		text := m[3]
		for _, end := range []string{";", ":", ", ", " up to"} {
			text, _, _ = strings.Cut(text, end)
		}
		n := len(tables) - 1
		tables[n] = append(tables[n], specField{off, size, text})
	}
	return tables
}

// dumper writes the annotated dump of an image.
type dumper struct {
	t      *testing.T
	medium []byte
	tables [][]specField
	out    strings.Builder
}

// part begins a part of the dump.
func (d *dumper) part(format string, args ...any) {
	fmt.Fprintf(&d.out, "\n%s\n", fmt.Sprintf(format, args...))
}

// line writes n bytes of the image, eight to a line, with what they are. Lines of zeros at the end are left out.
func (d *dumper) line(at int64, n int, text string) {
	for i := 0; i < n; i += 8 {
		if i > 0 && allZero(d.medium[at+int64(i):at+int64(n)]) {
			return
		}
		b := d.medium[at+int64(i) : at+int64(min(i+8, n))]
		fmt.Fprintf(&d.out, "%s\n", strings.TrimRight(fmt.Sprintf("%06x  %-23s  %s", at+int64(i), fmt.Sprintf("% x", b), text), " "))
		text = ""
	}
}

// fields writes what lies at an offset of the image by a table of SPEC.md, fields to the end and fields of zeros left out.
func (d *dumper) fields(at int64, table int) {
	for _, f := range d.tables[table] {
		if f.size == 0 || f.size > 64 || f.text == "slots" || allZero(d.medium[at+int64(f.off):][:f.size]) {
			continue
		}
		d.line(at+int64(f.off), f.size, f.text)
	}
}

// record writes a journal record with its entries.
func (d *dumper) record(at int64) {
	d.fields(at, tableRecord)
	head := layout.DecodeRecordHead(d.medium[at:])
	end := at + int64(head.Length)
	for at += layout.RecordHeader; at < end; {
		e, rest, ok := layout.NextEntry(d.medium[at:end], int64(len(d.medium)))
		if !ok {
			d.t.Fatalf("no entry at %d", at)
		}
		d.part("  an entry of kind %d for byte %d of block %d", e.Kind, e.Off%layout.BlockSize, layout.BlockOf(e.Off))
		d.fields(at, tableEntry)
		if e.Kind.HasPayload() {
			d.line(at+layout.EntryHeader, len(e.Data), "its bytes")
		}
		at = end - int64(len(rest))
	}
}

// dir writes the leaf of a directory and the records in it.
func (d *dumper) dir(block uint64) {
	at := layout.BlockOffset(block)
	d.fields(at, tableNode)
	n := layout.Node(d.medium[at : at+layout.BlockSize])
	for i := range n.Count() {
		slot := at + d.slots() + 2*int64(i)
		d.line(slot, 2, "a slot")
		rec := at + int64(d.medium[slot]) + int64(d.medium[slot+1])<<8
		d.line(rec, 8, "the record's key")
		d.line(rec+8, 2, "length of its payload")
		for _, f := range d.tables[tableDirent][:2] {
			d.line(rec+10+int64(f.off), f.size, f.text)
		}
		d.line(rec+10+9, len(n.Payload(i))-9, "name")
	}
}

// slots returns where in a node its slots begin.
func (d *dumper) slots() int64 {
	fields := d.tables[tableNode]
	return int64(fields[len(fields)-1].off)
}

// TestSpecDump makes a tiny image, dumps parts of it by the tables of SPEC.md, and compares that with the dump in SPEC.md.
func TestSpecDump(t *testing.T) {
	text, err := os.ReadFile("../SPEC.md")
	must(t, err)
	fs := fixedFS(t, 4<<20, FormatOptions{Label: "tiny", RootMode: 0o755})
	a, err := fs.Create(root, nil, fs.Root(), []byte("hello"), &CreateOptions{})
	must(t, err)
	must(t, fs.SyncAll())
	pos := fs.j.Appended()
	_, _, err = fs.Write(root, nil, a.Handle, []byte("Hello, world!\n"), 0)
	must(t, err)
	record := layout.BlockOffset(layout.JournalRing) + int64(pos)
	must(t, fs.SyncAll())
	head := layout.BlockOffset(layout.JournalHeadA)
	if h, ok := layout.DecodeHead(fs.region.Bytes()[head:]); !ok || h.TailPos != fs.j.Appended() {
		head = layout.BlockOffset(layout.JournalHeadB)
	}
	d := &dumper{t: t, medium: fs.region.Bytes(), tables: specTables(t, string(text))}
	d.part("the superblock, block 0")
	d.fields(0, tableSuper)
	d.part("the journal head that counts, block %d", layout.BlockOf(head))
	d.fields(head, tableHead)
	d.part("the record of the write, in the ring at position %d", pos)
	d.record(record)
	off, err := fs.inodes.Offset(a.Ino)
	must(t, err)
	d.part("inode %d, the file", a.Ino)
	d.fields(off, tableInode)
	d.line(off+160, layout.ExtentSize, "its extent: key, first block, length and flags, birth epoch")
	in, err := fs.inodes.View(nil, layout.RootIno)
	must(t, err)
	block, _ := in.DataRoot()
	d.part("the leaf of the root directory, block %d", block)
	d.dir(block)
	closeFS(t, fs)
	_, dump, ok := strings.Cut(string(text), "\n```dump\n")
	dump, _, _ = strings.Cut(dump, "\n```")
	if want := strings.TrimSpace(d.out.String()); !ok || dump != want {
		t.Errorf("SPEC.md has another dump than the image that this version makes:\n%s", want)
	}
}
