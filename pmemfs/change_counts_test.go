package pmemfs

import (
	"fmt"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// operation is a row of the budget: what it does and the exact number of fences it may take.
type operation struct {
	name   string
	fences uint64
	run    func(f *fixture) error
	edges  uint64 // lines that a bulk copy shares with other bytes, flushed beside the record
	// sumLines are those of the table of checksums, where the image has it, that are flushed beside the record.
	sumLines uint64
}

func write(n int, off uint64) func(f *fixture) error {
	return func(f *fixture) error {
		_, _, err := f.fs.Write(&f.c, f.call, f.file, make([]byte, n), off)
		return err
	}
}

var operations = []operation{
	{name: "create", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte("new"), &CreateOptions{})
		return err
	}},
	{name: "create exclusive", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte("new"), &CreateOptions{Mode: Exclusive, Verifier: 7})
		return err
	}},
	{name: "mkdir", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Mkdir(&f.c, f.call, f.root, []byte("new"), nil)
		return err
	}},
	{name: "symlink", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Symlink(&f.c, f.call, f.root, []byte("new"), []byte("somewhere"), nil)
		return err
	}},
	{name: "symlink, long", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Symlink(&f.c, f.call, f.root, []byte("new"), fmt.Appendf(nil, "%0200d", 1), nil)
		return err
	}},
	{name: "mknod", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Mknod(&f.c, f.call, f.root, []byte("new"), TypeFIFO, 0, 0, nil)
		return err
	}},
	{name: "link", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Link(&f.c, f.call, f.file, f.root, []byte("new"))
		return err
	}},
	{name: "unlink", fences: 1, run: func(f *fixture) error { return f.fs.Unlink(&f.c, f.call, f.root, []byte("file")) }},
	{name: "unlink 4 MiB", fences: 1, run: func(f *fixture) error { return f.fs.Unlink(&f.c, f.call, f.root, []byte("big")) }},
	{name: "rmdir", fences: 1, run: func(f *fixture) error { return f.fs.Rmdir(&f.c, f.call, f.root, []byte("empty")) }},
	{name: "rename", fences: 1, run: func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("file"), f.root, []byte("new"), 0)
	}},
	{name: "rename to another directory", fences: 1, run: func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("file"), f.tree, []byte("new"), 0)
	}},
	{name: "rename over a file", fences: 1, run: func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("file"), f.root, []byte("big"), 0)
	}},
	{name: "rename exchange", fences: 1, run: func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("file"), f.root, []byte("big"), RenameExchange)
	}},
	{name: "rename a directory", fences: 1, run: func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("empty"), f.tree, []byte("new"), 0)
	}},
	{name: "setattr", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Setattr(&f.c, f.call, f.file, &SetAttr{Mask: SetMode | SetUID | SetGID | SetSize | SetAtimeNow | SetMtimeNow, Size: 10})
		return err
	}},
	{name: "truncate to 0", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Setattr(&f.c, f.call, f.big, &SetAttr{Mask: SetSize})
		return err
	}},
	{name: "truncate up", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Setattr(&f.c, f.call, f.file, &SetAttr{Mask: SetSize, Size: 1 << 40})
		return err
	}},
	{name: "write 1 byte", fences: 1, run: write(1, 5)},
	{name: "write 4 KiB, overwriting", fences: 1, run: write(4096, 0)},
	{name: "write 4 KiB, unaligned", fences: 1, run: write(4096, 100)},
	{name: "append 4 KiB", fences: 1, run: write(4096, 4096)},
	{name: "write 4 KiB into a hole", fences: 1, run: write(4096, 1<<30)},
	{name: "append 1,000 bytes", fences: 1, run: func(f *fixture) error {
		_, _, err := f.fs.Append(&f.c, f.call, f.file, make([]byte, 1000))
		return err
	}},
	{name: "write 4097 bytes", fences: 2, run: write(4097, 0), sumLines: 1},
	{name: "write 64 KiB", fences: 2, run: write(64<<10, 0), sumLines: 2},
	{name: "write 1 MiB", fences: 2, run: write(1<<20, 123), sumLines: 17},
	{name: "write 16 MiB", fences: 2, run: write(16<<20, 0)},
	{name: "set a short attribute", fences: 1, run: func(f *fixture) error {
		return f.fs.SetXattr(&f.c, f.call, f.file, []byte("user.a"), []byte("value"), 0)
	}},
	{name: "set a long attribute", fences: 2, run: func(f *fixture) error {
		return f.fs.SetXattr(&f.c, f.call, f.file, []byte("user.a"), make([]byte, 5000), 0)
	}, edges: 1},
	{name: "set access control lists", fences: 1, run: func(f *fixture) error {
		return f.fs.SetACLs(&f.c, f.call, f.tree, ACLs{Access: longestACL(), Default: longestACL()}, ACLAccess|ACLDefault)
	}},
	{name: "create below a default list", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Create(&f.c, f.call, f.listed, []byte("new"), &CreateOptions{})
		return err
	}},
	{name: "mkdir below a default list", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Mkdir(&f.c, f.call, f.listed, []byte("new"), nil)
		return err
	}},
	{name: "mode of what has a list", fences: 1, run: func(f *fixture) error {
		_, err := f.fs.Setattr(&f.c, f.call, f.listed, &SetAttr{Mask: SetMode, Mode: 0o711})
		return err
	}},
	{name: "remove lists", fences: 1, run: func(f *fixture) error { return f.fs.SetACLs(&f.c, nil, f.listed, ACLs{}, ACLAccess|ACLDefault) }},
	{name: "access by a list", fences: 0, run: func(f *fixture) error { _, err := f.fs.Access(stranger, nil, f.listed, 7); return err }},
	{name: "put a value", fences: 1, run: func(f *fixture) error { return f.fs.PutValue("name", make([]byte, ValueMax)) }},
	{name: "lock, wait, unlock", fences: 0, run: func(f *fixture) error {
		l := FileLock{Owner: LockOwner{Client: "host", ID: "1"}, Exclusive: true, End: LockEOF}
		if err := f.fs.TryLock(&f.c, f.call, f.file, l); err != nil {
			return err
		}
		if _, err := f.fs.WaitLock(&f.c, f.call, f.file, FileLock{Owner: LockOwner{Client: "host", ID: "2"}}, func(error) {}); err != nil {
			return err
		}
		return f.fs.Unlock(f.file, l.Owner, 0, LockEOF)
	}},
	{name: "allocate 16 MiB", fences: 1, run: func(f *fixture) error { return f.fs.Allocate(&f.c, f.call, f.file, 0, 16<<20, false) }},
	{name: "punch a hole", fences: 1, run: func(f *fixture) error { return f.fs.PunchHole(&f.c, f.call, f.big, 100, 2<<20) }},
	{name: "lookup", fences: 0, run: func(f *fixture) error { _, err := f.fs.Lookup(&f.c, f.call, f.root, []byte("file")); return err }},
	{name: "getattr", fences: 0, run: func(f *fixture) error { _, err := f.fs.Getattr(nil, f.file); return err }},
	{name: "read", fences: 0, run: func(f *fixture) error {
		_, _, err := f.fs.Read(&f.c, f.call, f.big, make([]byte, 1<<20), 0)
		return err
	}},
	{name: "readdir", fences: 0, run: func(f *fixture) error {
		return f.fs.Readdir(&f.c, f.call, f.root, 0, true, func(*DirEntry) bool { return true })
	}},
	{name: "sync", fences: 0, run: func(f *fixture) error { return f.fs.Sync(f.file) }},
}

