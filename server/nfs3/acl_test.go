package nfs3_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const everything = nfswire.ACLMaskAll

// aclRequest is a call of NFSACL.
func (f *fixture) aclRequest(proc uint32, args *rpc.Encoder) *rpc.Request {
	r := f.request(proc, args)
	r.Prog = nfswire.ProgACL
	return r
}

// aclSend carries a call of NFSACL out and returns the result and the reply.
func (f *fixture) aclSend(r *rpc.Request) (rpc.Result, *rpc.Decoder) {
	e := rpc.NewEncoder(nil)
	result := f.srv.ACLProgram().Serve(r, e)
	return result, rpc.NewDecoder(e.Bytes())
}

// aclCall is aclSend for a call that is answered, in the form that its results have.
func (f *fixture) aclCall(proc uint32, args *rpc.Encoder) (nfswire.Status, *rpc.Decoder) {
	f.t.Helper()
	result, d := f.aclSend(f.aclRequest(proc, args))
	if result != rpc.Success {
		f.t.Fatalf("NFSACL procedure %d: result %d", proc, result)
	}
	if err := wellFormedACL(proc, d.Rest()); err != nil {
		f.t.Errorf("NFSACL procedure %d: %v", proc, err)
	}
	return nfswire.Status(d.Uint32()), d
}

// secattr builds a list as it is sent: words of tag, number and permissions.
func secattr(words ...int) raw {
	e := args(len(words)/3, len(words)/3)
	for _, w := range words {
		e.Uint32(uint32(w))
	}
	return raw(e.Bytes())
}

var noList = secattr()

// wellFormedACL returns an error unless a reply is exactly what the results of a procedure look like.
func wellFormedACL(proc uint32, reply []byte) error {
	d := rpc.NewDecoder(reply)
	if proc == nfswire.ProcACLNull {
		if !d.Done() {
			return fmt.Errorf("NULL has results")
		}
		return nil
	}
	st := d.Uint32()
	if err := field(d, 'a'); err != nil {
		return err
	}
	if proc == nfswire.ProcGetACL && st == 0 {
		d.Uint32()
		for range 2 {
			count, n := d.Uint32(), d.Uint32()
			if n != 0 && n != count {
				return fmt.Errorf("%d entries, said to be %d", n, count)
			}
			d.Fixed(int(n) * 12)
		}
	}
	if !d.Done() {
		return fmt.Errorf("%d bytes are left, or some are missing", len(d.Rest()))
	}
	return nil
}

// wantLists asks for the lists of a file and compares what follows the attributes.
func (f *fixture) wantLists(what string, h pmemfs.Handle, mask int, access, def raw) {
	f.t.Helper()
	st, d := f.aclCall(nfswire.ProcGetACL, args(f.fh(h), mask))
	if st != nfswire.OK || !d.Bool() {
		f.t.Errorf("%s: status %d", what, st)
		return
	}
	d.Fixed(nfswire.FattrBytes)
	if want := args(mask, access, def).Bytes(); !bytes.Equal(d.Rest(), want) {
		f.t.Errorf("%s: % x\nwant % x", what, d.Rest(), want)
	}
}

