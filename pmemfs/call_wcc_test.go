package pmemfs

import (
	"errors"
	"testing"

	"pmemfs/pmemfs/testpart"
)

// callOp is a call with its handles in the order of its arguments. want is its error.
type callOp struct {
	name    string
	changes bool
	want    error
	run     func(f *fixture) error
	handles func(f *fixture) []Handle
}

func inRoot(f *fixture) []Handle { return []Handle{f.root} }
func onFile(f *fixture) []Handle { return []Handle{f.file} }

var callOps = []callOp{
	{"access", false, nil, func(f *fixture) error { _, err := f.fs.Access(&f.c, f.call, f.file, 7); return err }, onFile},
	{"read", false, nil, func(f *fixture) error { _, _, err := f.fs.Read(&f.c, f.call, f.file, make([]byte, 9), 0); return err }, onFile},
	{"read a directory", false, ErrIsDir, func(f *fixture) error { _, _, err := f.fs.Read(&f.c, f.call, f.root, make([]byte, 9), 0); return err }, inRoot},
	{"readlink of a file", false, ErrInvalid, func(f *fixture) error { _, err := f.fs.Readlink(f.call, f.file); return err }, onFile},
	{"lookup", false, nil, func(f *fixture) error { _, err := f.fs.Lookup(&f.c, f.call, f.root, []byte("file")); return err }, inRoot},
	{"lookup of nothing", false, ErrNotExist, func(f *fixture) error { _, err := f.fs.Lookup(&f.c, f.call, f.root, []byte("no")); return err }, inRoot},
	{"lookup in a file", false, ErrNotDir, func(f *fixture) error { _, err := f.fs.Lookup(&f.c, f.call, f.file, []byte("no")); return err }, onFile},
	{"readdir", false, nil, func(f *fixture) error {
		return f.fs.Readdir(&f.c, f.call, f.root, 0, true, func(*DirEntry) bool { return true })
	}, inRoot},
	{"seek", false, nil, func(f *fixture) error { _, err := f.fs.SeekHole(&f.c, f.call, f.file, 0); return err }, onFile},
	{"list attributes", false, nil, func(f *fixture) error { _, err := f.fs.ListXattr(&f.c, f.call, f.file); return err }, onFile},
	{"set attribute", true, nil, func(f *fixture) error { return f.fs.SetXattr(&f.c, f.call, f.file, []byte("user.a"), nil, 0) }, onFile},
	{"no attribute to remove", false, ErrNoXattr, func(f *fixture) error { return f.fs.RemoveXattr(&f.c, f.call, f.file, []byte("user.a")) }, onFile},
	{"setattr", true, nil, func(f *fixture) error {
		_, err := f.fs.Setattr(&f.c, f.call, f.file, &SetAttr{Mask: SetMode, Mode: 0o600})
		return err
	}, onFile},
	{"setattr with a guard", false, ErrNotSync, func(f *fixture) error {
		_, err := f.fs.Setattr(&f.c, f.call, f.file, &SetAttr{Mask: SetMode | SetGuard, GuardCtime: 1})
		return err
	}, onFile},
	{"setattr of nothing", false, nil, func(f *fixture) error { _, err := f.fs.Setattr(&f.c, f.call, f.file, &SetAttr{}); return err }, onFile},
	{"write", true, nil, func(f *fixture) error {
		_, _, err := f.fs.Write(&f.c, f.call, f.file, make([]byte, 9000), 7)
		return err
	}, onFile},
	{"write to a directory", false, ErrIsDir, func(f *fixture) error { _, _, err := f.fs.Write(&f.c, f.call, f.root, make([]byte, 9), 0); return err }, inRoot},
	{"allocate", true, nil, func(f *fixture) error { return f.fs.Allocate(&f.c, f.call, f.file, 0, 1<<20, false) }, onFile},
	{"create", true, nil, func(f *fixture) error {
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte("new"), &CreateOptions{})
		return err
	}, inRoot},
	{"create what is there", false, nil, func(f *fixture) error {
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte("file"), &CreateOptions{})
		return err
	}, inRoot},
	{"create what is there, shorter", false, nil, func(f *fixture) error {
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte("file"), &CreateOptions{Attr: SetAttr{Mask: SetSize}})
		return err
	}, inRoot},
	{"create guarded", false, ErrExist, func(f *fixture) error {
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte("file"), &CreateOptions{Mode: Guarded})
		return err
	}, inRoot},
	{"create exclusive, not ours", false, ErrExist, func(f *fixture) error {
		_, err := f.fs.Create(&f.c, f.call, f.root, []byte("file"), &CreateOptions{Mode: Exclusive, Verifier: 1})
		return err
	}, inRoot},
	{"mkdir", true, nil, func(f *fixture) error { _, err := f.fs.Mkdir(&f.c, f.call, f.root, []byte("new"), nil); return err }, inRoot},
	{"symlink", true, nil, func(f *fixture) error {
		_, err := f.fs.Symlink(&f.c, f.call, f.root, []byte("new"), []byte("there"), nil)
		return err
	}, inRoot},
	{"mknod", true, nil, func(f *fixture) error {
		_, err := f.fs.Mknod(&f.c, f.call, f.root, []byte("new"), TypeFIFO, 0, 0, nil)
		return err
	}, inRoot},
	{"unlink", true, nil, func(f *fixture) error { return f.fs.Unlink(&f.c, f.call, f.root, []byte("file")) }, inRoot},
	{"unlink nothing", false, ErrNotExist, func(f *fixture) error { return f.fs.Unlink(&f.c, f.call, f.root, []byte("no")) }, inRoot},
	{"unlink a directory", false, ErrIsDir, func(f *fixture) error { return f.fs.Unlink(&f.c, f.call, f.root, []byte("tree")) }, inRoot},
	{"rmdir", true, nil, func(f *fixture) error { return f.fs.Rmdir(&f.c, f.call, f.root, []byte("empty")) }, inRoot},
	{"link", true, nil, func(f *fixture) error {
		_, err := f.fs.Link(&f.c, f.call, f.file, f.tree, []byte("new"))
		return err
	}, func(f *fixture) []Handle { return []Handle{f.file, f.tree} }},
	{"link over a name", false, ErrExist, func(f *fixture) error {
		_, err := f.fs.Link(&f.c, f.call, f.file, f.root, []byte("big"))
		return err
	}, func(f *fixture) []Handle { return []Handle{f.file, f.root} }},
	{"rename", true, nil, func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("file"), f.tree, []byte("new"), 0)
	}, func(f *fixture) []Handle { return []Handle{f.root, f.tree} }},
	{"rename within a directory", true, nil, func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("file"), f.root, []byte("new"), 0)
	}, func(f *fixture) []Handle { return []Handle{f.root, f.root} }},
	{"rename a directory", true, nil, func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("empty"), f.tree, []byte("new"), 0)
	}, func(f *fixture) []Handle { return []Handle{f.root, f.tree} }},
	{"rename nothing", false, ErrNotExist, func(f *fixture) error {
		return f.fs.Rename(&f.c, f.call, f.root, []byte("no"), f.tree, []byte("new"), 0)
	}, func(f *fixture) []Handle { return []Handle{f.root, f.tree} }},
}

