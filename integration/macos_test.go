package integration

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
	"pmemfs/server/nfswire"
)

// mac is a session as a Mac's NFS client and its Finder have it, as far as the RFC and what people complain about tell: calls
// come from an unprivileged port, files are made EXCLUSIVE and get their attributes afterwards, everything has a companion
// whose name begins with "._", directories are read in small pages, and files are saved under another name and renamed over the old.
type mac struct {
	t    *testing.T
	u    *rawnfs.User
	root rawnfs.Handle
}

// TestMacExchange speaks to the server as that client does.
func TestMacExchange(t *testing.T) {
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--root-owner", "501:20")
	client, err := rawnfs.Dial(server.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	root, err := client.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	m := &mac{t, client.As(501, 20, 12, 61, 80), root}
	t.Run("mount", func(t *testing.T) { m.t = t; m.mount() })
	t.Run("exclusive create", func(t *testing.T) { m.t = t; m.exclusive() })
	t.Run("access", func(t *testing.T) { m.t = t; m.access(client) })
	t.Run("companions", func(t *testing.T) { m.t = t; m.companions() })
	t.Run("small pages", func(t *testing.T) { m.t = t; m.pages() })
	t.Run("safe save", func(t *testing.T) { m.t = t; m.safeSave() })
	t.Run("names", func(t *testing.T) { m.t = t; m.names() })
}

func (m *mac) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// want demands a status, and attributes of the file concerned beside it.
func (m *mac) want(err error, status nfswire.Status, attr bool) {
	m.t.Helper()
	var s rawnfs.Status
	if !errors.As(err, &s) || nfswire.Status(s) != status {
		m.t.Fatalf("%v, want status %d", err, status)
	}
	if attr && (len(m.u.Wcc) == 0 || !m.u.Wcc[0].HasAfter) {
		m.t.Fatalf("status %d without attributes", status)
	}
}

// mount asks what the client asks before it shows anything.
func (m *mac) mount() {
	m.must(m.u.Null())
	info, err := m.u.Fsinfo(m.root)
	m.must(err)
	if info.Rtmax < 1<<20 || info.Wtmax < 1<<20 || info.Dtpref == 0 || info.MaxFile < 1<<62 || info.Properties&nfswire.FSFHomogeneous == 0 {
		m.t.Errorf("FSINFO: %+v", info)
	}
	conf, err := m.u.Pathconf(m.root)
	m.must(err)
	if conf.NameMax != 255 || !conf.NoTrunc || !conf.ChownRestricted || conf.CaseInsensitive || !conf.CasePreserving || conf.LinkMax < 1000 {
		m.t.Errorf("PATHCONF: %+v", conf)
	}
	stat, err := m.u.Fsstat(m.root)
	m.must(err)
	if stat.Total == 0 || stat.Avail > stat.Free || stat.Free > stat.Total || stat.FreeFiles == 0 {
		m.t.Errorf("FSSTAT: %+v", stat)
	}
	a, err := m.u.Getattr(m.root)
	m.must(err)
	if a.Type != nfswire.TypeDir || a.UID != 501 || a.Nlink < 2 || a.FSID == 0 {
		m.t.Errorf("the root: %+v", a)
	}
}

// exclusive makes a file so that a reply that is lost does no harm, and gives it attributes.
func (m *mac) exclusive() {
	_, err := m.u.Lookup(m.root, "Report.txt")
	m.want(err, nfswire.ErrNoEnt, true)
	how := rawnfs.CreateHow{Mode: nfswire.CreateExclusive, Verifier: 0x123456789abcdef0}
	h, _, err := m.u.Create(m.root, "Report.txt", how)
	m.must(err)
	if w := m.u.Wcc[0]; !w.HasBefore || !w.HasAfter {
		m.t.Error("no weak cache consistency data for the directory")
	}
	again, _, err := m.u.Create(m.root, "Report.txt", how)
	m.must(err)
	if again != h {
		m.t.Error("the same verifier names another file")
	}
	how.Verifier++
	_, _, err = m.u.Create(m.root, "Report.txt", how)
	m.want(err, nfswire.ErrExist, true)
	mode, past := uint32(0o644), int64(1_000_000_000_123_456_789)
	m.must(m.u.Setattr(h, rawnfs.Sattr{Mode: &mode, Atime: &past, Mtime: &past}, nil))
	a, err := m.u.Getattr(h)
	m.must(err)
	if a.Mode != 0o644 || a.Mtime != past || a.Atime != past || a.UID != 501 || a.Size != 0 {
		m.t.Errorf("after SETATTR: %+v", a)
	}
	stale := a.Ctime - 1
	m.want(m.u.Setattr(h, rawnfs.Sattr{Mode: &mode}, &stale), nfswire.ErrNotSync, true)
	m.must(m.u.Setattr(h, rawnfs.Sattr{MtimeNow: true, AtimeNow: true}, &a.Ctime))
}

// access asks for what the user has, as another user, and of a file that is gone.
func (m *mac) access(client *rawnfs.Client) {
	h, _, err := m.u.Create(m.root, "private", rawnfs.CreateHow{Mode: nfswire.CreateGuarded, Attr: rawnfs.Sattr{Mode: ptr(uint32(0o600))}})
	m.must(err)
	bits, err := m.u.Access(h, 0x3f)
	m.must(err)
	if bits != nfswire.AccessRead|nfswire.AccessModify|nfswire.AccessExtend || !m.u.Wcc[0].HasAfter {
		m.t.Errorf("the owner has %#x", bits)
	}
	stranger := client.As(502, 20)
	bits, err = stranger.Access(h, 0x3f)
	m.must(err)
	if bits != 0 || !stranger.Wcc[0].HasAfter {
		m.t.Errorf("a stranger has %#x, with attributes: %v", bits, stranger.Wcc[0].HasAfter)
	}
	_, _, err = stranger.Read(h, 0, 10)
	var s rawnfs.Status
	if !errors.As(err, &s) || nfswire.Status(s) != nfswire.ErrAcces || !stranger.Wcc[0].HasAfter {
		m.t.Errorf("a stranger reads: %v, with attributes: %v", err, stranger.Wcc[0].HasAfter)
	}
	m.must(m.u.Remove(m.root, "private"))
	_, err = m.u.Access(h, 0x3f)
	m.want(err, nfswire.ErrStale, false)
}

// companions writes a file and its "._" file, unstably at first, and removes both.
func (m *mac) companions() {
	dir, _, err := m.u.Mkdir(m.root, "folder", rawnfs.Sattr{Mode: ptr(uint32(0o755))})
	m.must(err)
	data := bytes.Repeat([]byte("AppleDouble"), 30_000)
	for _, name := range []string{"movie.mov", "._movie.mov", ".DS_Store"} {
		h, _, err := m.u.Create(dir, name, rawnfs.CreateHow{Mode: nfswire.CreateExclusive, Verifier: uint64(len(name))})
		m.must(err)
		var verifiers []rawnfs.Verifier
		for at := 0; at < len(data); at += 32 << 10 {
			piece := data[at:min(at+32<<10, len(data))]
			n, _, v, err := m.u.Write(h, uint64(at), piece, nfswire.Unstable)
			m.must(err)
			if int(n) != len(piece) {
				m.t.Fatalf("%d of %d bytes written", n, len(piece))
			}
			verifiers = append(verifiers, v)
		}
		v, err := m.u.Commit(h, 0, 0)
		m.must(err)
		if slices.ContainsFunc(verifiers, func(w rawnfs.Verifier) bool { return w != v }) {
			m.t.Error("the verifier changed although the server did not end")
		}
		got, eof, err := m.u.Read(h, 0, 1<<20)
		m.must(err)
		if !bytes.Equal(got, data) || !eof {
			m.t.Errorf("%s: %d bytes came back, eof %v", name, len(got), eof)
		}
	}
	m.want(m.u.Rmdir(m.root, "folder"), nfswire.ErrNotEmpty, true)
	for _, name := range []string{"movie.mov", "._movie.mov", ".DS_Store"} {
		m.must(m.u.Remove(dir, name))
	}
	m.must(m.u.Rmdir(m.root, "folder"))
	_, err = m.u.Getattr(dir)
	m.want(err, nfswire.ErrStale, false)
}

// pages lists a folder in pages as small as a client may ask for, with attributes and without.
func (m *mac) pages() {
	dir, _, err := m.u.Mkdir(m.root, "many", rawnfs.Sattr{})
	m.must(err)
	want := []string{".", ".."}
	for i := range 120 {
		name := string(rune('a'+i%26)) + string(rune('0'+i/26)) + " picture with a name as cameras make them.jpeg"
		_, _, err := m.u.Create(dir, name, rawnfs.CreateHow{Mode: nfswire.CreateUnchecked})
		m.must(err)
		want = append(want, name)
	}
	slices.Sort(want)
	for _, plus := range []bool{false, true} {
		var got []string
		var cookie, verifier uint64
		for eof := false; !eof; {
			var p rawnfs.Page
			if plus {
				p, err = m.u.ReaddirPlus(dir, cookie, verifier, 128, 512)
			} else {
				p, err = m.u.Readdir(dir, cookie, verifier, 256)
			}
			m.must(err)
			for _, e := range p.Entries {
				got = append(got, e.Name)
				cookie = e.Cookie
			}
			if len(p.Entries) == 0 && !p.EOF {
				m.t.Fatal("a page of nothing that is not the last")
			}
			verifier, eof = p.Verifier, p.EOF
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			m.t.Errorf("with attributes %v: %d names, want %d", plus, len(got), len(want))
		}
	}
}

// safeSave writes a document anew as programs do: under another name, then over the old one.
func (m *mac) safeSave() {
	old, _, err := m.u.Create(m.root, "letter", rawnfs.CreateHow{Mode: nfswire.CreateGuarded})
	m.must(err)
	tmp, _, err := m.u.Create(m.root, "letter.sb-1a2b3c", rawnfs.CreateHow{Mode: nfswire.CreateExclusive, Verifier: 7})
	m.must(err)
	_, committed, _, err := m.u.Write(tmp, 0, []byte("Dear all"), nfswire.FileSync)
	m.must(err)
	if committed != nfswire.FileSync {
		m.t.Errorf("asked for FILE_SYNC, got %d", committed)
	}
	m.must(m.u.Rename(m.root, "letter.sb-1a2b3c", m.root, "letter"))
	h, err := m.u.Lookup(m.root, "letter")
	m.must(err)
	if h != tmp {
		m.t.Error("a rename changed the handle")
	}
	_, err = m.u.Getattr(old)
	m.want(err, nfswire.ErrStale, false)
	_, err = m.u.Lookup(m.root, "letter.sb-1a2b3c")
	m.want(err, nfswire.ErrNoEnt, true)
}

// names keeps names as they come: Macs send them decomposed, others composed, and they are different files.
func (m *mac) names() {
	const decomposed, composed = "Cafe\u0301", "Caf\u00e9"
	h, _, err := m.u.Create(m.root, decomposed, rawnfs.CreateHow{Mode: nfswire.CreateGuarded})
	m.must(err)
	_, err = m.u.Lookup(m.root, composed)
	m.want(err, nfswire.ErrNoEnt, true)
	_, _, err = m.u.Create(m.root, composed, rawnfs.CreateHow{Mode: nfswire.CreateGuarded})
	m.must(err)
	got, err := m.u.Lookup(m.root, decomposed)
	m.must(err)
	if got != h {
		m.t.Error("another file")
	}
	_, err = m.u.Lookup(m.root, "CAFE\u0301")
	m.want(err, nfswire.ErrNoEnt, true)
	link, _, err := m.u.Symlink(m.root, "alias", "/Volumes/x/"+decomposed, rawnfs.Sattr{})
	m.must(err)
	target, err := m.u.Readlink(link)
	m.must(err)
	if target != "/Volumes/x/"+decomposed {
		m.t.Errorf("the target is %q", target)
	}
}

func ptr[T any](v T) *T { return &v }
