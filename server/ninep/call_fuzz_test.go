package ninep

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/export"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
)

// shapes are the fields of the answers:
//
//	1, 2, 4, 8 an integer   s a string   q a qid   Q qids, counted before   D data, counted before   E entries, the same
var shapes = map[kind]string{
	tVersion: "4s", tFlush: "", tAttach: "q", tWalk: "Q", tClunk: "", tRemove: "", tStatfs: "448888884", tLopen: "q4", tLcreate: "q4",
	tSymlink: "q", tMknod: "q", tRename: "", tReadlink: "s", tGetattr: "8q444888888888888888", tSetattr: "", tXattrwalk: "8", tXattrcreate: "",
	tReaddir: "E", tFsync: "", tLock: "1", tGetlock: "1884s", tLink: "", tMkdir: "q", tRenameat: "", tUnlinkat: "", tRead: "D", tWrite: "4",
}

// wellFormed returns an error unless b is what an answer to a request looks like.
func wellFormed(k kind, b []byte) error {
	d := &decoder{b: b[headBytes:]}
	switch kind(b[0]) {
	case rLerror:
		if n := d.u32(); n == 0 || n > 133 {
			return fmt.Errorf("error %d", n)
		}
		return whole(d)
	case k + 1:
	default:
		return fmt.Errorf("kind %d", b[0])
	}
	shape, known := shapes[k]
	if !known {
		return fmt.Errorf("an answer of kind %d", b[0])
	}
	for _, part := range shape {
		switch part {
		case '1', '2', '4', '8':
			d.take(int(part - '0'))
		case 's':
			d.str()
		case 'q':
			d.take(qidBytes)
		case 'Q':
			d.take(qidBytes * int(d.u16()))
		case 'D':
			d.take(int(d.u32()))
		case 'E':
			e := &decoder{b: d.take(int(d.u32()))}
			for len(e.b) > 0 && !e.failed {
				e.take(qidBytes + 8 + 1)
				e.str()
			}
			if err := whole(e); err != nil {
				return err
			}
		}
	}
	return whole(d)
}

func whole(d *decoder) error {
	if !d.done() {
		return fmt.Errorf("%d bytes are left, or some are missing (%v)", len(d.b), d.failed)
	}
	return nil
}

// fuzzTarget is an engine for many sessions.
type fuzzTarget struct {
	eng   *pmemfs.FS
	srv   *Server
	count int
}

func newFuzzTarget(f testing.TB) *fuzzTarget {
	eng, err := pmemfs.OpenMemory(64<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		pmemfstest.CheckFS(f, eng)
		if err := eng.Close(); err != nil {
			f.Error(err)
		}
	})
	e := export.Default()
	e.Squash = export.SquashNone
	set, err := export.NewSet([]export.Export{e})
	if err != nil {
		f.Fatal(err)
	}
	table := export.NewTable(eng)
	table.Store(set)
	return &fuzzTarget{eng: eng, srv: New(Config{Images: []Image{{Engine: eng, Exports: table}}, MessageMax: 1 << 20})}
}

// session is a session with some fids: 0 a directory, 1 an open file, 2 a file, 3 an open directory, 4 an attribute, 5 one that is
// being written, 6 a link.
func (f *fuzzTarget) session(t *testing.T, uid uint32) (rpc.Session, *rpc.Encoder) {
	s, e := f.srv.Session(netip.AddrPort{}, netip.MustParseAddrPort("127.0.0.1:1000")), rpc.NewEncoder(nil)
	for _, m := range sessionBegin(uid) {
		f.send(t, s, e, m)
	}
	return s, e
}

// sessionBegin are the requests by which a session gets these.
func sessionBegin(uid uint32) [][]byte {
	return [][]byte{
		ninetest.Message(ninetest.Version, 1, ninetest.Args(uint32(8192), version)),
		ninetest.Message(ninetest.Attach, 1, ninetest.Args(uint32(0), noFid, "", "/", uid)),
		ninetest.Message(ninetest.Walk, 1, ninetest.Args(uint32(0), uint32(1), uint16(0))),
		ninetest.Message(ninetest.Lcreate, 1, ninetest.Args(uint32(1), "file", uint32(2), uint32(0o644), uint32(0))),
		ninetest.Message(ninetest.Walk, 1, ninetest.Args(uint32(0), uint32(2), uint16(1), "file")),
		ninetest.Message(ninetest.Walk, 1, ninetest.Args(uint32(0), uint32(3), uint16(0))),
		ninetest.Message(ninetest.Lopen, 1, ninetest.Args(uint32(3), uint32(0))),
		ninetest.Message(ninetest.Xattrwalk, 1, ninetest.Args(uint32(2), uint32(4), "")),
		ninetest.Message(ninetest.Walk, 1, ninetest.Args(uint32(0), uint32(5), uint16(1), "file")),
		ninetest.Message(ninetest.Xattrcreate, 1, ninetest.Args(uint32(5), "user.a", uint64(3), uint32(0))),
		ninetest.Message(ninetest.Symlink, 1, ninetest.Args(uint32(0), "link", "file", uint32(0))),
		ninetest.Message(ninetest.Walk, 1, ninetest.Args(uint32(0), uint32(6), uint16(1), "link")),
	}
}

