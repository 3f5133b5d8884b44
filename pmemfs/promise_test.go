package pmemfs

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// TestPromise writes unstable in many ways and asserts what is promised: the blocks that the file does not have, each once, and
// nodes for their extents. The answer's space is what the file has when all is stored, nodes excepted.
func TestPromise(t *testing.T) {
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
			_, _, err := fs.Write(superuser, h, make([]byte, 16*block), 0)
			must(t, err)
		}
		var a Attr
		for i := range c.writes {
			a = keepData(t, fs, h, make([]byte, c.size), uint64(i)*c.distance)
		}
		k := fs.unstable.of(h.Ino)
		if k.fresh != c.fresh || k.blocks != c.fresh+c.nodes || fs.a.Promised() != k.blocks {
			t.Errorf("%s: %d fresh blocks, %d promised, %d in all, expected %d and %d nodes", name, k.fresh, k.blocks, fs.a.Promised(), c.fresh, c.nodes)
		}
		free := fs.a.Blocks.Avail() + fs.a.Blocks.Quarantined()
		call := &Call{}
		must(t, fs.Commit(&Cred{Call: call}, h, 0, 0))
		if took := free - fs.a.Blocks.Avail() - fs.a.Blocks.Quarantined(); took < c.fresh || took > c.fresh+c.nodes {
			t.Errorf("%s: %d blocks were needed, expected %d to %d", name, took, c.fresh, c.fresh+c.nodes)
		}
		after := call.Saw[0].After
		if !call.Saw[0].HasBefore || call.Saw[0].Before != a || after.Used-a.Used > uint64(c.nodes)*block {
			t.Errorf("%s: a commit saw %+v, the write %+v", name, call.Saw[0], a)
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
		_, err := fs.Create(superuser, d, []byte("n"), &CreateOptions{})
		return err
	},
	"mkdir": func(fs *FS, d, _ Handle) error { _, err := fs.Mkdir(superuser, d, []byte("n"), nil); return err },
	"symlink": func(fs *FS, d, _ Handle) error {
		_, err := fs.Symlink(superuser, d, []byte("n"), make200(), nil)
		return err
	},
	"mknod": func(fs *FS, d, _ Handle) error {
		_, err := fs.Mknod(superuser, d, []byte("n"), TypeFIFO, 0, 0, nil)
		return err
	},
	"link": func(fs *FS, d, h Handle) error { _, err := fs.Link(superuser, h, d, []byte("n")); return err },
	"rename": func(fs *FS, d, _ Handle) error {
		return fs.Rename(superuser, fs.Root(), []byte("f"), d, []byte("n"), 0)
	},
	"write": func(fs *FS, _, h Handle) error { _, _, err := fs.Write(superuser, h, []byte("x"), 1<<20); return err },
	"large write": func(fs *FS, _, h Handle) error {
		_, _, err := fs.Write(superuser, h, make([]byte, 5*layout.BlockSize), 1<<20)
		return err
	},
	"unstable write": func(fs *FS, _, h Handle) error {
		_, _, _, err := fs.WriteUnstable(superuser, h, []byte("x"), 1<<20)
		return err
	},
	"allocate": func(fs *FS, _, h Handle) error { return fs.Allocate(superuser, h, 1<<20, 4*layout.BlockSize, false) },
	"xattr": func(fs *FS, _, h Handle) error {
		return fs.SetXattr(superuser, h, []byte("user.a"), make([]byte, 5000), 0)
	},
	"acl": func(fs *FS, _, h Handle) error {
		return fs.SetACLs(superuser, h, ACLs{Access: longestACL()}, ACLAccess)
	},
	"state": func(fs *FS, _, _ Handle) error { return fs.SetState("test", []byte("x")) },
}

// make200 returns the target of a link that needs a block.
func make200() []byte { return fmt.Appendf(nil, "%0200d", 1) }

// TestPromiseOfOthers leaves no space but what is promised for another's data, and more is promised than needed: every call that
// needs some gets it, after that data has been stored, and nobody is told that there is none.
func TestPromiseOfOthers(t *testing.T) {
	testpart.NotRace(t)
	for name, call := range wanting {
		fs := lazyFS(t, 32<<20)
		d, err := fs.Mkdir(superuser, fs.Root(), []byte("d"), nil)
		must(t, err)
		h, greedy, other := mkfile(t, fs, "f"), mkfile(t, fs, "greedy"), mkfile(t, fs, "other")
		for off := uint64(0); off < 4<<20; off += keptPiece {
			keepData(t, fs, other, make([]byte, keptPiece), off)
		}
		s, err := fs.Statfs()
		must(t, err)
		must(t, fs.Allocate(superuser, greedy, 0, s.AvailBytes, false))
		if s, err = fs.Statfs(); err != nil || s.AvailBytes != 0 || fs.unstable.of(other.Ino) == nil {
			t.Fatalf("%s: %+v, %v", name, s, err)
		}
		half := fs.a.Reserve() / 2
		fs.a.Promise(half) // what nodes would find in the reserve
		if err := call(fs, d.Handle, h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fs.a.Promise(-half)
		if fs.unstable.of(other.Ino) != nil {
			t.Errorf("%s: the other's data has not been stored", name)
		}
		checkFS(t, fs)
		closeFS(t, fs)
	}
}

// TestLapse keeps data that nobody commits: it is stored when it is old, or much.
func TestLapse(t *testing.T) {
	fs := lazyFS(t, 64<<20)
	old, fresh := mkfile(t, fs, "old"), mkfile(t, fs, "fresh")
	keepData(t, fs, old, []byte("x"), 0)
	limit := time.Now()
	keepData(t, fs, fresh, []byte("x"), 0)
	fs.unstable.of(fresh.Ino).since = limit.Add(1)
	fs.storeOlder(limit)
	if fs.unstable.of(old.Ino) != nil || fs.unstable.of(fresh.Ino) == nil {
		t.Error("not just what is old has been stored")
	}
	for i := uint64(0); !fs.muchKept(); i++ {
		keepData(t, fs, old, []byte("x"), i*layout.BlockSize)
	}
	fs.storeOlder(limit)
	if n := fs.unstable.count.Load() + fs.a.Promised(); n != 0 {
		t.Errorf("%d files and blocks are left", n)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestLapseInBackground writes much, and waits until the background has stored it.
func TestLapseInBackground(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainPageCache, Options{})
	must(t, err)
	h := mkfile(t, fs, "f")
	v := fs.Verifier()
	for i := range uint64(4) {
		for j := uint64(0); j < 600; j++ {
			if _, _, _, err := fs.WriteUnstable(superuser, h, []byte("x"), (i*600+j)*layout.BlockSize); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := time.Now().Add(20 * keptAge)
	for fs.unstable.count.Load() > 0 {
		if time.Now().After(end) {
			t.Fatal("it is still kept")
		}
		time.Sleep(time.Millisecond)
	}
	if fs.Verifier() != v {
		t.Error("something was lost")
	}
	if a, err := fs.Getattr(h); err != nil || a.Size != 2399*layout.BlockSize+1 {
		t.Errorf("%+v, %v", a, err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
	if err := fs.Commit(superuser, h, 0, 0); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	fs.lapse() // comes too late, and does nothing
}