// TestWCC makes each call and compares its pre-op and post-op attributes with those that the file has before and after.
func TestWCC(t *testing.T) {
	testpart.NotRace(t)
	for _, op := range callOps {
		t.Run(op.name, func(t *testing.T) {
			f := newFixture(t, false)
			call := &Call{}
			f.call = call
			var before [2]Attr
			handles := op.handles(f)
			for i, h := range handles {
				before[i] = f.attr(h)
			}
			if err := op.run(f); !errors.Is(err, op.want) {
				t.Fatalf("%v, expected %v", err, op.want)
			}
			for i, s := range call.WCC {
				switch {
				case i >= len(handles):
					if s.HasPre || s.HasPost || s.PreOp() != nil {
						t.Errorf("handle %d has attributes, which the call does not have", i)
					}
				case !s.HasPost || s.Post != f.attr(handles[i]):
					t.Errorf("handle %d: after %v %+v, expected %+v", i, s.HasPost, s.Post, f.attr(handles[i]))
				case s.PreOp() == nil || *s.PreOp() != before[i]:
					t.Errorf("handle %d: %+v before, expected %+v", i, s.PreOp(), before[i])
				case s.HasPre != op.changes:
					t.Errorf("handle %d: before %v", i, s.HasPre)
				case op.changes && (s.Pre != before[i] || s.Pre.Change == s.Post.Change):
					t.Errorf("handle %d: before %+v, expected %+v", i, s.Pre, before[i])
				}
			}
			call.Reset()
			if call.WCC[0].HasPost || call.WCC[1].HasPost || call.WCC[0].HasPre {
				t.Error("Reset kept something")
			}
			checkFS(t, f.fs)
			closeFS(t, f.fs)
		})
	}
}

