package nfs3_test

import (
	"bytes"
	"fmt"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// sample is a call of a procedure that succeeds, or whose arguments at least are in order.
type sample struct {
	proc uint32
	args *rpc.Encoder
	fail int // bytes of a failure of it after the status, without any attributes
}

// samples makes a file and a symbolic link and returns a call of each procedure and of each form that its arguments have.
func samples(t testing.TB, f *fixture) map[string]sample {
	h := f.fh(benchFile(t, f, 5000))
	link, err := f.eng.Symlink(&pmemfs.Cred{}, nil, f.eng.Root(), []byte("link"), []byte("target"), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, full := f.root(), raw(args(1, 0o640, 1, 7, 1, 8, 1, uint64(9), 2, 10, 11, 1).Bytes())
	const wcc, post = 8, 4
	return map[string]sample{
		"NULL":                {nfswire.ProcNull, args(), 0},
		"GETATTR":             {nfswire.ProcGetattr, args(h), 0},
		"SETATTR":             {nfswire.ProcSetattr, args(h, full, false), wcc},
		"SETATTR guard":       {nfswire.ProcSetattr, args(h, noAttr, true, 1, 2), wcc},
		"LOOKUP":              {nfswire.ProcLookup, args(dir, "file"), post},
		"ACCESS":              {nfswire.ProcAccess, args(h, 0x3f), post},
		"READLINK":            {nfswire.ProcReadlink, args(f.fh(link.Handle)), post},
		"READ":                {nfswire.ProcRead, args(h, uint64(1), 100), post},
		"WRITE":               {nfswire.ProcWrite, args(h, uint64(1), 5, nfswire.FileSync, "bytes"), wcc},
		"CREATE UNCHECKED":    {nfswire.ProcCreate, args(dir, "c1", nfswire.CreateUnchecked, full), wcc},
		"CREATE GUARDED":      {nfswire.ProcCreate, args(dir, "c2", nfswire.CreateGuarded, noAttr), wcc},
		"CREATE EXCLUSIVE":    {nfswire.ProcCreate, args(dir, "c3", nfswire.CreateExclusive, uint64(99)), wcc},
		"MKDIR":               {nfswire.ProcMkdir, args(dir, "d", mode(0o750)), wcc},
		"SYMLINK":             {nfswire.ProcSymlink, args(dir, "s", noAttr, "where"), wcc},
		"MKNOD FIFO":          {nfswire.ProcMknod, args(dir, "p", nfswire.TypeFIFO, noAttr), wcc},
		"MKNOD SOCKET":        {nfswire.ProcMknod, args(dir, "k", nfswire.TypeSocket, noAttr), wcc},
		"MKNOD CHAR":          {nfswire.ProcMknod, args(dir, "n", nfswire.TypeChar, noAttr, 1, 3), wcc},
		"MKNOD BLOCK":         {nfswire.ProcMknod, args(dir, "b", nfswire.TypeBlock, noAttr, 8, 0), wcc},
		"LINK":                {nfswire.ProcLink, args(h, dir, "l"), post + wcc},
		"RENAME":              {nfswire.ProcRename, args(dir, "l", dir, "m"), 2 * wcc},
		"REMOVE":              {nfswire.ProcRemove, args(dir, "m"), wcc},
		"RMDIR":               {nfswire.ProcRmdir, args(dir, "d"), wcc},
		"READDIR":             {nfswire.ProcReaddir, args(dir, uint64(0), uint64(0), 4096), post},
		"READDIRPLUS":         {nfswire.ProcReaddirPlus, args(dir, uint64(0), uint64(0), 1024, 4096), post},
		"FSSTAT":              {nfswire.ProcFsstat, args(dir), post},
		"FSINFO":              {nfswire.ProcFsinfo, args(dir), post},
		"PATHCONF":            {nfswire.ProcPathconf, args(dir), post},
		"COMMIT":              {nfswire.ProcCommit, args(h, uint64(0), 0), wcc},
		"CREATE EXCLUSIVE 2":  {nfswire.ProcCreate, args(dir, "c3", nfswire.CreateExclusive, uint64(99)), wcc},
		"READDIR from behind": {nfswire.ProcReaddir, args(dir, ^uint64(0), uint64(0), 4096), post},
	}
}

// order is in which samples build on each other.
var order = []string{
	"NULL", "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ", "WRITE", "CREATE UNCHECKED", "CREATE GUARDED",
	"CREATE EXCLUSIVE", "CREATE EXCLUSIVE 2", "MKDIR", "SYMLINK", "MKNOD FIFO", "MKNOD SOCKET", "MKNOD CHAR", "MKNOD BLOCK", "LINK", "RENAME",
	"REMOVE", "RMDIR", "READDIR", "READDIR from behind", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF", "COMMIT",
}

// TestSamples makes sure that the calls the other tests spoil are in order.
func TestSamples(t *testing.T) {
	f := newFixture(t)
	all := samples(t, f)
	for _, name := range order {
		s := all[name]
		result, d := f.send(f.request(s.proc, s.args))
		if result != rpc.Success {
			t.Errorf("%s: result %d", name, result)
		} else if s.proc != nfswire.ProcNull && d.Uint32() != 0 {
			t.Errorf("%s: status is not OK", name)
		}
	}
	if len(order)+1 != len(all) { // the guard is meant to fail
		t.Errorf("%d of %d samples were sent", len(order), len(all))
	}
}

// TestMalformed cuts the arguments of every procedure short at every word and adds one: nothing but the right length is taken,
// and nothing happens.
func TestMalformed(t *testing.T) {
	f := newFixture(t)
	for name, s := range samples(t, f) {
		whole := s.args.Bytes()
		spoil := [][]byte{append(bytes.Clone(whole), 0, 0, 0, 0)}
		for n := 0; n < len(whole); n += 4 {
			spoil = append(spoil, whole[:n])
		}
		before := f.eng.Info()
		for _, b := range spoil {
			e := rpc.NewEncoder(nil)
			e.Raw(b)
			if result, _ := f.send(f.request(s.proc, e)); result != rpc.GarbageArgs {
				t.Errorf("%s with %d of %d bytes: result %d", name, len(b), len(whole), result)
			}
		}
		if after := f.eng.Info(); before.FreeBytes != after.FreeBytes {
			t.Errorf("%s: something was made of malformed arguments", name)
		}
	}
	for proc := uint32(nfswire.ProcCount); proc < nfswire.ProcCount+3; proc++ {
		if result, _ := f.send(f.request(proc, args())); result != rpc.ProcUnavail {
			t.Errorf("procedure %d: result %d", proc, result)
		}
	}
}

// TestBadValues sends values that XDR does not allow where they stand (RFC 4506 sections 4.3 and 4.4).
func TestBadValues(t *testing.T) {
	f := newFixture(t)
	h, dir := f.fh(benchFile(t, f, 1)), f.root()
	for name, s := range map[string]sample{
		"bool of 2":               {nfswire.ProcSetattr, args(h, noAttr, 2), 0},
		"sattr3 with a bool of 7": {nfswire.ProcSetattr, args(h, 7, raw(make([]byte, 20)), false), 0},
		"time_how of 3":           {nfswire.ProcSetattr, args(h, 0, 0, 0, 0, 3, 0, false), 0},
		"stable_how of 3":         {nfswire.ProcWrite, args(h, uint64(0), 1, 3, "x"), 0},
		"createmode3 of 3":        {nfswire.ProcCreate, args(dir, "x", 3, noAttr), 0},
		"handle of 65 bytes":      {nfswire.ProcGetattr, args(make([]byte, 65)), 0},
		"handle of 4 GiB":         {nfswire.ProcGetattr, args(raw{0xff, 0xff, 0xff, 0xff}), 0},
		"name of 4 GiB":           {nfswire.ProcLookup, args(dir, raw{0xff, 0xff, 0xff, 0xfc}), 0},
		"data of 2 GiB":           {nfswire.ProcWrite, args(h, uint64(0), 1<<31, 2, raw{0x80, 0, 0, 0}), 0},
	} {
		if result, _ := f.send(f.request(s.proc, s.args)); result != rpc.GarbageArgs {
			t.Errorf("%s: result %d", name, result)
		}
	}
}

// TestHandles spoils the first handle of every procedure. A handle that this server never gave out is BADHANDLE, one whose
// file or export is gone is STALE, and no failure tells anything of a file, unless a second handle names one.
func TestHandles(t *testing.T) {
	f := newFixture(t)
	good := f.fh(benchFile(t, f, 10))
	gone, err := f.eng.Create(&pmemfs.Cred{}, nil, f.eng.Root(), []byte("gone"), &pmemfs.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.eng.Unlink(&pmemfs.Cred{}, nil, f.eng.Root(), []byte("gone")); err != nil {
		t.Fatal(err)
	}
	other := newFixture(t)
	elsewhere := f.handles.Append(nil, (&export.Export{Name: "/elsewhere", Subtree: "/"}).ID(), f.eng.Root())
	spoiled := map[string]struct {
		fh   []byte
		want nfswire.Status
	}{
		"empty":              {nil, nfswire.ErrBadHandle},
		"short":              {good[:handle.Bytes-4], nfswire.ErrBadHandle},
		"long":               {append(bytes.Clone(good), 0, 0, 0, 0), nfswire.ErrBadHandle},
		"of a removed file":  {f.fh(gone.Handle), nfswire.ErrStale},
		"of another image":   {other.root(), nfswire.ErrStale},
		"of no such export":  {elsewhere, nfswire.ErrStale},
		"zeros":              {make([]byte, handle.Bytes), nfswire.ErrStale},
		"never given out":    {f.fh(pmemfs.Handle{Ino: 1 << 40, Gen: 1}), nfswire.ErrStale},
		"the inode file":     {f.fh(pmemfs.Handle{Ino: 1}), nfswire.ErrStale},
		"another generation": {f.fh(pmemfs.Handle{Ino: gone.Ino, Gen: gone.Gen + 1}), nfswire.ErrStale},
	}
	for i := 8; i < handle.Bytes; i++ { // a bit of each byte that is signed or signs
		b := bytes.Clone(good)
		b[i] ^= 1 << (i % 8)
		spoiled[fmt.Sprint("byte ", i)] = struct {
			fh   []byte
			want nfswire.Status
		}{b, nfswire.ErrBadHandle}
	}
	for name, s := range samples2(f) {
		for how, k := range spoiled {
			e := args(k.fh)
			e.Raw(s.args.Bytes()[4+handle.Bytes:])
			st, d := f.call(s.proc, e)
			if st != k.want {
				t.Errorf("%s with a handle, %s: status %d, want %d", name, how, st, k.want)
			}
			if rest := d.Rest(); len(rest) != s.fail && (len(rest) < s.fail || name != "LINK" && name != "RENAME") {
				t.Errorf("%s with a handle, %s: %d bytes after the status, want %d", name, how, len(rest), s.fail)
			}
		}
	}
}

// samples2 is samples less what has no handle, for a fixture that has the file already.
func samples2(f *fixture) map[string]sample {
	g := newFixture(f.t)
	all := samples(f.t, g)
	delete(all, "NULL")
	for _, name := range []string{"LINK", "RENAME"} { // the second handle is to be a good one
		s := all[name]
		s.args = args(f.root(), f.root(), "l")
		if name == "RENAME" {
			s.args = args(f.root(), "l", f.root(), "m")
			s.fail = 8 + 8
		}
		all[name] = s
	}
	return all
}