func (f *fixture) make(name string, typ pmemfs.FileType, mode, uid uint32) pmemfs.Handle {
	f.t.Helper()
	s := pmemfs.SetAttr{Mask: pmemfs.SetMode | pmemfs.SetUID | pmemfs.SetGID, Mode: mode, UID: uid, GID: 20}
	root, c := f.eng.Root(), &pmemfs.Cred{}
	var a pmemfs.Attr
	var err error
	switch typ {
	case pmemfs.TypeDir:
		a, err = f.eng.Mkdir(c, nil, root, []byte(name), &s)
	case pmemfs.TypeSymlink:
		a, err = f.eng.Symlink(c, nil, root, []byte(name), []byte("x"), &s)
	default:
		a, err = f.eng.Create(c, nil, root, []byte(name), &pmemfs.CreateOptions{Attr: s})
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return a.Handle
}

// TestACL sets lists and asks for them.
func TestACL(t *testing.T) {
	f := newFixture(t)
	file, dir := f.make("file", pmemfs.TypeRegular, 0o640, 10), f.make("dir", pmemfs.TypeDir, 0o755, 10)
	f.uid = 10
	bare := secattr(1, 10, 6, 4, 20, 4, 16, 0, 4, 32, 0, 0)
	f.wantLists("no list", file, everything, bare, noList)
	f.wantLists("no list, counts", file, 0xa, raw(args(4, 0).Bytes()), raw(args(0, 0).Bytes()))
	f.wantLists("nothing", file, 0, noList, noList)
	f.wantLists("default of a file", file, 4, noList, noList)

	// Entries may come in any order, and numbers of those that have none mean nothing.
	set := func(h pmemfs.Handle, mask int, access, def raw) {
		t.Helper()
		st, d := f.aclCall(nfswire.ProcSetACL, args(f.fh(h), mask, access, def))
		if st != nfswire.OK || !d.Bool() {
			t.Errorf("status %d, or no attributes", st)
		}
		now, err := f.eng.Getattr(nil, h)
		want := rpc.NewEncoder(nil)
		nfswire.PutFattr(want, f.handles.FSID(), &now)
		if err != nil || !bytes.Equal(d.Rest(), want.Bytes()) {
			t.Errorf("attributes are % x, %v, want % x", d.Rest(), err, want.Bytes())
		}
	}
	set(file, 1, secattr(32, 5, 1, 8, 70, 6, 16, 9, 0o17, 2, 9, 4, 2, 8, 7, 4, 1, 5, 1, 2, 6), noList)
	list := secattr(1, 10, 6, 2, 8, 7, 2, 9, 4, 4, 20, 5, 8, 70, 6, 16, 0, 7, 32, 0, 1)
	f.wantLists("sorted", file, everything, list, noList)
	f.wantLists("only counted", file, 2, raw(args(7, 0).Bytes()), noList)
	if a, err := f.eng.Getattr(nil, file); err != nil || a.Mode != 0o671 {
		t.Errorf("mode %o, %v", a.Mode, err)
	}
	set(dir, 5, secattr(1, 0, 7, 4, 0, 5, 16, 0, 5, 32, 0, 5), secattr(0x1001, 0, 7, 0x1002, 5, 7, 0x1004, 0, 5, 0x1010, 0, 7, 0x1020, 0, 0))
	def := secattr(0x1001, 10, 7, 0x1002, 5, 7, 0x1004, 20, 5, 0x1010, 0, 7, 0x1020, 0, 0)
	f.wantLists("default", dir, everything, secattr(1, 10, 7, 4, 20, 5, 16, 0, 5, 32, 0, 5), def)
	set(dir, 1, secattr(1, 0, 6, 4, 0, 5, 16, 0, 1, 32, 0, 5), noList)
	f.wantLists("a mask that says something", dir, everything, secattr(1, 10, 6, 4, 20, 5, 16, 0, 1, 32, 0, 5), def)
	set(dir, 4, noList, noList)
	f.wantLists("default removed", dir, 5, secattr(1, 10, 6, 4, 20, 5, 16, 0, 1, 32, 0, 5), noList)
	set(file, 5, noList, noList)
	f.wantLists("removed", file, 5, secattr(1, 10, 6, 4, 20, 7, 16, 0, 7, 32, 0, 1), noList)
	set(file, 0xa, secattr(1, 2, 3), secattr(99, 99, 99)) // counts alone: nothing to set
	set(file, 4, noList, noList)
	set(file, 4, noList, append(noList, make(raw, 48)...)) // as Linux sends it
	pmemfstest.CheckFS(t, f.eng)
}

// TestACLInherited makes a file below a default list: the mode bounds it.
func TestACLInherited(t *testing.T) {
	f := newFixture(t)
	dir := f.make("dir", pmemfs.TypeDir, 0o777, 10)
	f.uid, f.gid = 10, 20
	if st, _ := f.aclCall(nfswire.ProcSetACL, args(f.fh(dir), 4, noList, secattr(1, 0, 7, 2, 5, 7, 4, 0, 7, 16, 0, 7, 32, 0, 7))); st != nfswire.OK {
		t.Fatalf("status %d", st)
	}
	if st, _ := f.call(nfswire.ProcCreate, args(f.fh(dir), "new", nfswire.CreateUnchecked, mode(0o640))); st != nfswire.OK {
		t.Fatalf("status %d", st)
	}
	a, err := f.eng.Lookup(&pmemfs.Cred{}, nil, dir, []byte("new"))
	if err != nil || a.Mode != 0o640 {
		t.Errorf("mode %o, %v", a.Mode, err)
	}
	f.wantLists("new file", a.Handle, everything, secattr(1, 10, 6, 2, 5, 7, 4, 20, 7, 16, 0, 4, 32, 0, 0), noList)
}

// TestACLEnforced asks ACCESS, and does what it says, as users whom only a list tells apart.
func TestACLEnforced(t *testing.T) {
	f := newFixture(t)
	file, dir := f.make("file", pmemfs.TypeRegular, 0o600, 10), f.make("dir", pmemfs.TypeDir, 0o700, 10)
	list := raw(secattr(1, 0, 7, 2, 11, 6, 2, 12, 0, 4, 0, 0, 8, 30, 2, 8, 31, 1, 16, 0, 7, 32, 0, 4))
	f.uid = 10
	for _, h := range []pmemfs.Handle{file, dir} {
		if st, _ := f.aclCall(nfswire.ProcSetACL, args(f.fh(h), 1, list, noList)); st != nfswire.OK {
			t.Fatalf("status %d", st)
		}
	}
	const change = nfswire.AccessModify | nfswire.AccessExtend
	for _, u := range []struct {
		uid             uint32
		groups          []uint32
		onFile, onDir   uint32
		creates, writes nfswire.Status
	}{
		{11, nil, nfswire.AccessRead | change, nfswire.AccessRead, nfswire.ErrAcces, nfswire.OK},
		{12, []uint32{30, 31}, 0, 0, nfswire.ErrAcces, nfswire.ErrAcces},
		{13, nil, nfswire.AccessRead, nfswire.AccessRead, nfswire.ErrAcces, nfswire.ErrAcces},
		{13, []uint32{30}, change, 0, nfswire.ErrAcces, nfswire.OK},
		// Write by one group and search by another: no right alone changes the directory.
		{13, []uint32{30, 31}, change | nfswire.AccessExecute, nfswire.AccessLookup, nfswire.ErrAcces, nfswire.OK},
		{10, nil, nfswire.AccessRead | change | nfswire.AccessExecute, nfswire.AccessRead | nfswire.AccessLookup | change | nfswire.AccessDelete, nfswire.OK, nfswire.OK},
	} {
		f.uid, f.gid, f.groups = u.uid, 99, u.groups
		for h, want := range map[pmemfs.Handle]uint32{file: u.onFile, dir: u.onDir} {
			_, d := f.call(nfswire.ProcAccess, args(f.fh(h), 0x3f))
			d.Fixed(nfswire.PostOpBytes)
			if got := d.Uint32(); got != want {
				t.Errorf("uid %d, groups %d: ACCESS %#x, want %#x", u.uid, u.groups, got, want)
			}
		}
		if st, _ := f.call(nfswire.ProcCreate, args(f.fh(dir), "new", nfswire.CreateUnchecked, noAttr)); st != u.creates {
			t.Errorf("uid %d, groups %d: CREATE %d, want %d", u.uid, u.groups, st, u.creates)
		}
		if st, _ := f.call(nfswire.ProcWrite, args(f.fh(file), uint64(0), 1, nfswire.FileSync, "x")); st != u.writes {
			t.Errorf("uid %d, groups %d: WRITE %d, want %d", u.uid, u.groups, st, u.writes)
		}
	}
}

// TestACLRefused sends what is not to be carried out.
func TestACLRefused(t *testing.T) {
	f := newFixture(t)
	file, link := f.make("file", pmemfs.TypeRegular, 0o640, 10), f.make("link", pmemfs.TypeSymlink, 0, 10)
	bare := secattr(1, 0, 6, 4, 0, 4, 32, 0, 0)
	set := func(h pmemfs.Handle, mask int, access, def raw) (uint32, *rpc.Encoder) {
		return nfswire.ProcSetACL, args(f.fh(h), mask, access, def)
	}
	long := []int{1, 0, 6, 4, 0, 4, 16, 0, 4, 32, 0, 0}
	for i := range pmemfs.ACLEntries - 3 {
		long = append(long, 8, i, 1)
	}
	try := func(what string, want nfswire.Status, proc uint32, a *rpc.Encoder) {
		t.Helper()
		if st, _ := f.aclCall(proc, a); st != want {
			t.Errorf("%s: status %d, want %d", what, st, want)
		}
	}
	do := func(what string, want nfswire.Status, h pmemfs.Handle, mask int, access, def raw) {
		t.Helper()
		proc, a := set(h, mask, access, def)
		try(what, want, proc, a)
	}
	f.uid = 10
	do("no others", nfswire.ErrInval, file, 1, secattr(1, 0, 6, 4, 0, 4), noList)
	do("a user without a mask", nfswire.ErrInval, file, 1, secattr(1, 0, 6, 2, 5, 4, 4, 0, 4, 32, 0, 0), noList)
	do("a user twice", nfswire.ErrInval, file, 1, secattr(1, 0, 6, 2, 5, 4, 2, 5, 4, 4, 0, 4, 16, 0, 0, 32, 0, 0), noList)
	do("the number of nobody", nfswire.ErrInval, file, 1, secattr(1, 0, 6, 2, -1, 4, 4, 0, 4, 16, 0, 0, 32, 0, 0), noList)
	do("an unknown tag", nfswire.ErrInval, file, 1, secattr(1, 0, 6, 4, 0, 4, 32, 0, 0, 64, 0, 0), noList)
	do("a huge tag", nfswire.ErrInval, file, 1, secattr(0x10001, 0, 6, 4, 0, 4, 32, 0, 0), noList)
	do("permissions of 8", nfswire.ErrInval, file, 1, secattr(1, 0, 8, 4, 0, 4, 32, 0, 0), noList)
	do("too many", nfswire.ErrNoSpc, file, 1, secattr(long...), noList)
	do("an unknown mask", nfswire.ErrInval, file, 0x11, bare, noList)
	do("default of a file", nfswire.ErrAcces, file, 4, noList, bare)
	do("symbolic link", nfswire.ErrNotSupp, link, 1, bare, noList)
	try("GETACL with an unknown mask", nfswire.ErrInval, nfswire.ProcGetACL, args(f.fh(file), 0x10))
	try("GETACL of a symbolic link", nfswire.OK, nfswire.ProcGetACL, args(f.fh(link), everything))
	try("a handle that is none", nfswire.ErrBadHandle, nfswire.ProcGetACL, args(make([]byte, 8), 1))
	try("a handle of nothing", nfswire.ErrStale, nfswire.ProcGetACL, args(f.fh(pmemfs.Handle{Ino: 1 << 30, Gen: 1}), 1))
	f.uid = 11
	do("a stranger", nfswire.ErrPerm, file, 1, bare, noList)
	try("GETACL by a stranger", nfswire.OK, nfswire.ProcGetACL, args(f.fh(file), everything))
	f.none = true
	do("nobody", nfswire.ErrPerm, file, 1, bare, noList)
	f.none = false

	f.uid = 0
	f.exp.Squash = export.SquashRoot
	f.serve(f.exp)
	do("root, squashed", nfswire.ErrPerm, file, 1, bare, noList)
	f.uid = 10
	f.exp.ReadOnly = true
	f.serve(f.exp)
	do("read-only export", nfswire.ErrROFS, file, 1, bare, noList)
	try("GETACL on a read-only export", nfswire.OK, nfswire.ProcGetACL, args(f.fh(file), everything))
	f.exp.Clients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.serve(f.exp)
	try("GETACL from elsewhere", nfswire.ErrAcces, nfswire.ProcGetACL, args(f.fh(file), everything))
	if a, err := f.eng.Getattr(nil, file); err != nil || a.Mode != 0o640 {
		t.Errorf("mode %o, %v: something was set", a.Mode, err)
	}
}

// aclSamples are good calls of each procedure.
func aclSamples(f *fixture) map[uint32]*rpc.Encoder {
	h := f.fh(f.make("sample", pmemfs.TypeDir, 0o755, 0))
	list := secattr(1, 0, 7, 2, 11, 6, 4, 0, 0, 8, 30, 2, 16, 0, 7, 32, 0, 4)
	return map[uint32]*rpc.Encoder{
		nfswire.ProcACLNull: args(), nfswire.ProcGetACL: args(h, everything), nfswire.ProcSetACL: args(h, everything, list, list),
	}
}

// TestACLMalformed cuts arguments short at each word, adds one, and lies about lengths.
func TestACLMalformed(t *testing.T) {
	f := newFixture(t)
	garbage := func(what string, proc uint32, b []byte) {
		t.Helper()
		if result, _ := f.aclSend(f.aclRequest(proc, args(raw(b)))); result != rpc.GarbageArgs {
			t.Errorf("%s: result %d", what, result)
		}
	}
	all := aclSamples(f)
	for proc, e := range all {
		whole := e.Bytes()
		for n := 0; n < len(whole); n += 4 {
			garbage(fmt.Sprintf("procedure %d, %d of %d bytes", proc, n, len(whole)), proc, whole[:n])
		}
		more := 4
		if proc == nfswire.ProcSetACL { // Linux may leave room for four entries behind the arguments
			more += 4 * nfswire.ACLEntryBytes
		}
		garbage("one word too many", proc, append(bytes.Clone(whole), make([]byte, more)...))
	}
	h := f.fh(f.eng.Root())
	garbage("count and length differ", nfswire.ProcSetACL, args(h, 1, 2, 1, 1, 0, 7, noList).Bytes())
	garbage("length without count", nfswire.ProcSetACL, args(h, 1, 0, 1, 1, 0, 7, noList).Bytes())
	garbage("4 Gi entries", nfswire.ProcSetACL, args(h, 1, -1, -1, noList).Bytes())
	garbage("1025 entries", nfswire.ProcSetACL, args(h, 1, secattr(make([]int, 3*1025)...), noList).Bytes())
	for proc := uint32(nfswire.ProcACLCount); proc < 8; proc++ {
		if result, _ := f.aclSend(f.aclRequest(proc, args(h))); result != rpc.ProcUnavail {
			t.Errorf("procedure %d: result %d", proc, result)
		}
	}
	if p := f.srv.ACLProgram(); p.Number != 100227 || p.Low != 3 || p.High != 3 {
		t.Errorf("program %d, versions %d to %d", p.Number, p.Low, p.High)
	}
}

// TestACLOnce repeats a SETACL after another one, and after a restart: it is answered, and takes nothing back.
func TestACLOnce(t *testing.T) {
	path := t.TempDir() + "/image"
	if err := pmemfs.Format(path, pmemfs.FormatOptions{Size: imageBytes, RootMode: 0o777}); err != nil {
		t.Fatal(err)
	}
	f := reopen(t, path)
	h := f.make("file", pmemfs.TypeRegular, 0o640, 0)
	set := func(perm int) *rpc.Request {
		return f.aclRequest(nfswire.ProcSetACL, args(f.fh(h), 1, secattr(1, 0, perm, 2, 5, perm, 4, 0, 0, 16, 0, perm, 32, 0, 0), noList))
	}
	first, second := set(4), set(6)
	for i, r := range []*rpc.Request{first, second, first} {
		if result, d := f.aclSend(r); result != rpc.Success || d.Uint32() != 0 {
			t.Fatalf("call %d is refused", i)
		}
	}
	want, err := f.eng.Getattr(nil, h)
	if err != nil || want.Mode != 0o660 {
		t.Fatalf("mode %o, %v", want.Mode, err)
	}
	left := crash(t, path)
	if err := f.eng.Close(); err != nil {
		t.Fatal(err)
	}
	f = reopen(t, left)
	if result, d := f.aclSend(first); result != rpc.Success || d.Uint32() != 0 {
		t.Error("repeated after a crash: refused")
	}
	if a, err := f.eng.Getattr(nil, h); err != nil || a != want {
		t.Errorf("repeated after a crash: %+v, %v, want %+v", a, err, want)
	}
	pmemfstest.CheckFS(t, f.eng)
	if err := f.eng.Close(); err != nil {
		t.Fatal(err)
	}
}
