package nfs3_test

import (
	"bytes"
	"testing"

	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// TestWccUnchanged makes calls that change nothing, most of which fail: wcc_data has what the file was before, which is what it
// is after (RFC 1813 section 2.6). Without it a client that had cached the file would drop that.
func TestWccUnchanged(t *testing.T) {
	f := newFixture(t)
	f.uid, f.gid = 1000, 1000
	file, dir := f.fh(benchFile(t, f, 5000)), f.root()
	for name, c := range map[string]struct {
		proc uint32
		args *rpc.Encoder
		want nfswire.Status
		n    int // of wcc_data
	}{
		"COMMIT":             {nfswire.ProcCommit, args(file, uint64(0), 0), nfswire.OK, 1},
		"SETATTR guard":      {nfswire.ProcSetattr, args(file, noAttr, true, 1, 2), nfswire.ErrNotSync, 1},
		"SETATTR":            {nfswire.ProcSetattr, args(file, mode(0o777), false), nfswire.ErrPerm, 1},
		"SETATTR nothing":    {nfswire.ProcSetattr, args(file, noAttr, false), nfswire.OK, 1},
		"WRITE":              {nfswire.ProcWrite, args(file, uint64(1), 5, nfswire.FileSync, "bytes"), nfswire.ErrAcces, 1},
		"WRITE a directory":  {nfswire.ProcWrite, args(dir, uint64(1), 5, nfswire.FileSync, "bytes"), nfswire.ErrIsDir, 1},
		"COMMIT a directory": {nfswire.ProcCommit, args(dir, uint64(0), 0), nfswire.ErrIsDir, 1},
		"CREATE":             {nfswire.ProcCreate, args(dir, "new", nfswire.CreateGuarded, noAttr), nfswire.ErrAcces, 1},
		"CREATE existing":    {nfswire.ProcCreate, args(dir, "file", nfswire.CreateGuarded, noAttr), nfswire.ErrExist, 1},
		"MKDIR":              {nfswire.ProcMkdir, args(dir, "file", mode(0o750)), nfswire.ErrExist, 1},
		"REMOVE":             {nfswire.ProcRemove, args(dir, "none"), nfswire.ErrNoEnt, 1},
		"RMDIR":              {nfswire.ProcRmdir, args(dir, "file"), nfswire.ErrAcces, 1},
		"RENAME":             {nfswire.ProcRename, args(dir, "none", dir, "m"), nfswire.ErrNoEnt, 2},
		"RENAME to itself":   {nfswire.ProcRename, args(dir, "file", dir, "file"), nfswire.OK, 2},
	} {
		st, d := f.call(c.proc, c.args)
		if st != c.want {
			t.Errorf("%s: status %d, expected %d", name, st, c.want)
		}
		for range c.n {
			if !d.Bool() {
				t.Errorf("%s: no attributes from before", name)
				break
			}
			pre := d.Fixed(24)
			if !d.Bool() {
				t.Errorf("%s: no attributes from after", name)
				break
			}
			post := d.Fixed(nfswire.FattrBytes)
			if !bytes.Equal(pre[:8], post[20:28]) || !bytes.Equal(pre[8:], post[68:84]) {
				t.Errorf("%s: %x before, %x after", name, pre, post)
			}
		}
	}
}
