package pmemfs

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/writeback"
	"pmemfs/pmemfs/testpart"
)

// TestReservation writes unstable in many ways and asserts what is reserved: the blocks that the file does not have, each once, and
// nodes for their extents. The answer's space is what the file has when all is flushed, nodes excepted.
func TestReservation(t *testing.T) {
	testpart.NotRace(t)
	const block = layout.BlockSize
	for name, c := range map[string]struct {
		writes       int
		size         int
		distance     uint64
		fresh, nodes int64
	}{
		"bytes within a block":        {1000, 1, 2, 1, 0},
		"a byte in each block":        {2000, 1, block, 2000, 51},
		"a byte in every other block": {2000, 1, 2 * block, 2000, 51},
		"across blocks":               {1, 4, block - 2, 1, 0},
		"what the file has":           {10, block, block, 0, 0},
		"a few blocks":                {3, 100, block, 3, 0},
	} {
		fs := lazyFS(t, 64<<20)
		h := mkfile(t, fs, "f")
		if name == "what the file has" {
			_, _, err := fs.Write(superuser, nil, h, make([]byte, 16*block), 0)
			must(t, err)
		}
		var a Attr
		for i := range c.writes {
			a = writeUnstable(t, fs, h, make([]byte, c.size), uint64(i)*c.distance)
		}
		if got := fs.a.Reserved(); got != c.fresh+c.nodes {
			t.Errorf("%s: %d blocks are reserved, expected %d and %d nodes", name, got, c.fresh, c.nodes)
		}
		free := fs.a.Blocks.Avail() + fs.a.Blocks.Quarantined()
		call := &Call{}
		must(t, fs.Commit(call, h, 0, 0))
		if took := free - fs.a.Blocks.Avail() - fs.a.Blocks.Quarantined(); took < c.fresh || took > c.fresh+c.nodes {
			t.Errorf("%s: %d blocks were needed, expected %d to %d", name, took, c.fresh, c.fresh+c.nodes)
		}
		after := call.WCC[0].Post
		if !call.WCC[0].HasPre || call.WCC[0].Pre != a || after.Used-a.Used > uint64(c.nodes)*block {
			t.Errorf("%s: a commit saw %+v, the write %+v", name, call.WCC[0], a)
		}
		if after.Used = a.Used; after != a {
			t.Errorf("%s: %+v after a commit, expected %+v", name, after, a)
		}
		checkFS(t, fs)
		closeFS(t, fs)
	}
}

// wanting are calls that need a block, by the name of a file in an empty directory, and a file.
var wanting = map[string]func(fs *FS, d, h Handle) error{
	"create": func(fs *FS, d, _ Handle) error {
		_, err := fs.Create(superuser, nil, d, []byte("n"), &CreateOptions{})
		return err
	},
	"mkdir": func(fs *FS, d, _ Handle) error { _, err := fs.Mkdir(superuser, nil, d, []byte("n"), nil); return err },
	"symlink": func(fs *FS, d, _ Handle) error {
		_, err := fs.Symlink(superuser, nil, d, []byte("n"), make200(), nil)
		return err
	},
	"mknod": func(fs *FS, d, _ Handle) error {
		_, err := fs.Mknod(superuser, nil, d, []byte("n"), TypeFIFO, 0, 0, nil)
		return err
	},
	"link": func(fs *FS, d, h Handle) error { _, err := fs.Link(superuser, nil, h, d, []byte("n")); return err },
	"rename": func(fs *FS, d, _ Handle) error {
		return fs.Rename(superuser, nil, fs.Root(), []byte("f"), d, []byte("n"), 0)
	},
	"write": func(fs *FS, _, h Handle) error {
		_, _, err := fs.Write(superuser, nil, h, []byte("x"), 1<<20)
		return err
	},
	"large write": func(fs *FS, _, h Handle) error {
		_, _, err := fs.Write(superuser, nil, h, make([]byte, 5*layout.BlockSize), 1<<20)
		return err
	},
	"unstable write": func(fs *FS, _, h Handle) error {
		_, _, _, err := fs.WriteUnstable(superuser, nil, h, []byte("x"), 1<<20)
		return err
	},
	"allocate": func(fs *FS, _, h Handle) error {
		return fs.Allocate(superuser, nil, h, 1<<20, 4*layout.BlockSize, false)
	},
	"xattr": func(fs *FS, _, h Handle) error {
		return fs.SetXattr(superuser, nil, h, []byte("user.a"), make([]byte, 5000), 0)
	},
	"acl": func(fs *FS, _, h Handle) error {
		return fs.SetACLs(superuser, nil, h, ACLs{Access: longestACL()}, ACLAccess)
	},
	"value": func(fs *FS, _, _ Handle) error { return fs.PutValue("test", []byte("x")) },
}

// make200 returns the target of a link that needs a block.
func make200() []byte { return fmt.Appendf(nil, "%0200d", 1) }

// TestReservationOfOthers leaves no space but what is reserved for another's data, and more is reserved than needed: every call that
// needs some gets it, after that data has been flushed, and nobody is told that there is none.
func TestReservationOfOthers(t *testing.T) {
	testpart.NotRace(t)
	for name, call := range wanting {
		fs := lazyFS(t, 32<<20)
		d, err := fs.Mkdir(superuser, nil, fs.Root(), []byte("d"), nil)
		must(t, err)
		h, greedy, other := mkfile(t, fs, "f"), mkfile(t, fs, "greedy"), mkfile(t, fs, "other")
		for off := uint64(0); off < 4<<20; off += writeback.WriteMax {
			writeUnstable(t, fs, other, make([]byte, writeback.WriteMax), off)
		}
		s, err := fs.Statfs()
		must(t, err)
		must(t, fs.Allocate(superuser, nil, greedy, 0, s.AvailBytes, false))
		if s, err = fs.Statfs(); err != nil || s.AvailBytes != 0 || fs.dirty.Of(other.Ino) == nil {
			t.Fatalf("%s: %+v, %v", name, s, err)
		}
		half := fs.a.EmergencyReserve() / 2
		fs.a.AddReservation(half) // what nodes would find in the reserve
		if err := call(fs, d.Handle, h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fs.a.AddReservation(-half)
		if fs.dirty.Of(other.Ino) != nil {
			t.Errorf("%s: the other's data has not been flushed", name)
		}
		checkFS(t, fs)
		closeFS(t, fs)
	}
}

// TestFlushInBackground writes much, and waits until the background has flushed it.
func TestFlushInBackground(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainPageCache, Options{})
	must(t, err)
	h := mkfile(t, fs, "f")
	v := fs.Verifier()
	for i := range uint64(4) {
		for j := uint64(0); j < 600; j++ {
			if _, _, _, err := fs.WriteUnstable(superuser, nil, h, []byte("x"), (i*600+j)*layout.BlockSize); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := time.Now().Add(20 * writeback.AgeMax)
	for fs.dirty.Dirty() {
		if time.Now().After(end) {
			t.Fatal("it is still dirty")
		}
		time.Sleep(time.Millisecond)
	}
	if fs.Verifier() != v {
		t.Error("something was lost")
	}
	if a, err := fs.Getattr(nil, h); err != nil || a.Size != 2399*layout.BlockSize+1 {
		t.Errorf("%+v, %v", a, err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
	if err := fs.Commit(nil, h, 0, 0); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