// send has a session answer a message and looks at the answer.
func (f *fuzzTarget) send(t *testing.T, s rpc.Session, e *rpc.Encoder, m []byte) {
	t.Helper()
	if kind(m[4]) == tLock && len(m) > 12 {
		m[12] &^= lockBlock // nobody would grant it
	}
	r := &rpc.Request{Record: m[4:]}
	e.Truncate(0)
	e.Extend(lengthBytes)
	if s.Serve(r, e) == rpc.Wait {
		e.Truncate(lengthBytes)
		r.MayWait = true
		if s.Serve(r, e) == rpc.Wait {
			t.Fatalf("% x: it asks to wait where it may", m)
		}
		s.Sent(r)
	}
	if err := wellFormed(kind(m[4]), e.Bytes()[lengthBytes:]); err != nil {
		t.Fatalf("% x: %v\nanswer % x", m, err, e.Bytes())
	}
	if e.Len() > 1<<20 {
		t.Fatalf("% x: %d bytes", m, e.Len())
	}
}

// FuzzMessages gives a session two requests of any kind with any fields.
func FuzzMessages(f *testing.F) {
	testpart.NotRace(f)
	target := newFuzzTarget(f)
	kinds := slices.Sorted(func(yield func(uint8) bool) {
		for k := range fuzzSeeds() {
			if !yield(k) {
				return
			}
		}
	})
	for i, k := range kinds {
		next := kinds[(i+1)%len(kinds)]
		for fid := range uint8(7) {
			f.Add(fid%2 == 0, k, append([]byte{fid, 0, 0, 0}, fuzzSeeds()[k]...), next, append([]byte{fid, 0, 0, 0}, fuzzSeeds()[next]...))
		}
	}
	f.Fuzz(func(t *testing.T, root bool, k1 uint8, fields1 []byte, k2 uint8, fields2 []byte) {
		if len(fields1) > 100_000 || len(fields2) > 100_000 {
			return
		}
		uid := uint32(1000)
		if root {
			uid = 0
		}
		s, e := target.session(t, uid)
		target.send(t, s, e, ninetest.Message(k1, 1, fields1))
		target.send(t, s, e, ninetest.Message(k2, 2, fields2))
		s.Stop()
		s.Close()
		if n := target.srv.limits.Fids - int(target.srv.fids.Free()); n != 0 {
			t.Fatalf("%d fids are left", n)
		}
		if n := target.srv.limits.XattrBytes - int(target.srv.xattrBytes.Free()); n != 0 {
			t.Fatalf("%d bytes of attributes are left", n)
		}
		if target.count++; target.count%10_000 == 0 {
			pmemfstest.CheckFS(t, target.eng)
		}
	})
}

// fuzzSeeds are the fields behind the first fid of a good request.
func fuzzSeeds() map[uint8][]byte {
	none := ninetest.Raw(nil)
	return map[uint8][]byte{
		ninetest.Version: ninetest.Args(uint16(8), ninetest.Raw("9P2000.L")), ninetest.Auth: ninetest.Args("", "/", uint32(0)),
		ninetest.Attach: ninetest.Args(noFid, "", "/", uint32(0)), ninetest.Flush: ninetest.Args(none),
		ninetest.Walk: ninetest.Args(uint32(50), uint16(2), "file", ".."), ninetest.Clunk: ninetest.Args(none), ninetest.Remove: ninetest.Args(none),
		ninetest.Statfs: ninetest.Args(none), ninetest.Lopen: ninetest.Args(uint32(2)),
		ninetest.Lcreate: ninetest.Args("new", uint32(2), uint32(0o644), uint32(0)), ninetest.Symlink: ninetest.Args("l", "target", uint32(0)),
		ninetest.Mknod:  ninetest.Args("p", uint32(0o10644), uint32(0), uint32(0), uint32(0)),
		ninetest.Rename: ninetest.Args(uint32(0), "file"), ninetest.Readlink: ninetest.Args(none), ninetest.Getattr: ninetest.Args(uint64(0x7ff)),
		ninetest.Setattr:   ninetest.Args(uint32(0x1ff), uint32(0o700), uint32(0), uint32(0), uint64(7), ninetest.Raw(make([]byte, 32))),
		ninetest.Xattrwalk: ninetest.Args(uint32(50), "user.a"), ninetest.Xattrcreate: ninetest.Args("user.b", uint64(3), uint32(0)),
		ninetest.Readdir: ninetest.Args(uint64(0), uint32(4096)), ninetest.Fsync: ninetest.Args(uint32(0)),
		ninetest.Lock:    ninetest.Args(uint8(1), uint32(0), uint64(0), uint64(0), uint32(7), "client"),
		ninetest.Getlock: ninetest.Args(uint8(1), uint64(0), uint64(0), uint32(7), "client"), ninetest.Link: ninetest.Args(uint32(2), "second"),
		ninetest.Mkdir: ninetest.Args("d", uint32(0o755), uint32(0)), ninetest.Renameat: ninetest.Args("file", uint32(0), "file2"),
		ninetest.Unlinkat: ninetest.Args("file", uint32(0)), ninetest.Read: ninetest.Args(uint64(0), uint32(100)),
		ninetest.Write: ninetest.Args(uint64(0), uint32(3), ninetest.Raw("abc")),
	}
}
