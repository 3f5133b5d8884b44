package nfs3_test

import (
	"bytes"
	"net/netip"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
)

var superuser = &pmemfs.Cred{}

// mkdir makes a directory that everybody may write to.
func (f *fixture) mkdir(parent pmemfs.Handle, name string) pmemfs.Handle {
	f.t.Helper()
	a, err := f.eng.Mkdir(superuser, nil, parent, []byte(name), &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o777})
	if err != nil {
		f.t.Fatal(err)
	}
	return a.Handle
}

// named is an export of a subtree.
func named(name, subtree string) export.Export {
	e := export.Default()
	e.Name, e.Subtree, e.Squash = name, subtree, export.SquashNone
	return e
}

// lookup returns the handle and the inode number that LOOKUP answers with.
func (f *fixture) lookup(dir []byte, name string) (nfswire.Status, []byte, uint64) {
	f.t.Helper()
	st, d := f.call(nfswire.ProcLookup, args(dir, name))
	if st != nfswire.OK {
		return st, nil, 0
	}
	fh := d.Opaque(64)
	_, h, err := f.handles.Decode(fh)
	if err != nil {
		f.t.Fatal(err)
	}
	return st, fh, h.Ino
}

// TestConfined walks up from everywhere in an export of a subtree: never does it come above.
func TestConfined(t *testing.T) {
	f := newFixture(t)
	outside := f.mkdir(f.eng.Root(), "outside")
	top := f.mkdir(f.eng.Root(), "top")
	sub := f.mkdir(top, "sub")
	deep := f.mkdir(sub, "deep")
	exp, all := named("/x", "/top"), named("/all", "/")
	f.serve(exp, all)
	fh := func(h pmemfs.Handle) []byte { return f.handles.Append(nil, exp.ID(), h) }

	if st, _, ino := f.lookup(fh(top), ".."); st != nfswire.OK || ino != top.Ino {
		t.Errorf(".. of the root: status %d, inode %d", st, ino)
	}
	if st, _, ino := f.lookup(fh(deep), ".."); st != nfswire.OK || ino != sub.Ino {
		t.Errorf(".. below the root: status %d, inode %d", st, ino)
	}
	for name, proc := range readdirs {
		for _, e := range f.list(proc, fh(top), 4096, nil) {
			if e.name == ".." && (e.ino != top.Ino || e.fh != nil && !bytes.Equal(e.fh, fh(top))) {
				t.Errorf("%s shows what is above the root: %+v", name, e)
			}
		}
	}
	// A client that sees more moves a directory out of the subtree: who holds it stays below it.
	if err := f.eng.Rename(superuser, nil, top, []byte("sub"), outside, []byte("sub"), 0); err != nil {
		t.Fatal(err)
	}
	if st, _, ino := f.lookup(fh(sub), ".."); st != nfswire.OK || ino != sub.Ino {
		t.Errorf(".. of what was moved out: status %d, inode %d", st, ino)
	}
	if st, _, ino := f.lookup(fh(deep), ".."); st != nfswire.OK || ino != deep.Ino {
		t.Errorf(".. below what was moved out: status %d, inode %d", st, ino)
	}
	for _, e := range f.list(nfswire.ProcReaddirPlus, fh(sub), 4096, nil) {
		if e.name == ".." && (e.ino != sub.Ino || !bytes.Equal(e.fh, fh(sub))) {
			t.Errorf("a directory that was moved out shows what is above it: %+v", e)
		}
	}
	if st, d := f.call(nfswire.ProcRename, args(fh(top), "a", f.handles.Append(nil, all.ID(), outside), "b")); st != nfswire.ErrXDev {
		t.Errorf("RENAME to another export: status %d, %d bytes", st, len(d.Rest()))
	}
	if st, _ := f.call(nfswire.ProcLink, args(fh(sub), f.handles.Append(nil, all.ID(), outside), "b")); st != nfswire.ErrXDev {
		t.Errorf("LINK to another export: status %d", st)
	}
}

