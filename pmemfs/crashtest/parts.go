package crashtest

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// recordSite is the fence of a journal record.
const recordSite = "journal: record"

// several are the operations that may take more than one record, each of which is atomic: what a crash leaves of such a
// one is a part of it. Truncating and removing are not among them: the next open finishes those.
var several = map[string]bool{"write": true, "append": true, "allocate": true, "punch": true}

// split finds out which operations of the trace took several records, and notes the content that their file had before.
func (t *Trace) split() {
	records, op := 0, -1
	t.parts = map[int]bool{}
	for i := range t.items {
		switch it := &t.items[i]; {
		case it.mark == begin:
			op, records = it.op, 0
		case it.mark == 0 && it.event.Kind == pmem.Fenced && it.event.Site.String() == recordSite:
			if records++; records > 1 && op >= 0 {
				t.parts[op] = true
			}
		}
	}
	maps.DeleteFunc(t.before, func(op int, _ []byte) bool { return !t.parts[op] })
}

// look finds the state of a filesystem, and keeps its tree if that may be needed to judge a part of an operation.
func (t *Trace) look(fs *pmemfs.FS, v *verdict) error {
	err := t.states.look(fs, v)
	if err == nil && len(v.states) == 0 && len(t.parts) > 0 {
		var m *model
		if m, err = newModel(fs); err == nil {
			v.tree = m.root
		}
	}
	return err
}

// part says whether a state is what a crash may leave of an operation of several records: all else is as before, and the
// content of its file is the old one with a part of the operation done. Or only the inode file has grown.
func (t *Trace) part(op int, v verdict) bool {
	if !t.parts[op] || v.tree == nil {
		return false
	}
	if t.Ops[op].Verb == "rollback" {
		return t.rolledBack(op, v.got) || t.Ops[op].A == forced && op+1 < len(t.states.dumps) && t.deletedNewer(op, v.got)
	}
	if before, got := t.states.dumps[op], v.got; slices.Equal(before[:len(before)-1], got[:len(got)-1]) {
		return true // the inode file grew for an inode that was not made yet
	}
	o := t.Ops[op]
	got, before := (&model{root: v.tree}).find(o.Path), t.before[op]
	if got == nil || before == nil || !t.othersSame(op, v.got) {
		return false
	}
	switch o.Verb {
	case "append", "write":
		return writtenPart(before, got.data, o.at(before))
	case "punch":
		return punchedPart(before, got.data)
	}
	return bytes.Equal(bytes.TrimRight(before, "\x00"), bytes.TrimRight(got.data, "\x00"))
}

// writtenPart says whether got is before with the beginning of what o writes.
func writtenPart(before, got []byte, o Op) bool {
	p := fill(o.A, o.A+o.B)
	n := newModelNode(pmemfs.TypeRegular, 0)
	for k := len(p); k > 0; k-- {
		if end := int(o.B) + k; end > len(got) || got[end-1] != p[k-1] {
			continue
		}
		n.data = slices.Clone(before)
		if n.write(o.B, p[:k]); bytes.Equal(n.data, got) {
			return true
		}
	}
	return false
}

// punchedPart says whether got is before with some bytes cleared.
func punchedPart(before, got []byte) bool {
	if len(before) != len(got) {
		return false
	}
	for i, c := range got {
		if c != 0 && c != before[i] {
			return false
		}
	}
	return true
}

// othersSame says whether a dump says of all but the file of an operation, and the free space, what it said before. The
// file may have several names.
func (t *Trace) othersSame(op int, got dump) bool {
	before, ino := t.states.dumps[op], "{Ino:"
	for _, s := range before {
		if strings.HasPrefix(s, "/"+t.Ops[op].Path+" ") {
			_, rest, _ := strings.Cut(s, ino)
			id, _, _ := strings.Cut(rest, "}")
			ino += id + "}"
		}
	}
	others := func(d dump) dump {
		return slices.DeleteFunc(slices.Clone(d), func(s string) bool { return strings.Contains(s, ino) || strings.HasPrefix(s, "free ") })
	}
	return slices.Equal(others(before), others(got))
}