// TestWCCOfDirty names a file as a directory while it is dirty: the medium has not the attributes that its write was answered with, so
// there are none, or those.
func TestWCCOfDirty(t *testing.T) {
	fs := lazyFS(t, 32<<20)
	h := mkfile(t, fs, "f")
	written := writeUnstable(t, fs, h, []byte("dirty"), 0)
	var call Call
	if _, err := fs.Lookup(superuser, &call, h, []byte("x")); !errors.Is(err, ErrNotDir) {
		t.Error(err)
	}
	if call.WCC[0].HasPost && call.WCC[0].Post != written {
		t.Errorf("%+v, and the write was answered with %+v", call.WCC[0].Post, written)
	}
	closeFS(t, fs)
}

// waiters are the calls that look at Call.NoWait, with the file whose lock they may find taken.
var waiters = map[string]struct {
	run  func(f *fixture) error
	lock func(f *fixture) Handle
}{
	"getattr":             {func(f *fixture) error { _, err := f.fs.Getattr(f.call, f.file); return err }, fileOf},
	"access":              {func(f *fixture) error { _, err := f.fs.Access(&f.c, f.call, f.file, 7); return err }, fileOf},
	"read":                {func(f *fixture) error { _, _, err := f.fs.Read(&f.c, f.call, f.file, make([]byte, 9), 0); return err }, fileOf},
	"lookup in a locked":  {func(f *fixture) error { _, err := f.fs.Lookup(&f.c, f.call, f.root, []byte("file")); return err }, rootOf},
	"lookup of a locked":  {func(f *fixture) error { _, err := f.fs.Lookup(&f.c, f.call, f.root, []byte("file")); return err }, fileOf},
	"readdir of a locked": {func(f *fixture) error { return f.fs.Readdir(&f.c, f.call, f.root, 0, false, all) }, rootOf},
	"readdir with a locked": {func(f *fixture) error {
		return f.fs.Readdir(&f.c, f.call, f.root, 0, true, all)
	}, fileOf},
}

func all(*DirEntry) bool       { return true }
func fileOf(f *fixture) Handle { return f.file }
func rootOf(f *fixture) Handle { return f.root }

// TestNoWait holds the lock of a file and of a directory and makes the calls that would have to wait for it.
func TestNoWait(t *testing.T) {
	f := newFixture(t, false)
	f.call = &Call{}
	for name, w := range waiters {
		f.call.NoWait = true
		ls := f.fs.stripes.lock(w.lock(f).Ino)
		err := w.run(f)
		ls.unlock()
		if !errors.Is(err, ErrWouldBlock) {
			t.Errorf("%s: %v, expected %v", name, err, ErrWouldBlock)
		}
		if err := w.run(f); err != nil {
			t.Errorf("%s, nothing being locked: %v", name, err)
		}
		f.call.Reset()
		if err := w.run(f); err != nil {
			t.Errorf("%s, with leave to wait: %v", name, err)
		}
	}
	checkFS(t, f.fs)
	closeFS(t, f.fs)
}

func (f *fixture) attr(h Handle) Attr {
	a, err := f.fs.Getattr(nil, h)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}