// TestReadOnly refuses every procedure that changes something, and ACCESS does not promise it.
func TestReadOnly(t *testing.T) {
	f := newFixture(t)
	all := samples(t, f)
	f.exp.ReadOnly = true
	f.serve(f.exp)
	changes := map[uint32]bool{nfswire.ProcWrite: true, nfswire.ProcCommit: true}
	for _, proc := range once {
		changes[proc] = true
	}
	for _, name := range order {
		s := all[name]
		if s.proc == nfswire.ProcNull {
			continue
		}
		st, _ := f.call(s.proc, s.args)
		if changes[s.proc] != (st == nfswire.ErrROFS) {
			t.Errorf("%s: status %d", name, st)
		}
	}
	st, d := f.call(nfswire.ProcAccess, args(f.root(), 0x3f))
	d.Uint32()
	d.Fixed(nfswire.FattrBytes)
	if bits := d.Uint32(); st != nfswire.OK || bits != nfswire.AccessRead|nfswire.AccessLookup {
		t.Errorf("ACCESS: status %d, %#x", st, bits)
	}
}

// TestWhoMay asks from other networks, other ports, and for an export that is no more.
func TestWhoMay(t *testing.T) {
	f := newFixture(t, func(e *export.Export) {
		e.Clients = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
		e.SecurePort = true
	})
	for from, want := range map[string]nfswire.Status{
		"10.1.2.3:700": nfswire.OK, "10.2.0.1:700": nfswire.ErrAcces, "10.1.2.3:1024": nfswire.ErrAcces, "[::ffff:10.1.9.9]:1": nfswire.OK,
		"[2001:db8::1]:700": nfswire.ErrAcces, "127.0.0.1:700": nfswire.ErrAcces,
	} {
		f.from = netip.MustParseAddrPort(from)
		st, d := f.call(nfswire.ProcAccess, args(f.root(), 0x3f))
		if st != want || want != nfswire.OK && d.Bool() {
			t.Errorf("from %s: status %d, want %d, and nothing of the file", from, st, want)
		}
	}
	f.from = netip.MustParseAddrPort("10.1.2.3:700")
	f.serve(named("/other", "/"))
	if st, _ := f.call(nfswire.ProcGetattr, args(f.root())); st != nfswire.ErrStale {
		t.Errorf("an export that is no more: status %d", st)
	}
	f.serve(f.exp)
	if st, _ := f.call(nfswire.ProcGetattr, args(f.root())); st != nfswire.OK {
		t.Errorf("an export that is back: status %d", st)
	}
}

// TestSquash makes directories as several users: whom they belong to is the export's rule.
func TestSquash(t *testing.T) {
	const anon = 4242
	for _, k := range []struct {
		squash export.Squash
		uid    uint32
		none   bool // AUTH_NONE
		want   uint32
	}{
		{export.SquashNone, 0, false, 0}, {export.SquashNone, 7, false, 7}, {export.SquashNone, 7, true, anon},
		{export.SquashRoot, 0, false, anon}, {export.SquashRoot, 7, false, 7}, {export.SquashRoot, 0, true, anon},
		{export.SquashAll, 0, false, anon}, {export.SquashAll, 7, false, anon}, {export.SquashAll, 7, true, anon},
	} {
		f := newFixture(t, func(e *export.Export) { e.Squash, e.AnonUID, e.AnonGID = k.squash, anon, anon })
		if _, err := f.eng.Setattr(superuser, nil, f.eng.Root(), &pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o777}); err != nil {
			t.Fatal(err)
		}
		f.uid, f.gid, f.none = k.uid, k.uid, k.none
		st, _ := f.call(nfswire.ProcMkdir, args(f.root(), "d", noAttr))
		a, err := f.eng.Lookup(superuser, nil, f.eng.Root(), []byte("d"))
		if st != nfswire.OK || err != nil || a.UID != k.want || a.GID != k.want {
			t.Errorf("%+v: status %d, belongs to %d:%d, %v", k, st, a.UID, a.GID, err)
		}
	}
}