// TestFences asserts the exact number of fences of every operation, and that the lines flushed are the record's own: its
// bytes, header and padding to a line, each line once. Checksums of data take no further fence; those of a bulk copy are
// in lines of the table, of which the first and the last are flushed and the others, if they are many, go past the cache.
func TestFences(t *testing.T) {
	testpart.NotRace(t)
	bothWays(t, testFences)
}

func testFences(t *testing.T, sums bool) {
	testFencesOn(t, sums, func(f *fixture) {})
}

// testFencesOn counts fences and lines of each operation on a filesystem that prepare has prepared.
func testFencesOn(t *testing.T, sums bool, prepare func(f *fixture)) {
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			f := newFixture(t, sums)
			prepare(f)
			before, pos := f.fs.Counters(), f.fs.j.Appended()
			if err := op.run(f); err != nil {
				t.Fatal(err)
			}
			after := f.fs.Counters()
			record := (f.fs.j.Appended() - pos) / layout.LineSize
			lines := after.Lines - before.Lines
			t.Logf("%-28s fences %d, lines %d, lines past the cache %d", op.name, after.Fences-before.Fences, lines, after.NTLines-before.NTLines)
			if got := after.Fences - before.Fences; got != op.fences {
				t.Errorf("%d fences, expected %d", got, op.fences)
			}
			edges := op.edges
			if sums {
				edges += op.sumLines
			}
			if lines != record+edges {
				t.Errorf("%d lines flushed, the record has %d", lines, record)
			}
			checkFS(t, f.fs)
			closeFS(t, f.fs)
		})
	}
}

// TestCheckpointFlushesOnce asserts that a checkpoint takes two fences and flushes a line once however often it changed.
func TestCheckpointFlushesOnce(t *testing.T) {
	f := newFixture(t, false)
	for range 500 {
		if err := write(1, 5)(f); err != nil {
			t.Fatal(err)
		}
	}
	before := f.fs.Counters()
	if err := f.fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	after := f.fs.Counters()
	// The inode has up to four lines, the file's line is one, the journal head is one.
	if fences, lines := after.Fences-before.Fences, after.Lines-before.Lines; fences != 2 || lines > 6 {
		t.Errorf("checkpoint took %d fences and %d lines, expected 2 and at most 6", fences, lines)
	}
	checkFS(t, f.fs)
	closeFS(t, f.fs)
}

// TestFencesAmortised asserts the budget over many operations, splits, inode file growth and checkpoints included.
func TestFencesAmortised(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 64<<20)
	c := &Cred{}
	const n = 20_000
	before := fs.Counters()
	for i := range n {
		if _, err := fs.Create(c, nil, fs.Root(), fmt.Appendf(nil, "f%d", i), &CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	after := fs.Counters()
	if per := float64(after.Fences-before.Fences) / n; per > 1.02 {
		t.Errorf("%.4f fences per create", per)
	}
	t.Logf("%d creates: %.4f fences and %.2f lines each", n, float64(after.Fences-before.Fences)/n, float64(after.Lines-before.Lines)/n)
	checkFS(t, fs)
	closeFS(t, fs)
}
