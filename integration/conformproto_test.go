package integration

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"pmemfs/integration/conformance"
	"pmemfs/integration/rawnfs"
	"pmemfs/server/nfswire"
)

// proto is a case about the protocol alone: a directory with file "f", symbolic link "l" and empty directory "d".
type proto struct {
	*conformance.C
	fs         *nfsFS
	u          *rawnfs.User
	dir        rawnfs.Handle
	file, link rawnfs.Handle
	sub        rawnfs.Handle
	names      int
}

// name is one that nothing has.
func (p *proto) name() string {
	p.names++
	return fmt.Sprint("name", p.names)
}

func newProto(c *conformance.C) *proto {
	fs := c.FS.(*nfsFS)
	p := &proto{C: c, fs: fs, u: fs.u}
	p.dir = must1(fs.walk(nil))
	mode := uint32(0o755)
	p.file, _ = must2(p.u.Create(p.dir, "f", rawnfs.CreateHow{Mode: nfswire.CreateGuarded, Attr: rawnfs.Sattr{Mode: &mode}}))
	p.link, _ = must2(p.u.Symlink(p.dir, "l", "target", rawnfs.Sattr{}))
	p.sub, _ = must2(p.u.Mkdir(p.dir, "d", rawnfs.Sattr{Mode: &mode}))
	if _, _, _, err := p.u.Write(p.file, 0, []byte("content"), nfswire.FileSync); err != nil {
		panic(err)
	}
	return p
}

// must1 and must2 stop a case whose preparation fails: the suite reports the panic as its fault.
func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func must2[T, U any](v T, w U, err error) (T, U) {
	if err != nil {
		panic(err)
	}
	return v, w
}

// status demands one of some statuses; 0 is OK.
func (p *proto) status(what string, err error, allowed ...nfswire.Status) {
	var got rawnfs.Status
	if err != nil && !errors.As(err, &got) {
		p.Fault("%s: %v", what, err)
		return
	}
	for _, s := range allowed {
		if uint32(s) == uint32(got) {
			return
		}
	}
	p.Fault("%s: status %d, want %v", what, uint32(got), allowed)
}

// demand notes a fault unless ok.
func (p *proto) demand(ok bool, format string, args ...any) {
	if !ok {
		p.Fault(format, args...)
	}
}

// handleCalls are all procedures with a handle h as one argument and good ones as others.
var handleCalls = []struct {
	name string
	call func(p *proto, h rawnfs.Handle) error
	// what the procedure says of a directory, a file and a symbolic link; nil for OK
	dir, file, link []nfswire.Status
}{
	{"GETATTR", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Getattr(h); return err }, nil, nil, nil},
	{"SETATTR", func(p *proto, h rawnfs.Handle) error { return p.u.Setattr(h, rawnfs.Sattr{MtimeNow: true}, nil) }, nil, nil, nil},
	{"SETATTR of the size", func(p *proto, h rawnfs.Handle) error { return p.u.Setattr(h, rawnfs.Sattr{Size: new(uint64)}, nil) },
		[]nfswire.Status{nfswire.ErrIsDir, nfswire.ErrInval}, nil, []nfswire.Status{nfswire.ErrInval}},
	{"LOOKUP", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Lookup(h, "."); return err }, nil, notDir, notDir},
	{"ACCESS", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Access(h, 0x3f); return err }, nil, nil, nil},
	{"READLINK", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Readlink(h); return err }, invalid, invalid, nil},
	{"READ", func(p *proto, h rawnfs.Handle) error { _, _, err := p.u.Read(h, 0, 10); return err }, isDir, nil, invalid},
	{"WRITE", func(p *proto, h rawnfs.Handle) error {
		_, _, _, err := p.u.Write(h, 0, []byte("x"), nfswire.FileSync)
		return err
	}, isDir, nil, invalid},
	{"CREATE", func(p *proto, h rawnfs.Handle) error {
		_, _, err := p.u.Create(h, "n", rawnfs.CreateHow{Mode: nfswire.CreateGuarded})
		return err
	}, nil, notDir, notDir},
	{"CREATE, exclusive", func(p *proto, h rawnfs.Handle) error {
		_, _, err := p.u.Create(h, "n", rawnfs.CreateHow{Mode: nfswire.CreateExclusive})
		return err
	}, nil, notDir, notDir},
	{"MKDIR", func(p *proto, h rawnfs.Handle) error { _, _, err := p.u.Mkdir(h, "n", rawnfs.Sattr{}); return err }, nil, notDir, notDir},
	{"SYMLINK", func(p *proto, h rawnfs.Handle) error {
		_, _, err := p.u.Symlink(h, "n", "t", rawnfs.Sattr{})
		return err
	}, nil, notDir, notDir},
	{"MKNOD", func(p *proto, h rawnfs.Handle) error {
		_, _, err := p.u.Mknod(h, "n", nfswire.TypeFIFO, 0, 0, rawnfs.Sattr{})
		return err
	}, nil, notDir, notDir},
	{"REMOVE", func(p *proto, h rawnfs.Handle) error { return p.u.Remove(h, "n") }, []nfswire.Status{nfswire.ErrNoEnt}, notDir, notDir},
	{"RMDIR", func(p *proto, h rawnfs.Handle) error { return p.u.Rmdir(h, "n") }, []nfswire.Status{nfswire.ErrNoEnt}, notDir, notDir},
	{"RENAME from", func(p *proto, h rawnfs.Handle) error { return p.u.Rename(h, "n", p.dir, "m") }, []nfswire.Status{nfswire.ErrNoEnt}, notDir, notDir},
	{"RENAME to", func(p *proto, h rawnfs.Handle) error { return p.u.Rename(p.dir, "f", h, "m") }, nil, notDir, notDir},
	{"LINK of", func(p *proto, h rawnfs.Handle) error { return p.u.Link(h, p.dir, p.name()) }, []nfswire.Status{nfswire.ErrPerm, nfswire.ErrIsDir}, nil, nil},
	{"LINK to", func(p *proto, h rawnfs.Handle) error { return p.u.Link(p.file, h, p.name()) }, nil, notDir, notDir},
	{"READDIR", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Readdir(h, 0, 0, 4096); return err }, nil, notDir, notDir},
	{"READDIRPLUS", func(p *proto, h rawnfs.Handle) error { _, err := p.u.ReaddirPlus(h, 0, 0, 4096, 8192); return err }, nil, notDir, notDir},
	{"FSSTAT", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Fsstat(h); return err }, nil, nil, nil},
	{"FSINFO", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Fsinfo(h); return err }, nil, nil, nil},
	{"PATHCONF", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Pathconf(h); return err }, nil, nil, nil},
	{"COMMIT", func(p *proto, h rawnfs.Handle) error { _, err := p.u.Commit(h, 0, 0); return err }, anything, nil, anything},
}

var (
	notDir   = []nfswire.Status{nfswire.ErrNotDir}
	isDir    = []nfswire.Status{nfswire.ErrIsDir, nfswire.ErrInval}
	invalid  = []nfswire.Status{nfswire.ErrInval}
	anything = []nfswire.Status{nfswire.OK, nfswire.ErrInval, nfswire.ErrIsDir} // RFC 1813 section 3.3.21 does not say
)

// protocolCases are what only an NFS server can be asked. Replies are read to the last byte by the client, so every case is
// also one of their form, with what failures say of files.
func protocolCases() []conformance.Case {
	var list []conformance.Case
	add := func(name string, run func(p *proto)) {
		list = append(list, conformance.Case{Name: "nfs/" + name, Run: func(c *conformance.C) { run(newProto(c)) }})
	}
	for _, k := range handleCalls {
		add("type/"+k.name, func(p *proto) {
			for _, on := range []struct {
				what string
				h    rawnfs.Handle
				want []nfswire.Status
			}{{"a directory", p.sub, k.dir}, {"a file", p.file, k.file}, {"a link", p.link, k.link}} {
				if on.want == nil {
					on.want = []nfswire.Status{nfswire.OK}
				}
				p.status("on "+on.what, k.call(p, on.h), on.want...)
			}
		})
		add("handle/"+k.name, func(p *proto) {
			gone, _ := must2(p.u.Mkdir(p.dir, "gone", rawnfs.Sattr{}))
			p.status("RMDIR", p.u.Rmdir(p.dir, "gone"), nfswire.OK)
			old, _ := must2(p.u.Create(p.dir, "old", rawnfs.CreateHow{}))
			p.status("REMOVE", p.u.Remove(p.dir, "old"), nfswire.OK)
			flipped := []byte(p.sub)
			flipped[len(flipped)-1] ^= 1
			number := []byte(p.sub)
			number[len(number)/2] ^= 1
			stale, bad := []nfswire.Status{nfswire.ErrStale}, []nfswire.Status{nfswire.ErrBadHandle}
			p.status("of a directory that is gone", k.call(p, gone), stale...)
			p.status("of a file that is gone", k.call(p, old), stale...)
			p.status("forged at its end", k.call(p, rawnfs.Handle(flipped)), bad...)
			p.status("forged within", k.call(p, rawnfs.Handle(number)), bad...)
			p.status("empty", k.call(p, ""), bad...)
			p.status("too short", k.call(p, p.sub[:len(p.sub)-4]), bad...)
			p.status("too long", k.call(p, p.sub+"\x00\x00\x00\x00"), bad...)
			p.status("of 64 bytes", k.call(p, rawnfs.Handle(bytes.Repeat([]byte{7}, 64))), bad...)
			p.status("GETATTR of the file", must0(p.u.Getattr(p.file)), nfswire.OK)
		})
	}
	protocolReads(add)
	protocolNames(add)
	protocolLists(add)
	protocolFacts(add)
	protocolCallers(add)
	return list
}

// must0 is the error of a call whose result is of no interest.
func must0[T any](_ T, err error) error { return err }

// protocolReads are about READ, WRITE and COMMIT.
func protocolReads(add func(string, func(p *proto))) {
	add("READ/end of file", func(p *proto) {
		for _, r := range []struct {
			off  uint64
			n    uint32
			want string
			eof  bool
		}{{0, 7, "content", true}, {0, 6, "conten", false}, {3, 100, "tent", true}, {7, 1, "", true}, {8, 1, "", true}, {0, 0, "", false}, {1 << 62, 9, "", true}} {
			data, eof, err := p.u.Read(p.file, r.off, r.n)
			p.status("READ", err, nfswire.OK)
			p.demand(string(data) == r.want && eof == r.eof, "%d at %d: %q, end %v", r.n, r.off, data, eof)
			p.demand(len(p.u.Wcc) == 1 && p.u.Wcc[0].HasAfter && p.u.Wcc[0].After.Size == 7, "attributes %+v", p.u.Wcc)
		}
	})
	add("READ/more than there may be in one", func(p *proto) {
		info := must1(p.u.Fsinfo(p.dir))
		data := bytes.Repeat([]byte("0123456789abcdef"), int(info.Wtmax)/16)
		n, committed, _, err := p.u.Write(p.file, 0, data, nfswire.FileSync)
		p.demand(err == nil && int(n) == len(data) && committed == nfswire.FileSync, "WRITE of wtmax: %d, %v", n, err)
		got, eof, err := p.u.Read(p.file, 0, info.Rtmax)
		p.demand(err == nil && bytes.Equal(got, data[:min(len(got), len(data))]) && len(got) == min(int(info.Rtmax), len(data)) && eof == (len(got) == len(data)),
			"READ of rtmax: %d bytes, end %v, %v", len(got), eof, err)
		got, eof, err = p.u.Read(p.file, 0, 1<<31)
		p.demand(err == nil && bytes.Equal(got, data[:min(len(got), len(data))]) && len(got) > 0 && eof == (len(got) == len(data)),
			"READ of 2 GiB: %d bytes, end %v, %v", len(got), eof, err)
	})
	add("WRITE/every stability, then COMMIT", func(p *proto) {
		for _, how := range []uint32{nfswire.Unstable, nfswire.DataSync, nfswire.FileSync} {
			n, committed, verifier, err := p.u.Write(p.file, 0, []byte("CON"), how)
			p.demand(err == nil && n == 3 && committed >= how && committed <= nfswire.FileSync, "WRITE %d: %d, committed %d, %v", how, n, committed, err)
			again, err := p.u.Commit(p.file, 0, 0)
			p.demand(err == nil && again == verifier && verifier != "", "COMMIT: %x, want %x, %v", again, verifier, err)
			_, err = p.u.Commit(p.file, 1<<40, 1<<20)
			p.status("COMMIT beyond the end", err, nfswire.OK)
		}
		_, _, err := p.u.Read(p.file, 0, 1)
		p.status("READ", err, nfswire.OK)
	})
	add("WRITE/of nothing", func(p *proto) {
		before := must1(p.u.Getattr(p.file))
		n, _, _, err := p.u.Write(p.file, 100, nil, nfswire.FileSync)
		p.demand(err == nil && n == 0, "%d, %v", n, err)
		p.demand(must1(p.u.Getattr(p.file)) == before, "the file has changed")
	})
}

// protocolNames are about LOOKUP, and what makes names.
func protocolNames(add func(string, func(p *proto))) {
	add("LOOKUP/attributes", func(p *proto) {
		h, err := p.u.Lookup(p.dir, "f")
		p.demand(err == nil && h == p.file, "%x, %v", h, err)
		p.demand(len(p.u.Wcc) == 2 && p.u.Wcc[0].HasAfter && p.u.Wcc[1].HasAfter, "attributes %+v", p.u.Wcc)
		said := p.u.Wcc
		p.demand(said[0].After == must1(p.u.Getattr(p.dir)) && said[1].After == must1(p.u.Getattr(p.file)), "other attributes than GETATTR's")
		_, err = p.u.Lookup(p.dir, "none")
		p.status("LOOKUP of nothing", err, nfswire.ErrNoEnt)
		p.demand(len(p.u.Wcc) == 1 && p.u.Wcc[0].HasAfter, "nothing is said of the directory")
	})
	add("LOOKUP/dots", func(p *proto) {
		h, err := p.u.Lookup(p.sub, ".")
		p.demand(err == nil && h == p.sub, "of .: %v", err)
		h, err = p.u.Lookup(p.sub, "..")
		p.demand(err == nil && h == p.dir, "of ..: %v", err)
		h, err = p.u.Lookup(p.fs.base, "..")
		p.demand(err == nil && h == p.fs.base, "of .. of the root: %v", err)
	})
	add("making/reply", func(p *proto) {
		size := uint64(3)
		for name, make := range map[string]func(name string) (rawnfs.Handle, rawnfs.Attr, error){
			"c": func(n string) (rawnfs.Handle, rawnfs.Attr, error) {
				return p.u.Create(p.dir, n, rawnfs.CreateHow{Attr: rawnfs.Sattr{Size: &size}})
			},
			"g": func(n string) (rawnfs.Handle, rawnfs.Attr, error) {
				return p.u.Create(p.dir, n, rawnfs.CreateHow{Mode: nfswire.CreateGuarded})
			},
			"x": func(n string) (rawnfs.Handle, rawnfs.Attr, error) {
				return p.u.Create(p.dir, n, rawnfs.CreateHow{Mode: nfswire.CreateExclusive, Verifier: 5})
			},
			"m": func(n string) (rawnfs.Handle, rawnfs.Attr, error) { return p.u.Mkdir(p.dir, n, rawnfs.Sattr{}) },
			"s": func(n string) (rawnfs.Handle, rawnfs.Attr, error) { return p.u.Symlink(p.dir, n, "t", rawnfs.Sattr{}) },
			"n": func(n string) (rawnfs.Handle, rawnfs.Attr, error) {
				return p.u.Mknod(p.dir, n, nfswire.TypeSocket, 0, 0, rawnfs.Sattr{})
			},
		} {
			h, a, err := make(name)
			p.status("making "+name, err, nfswire.OK)
			found, err := p.u.Lookup(p.dir, name)
			p.demand(err == nil && found == h, "%s: the handle is not the name's, %v", name, err)
			p.demand(a == must1(p.u.Getattr(h)), "%s: other attributes than GETATTR's", name)
		}
	})
	add("making/exclusive, then SETATTR", func(p *proto) {
		h, _, err := p.u.Create(p.dir, "x", rawnfs.CreateHow{Mode: nfswire.CreateExclusive, Verifier: 1<<64 - 1})
		p.status("CREATE", err, nfswire.OK)
		mode, at := uint32(0o4755), int64(1e18)
		p.status("SETATTR", p.u.Setattr(h, rawnfs.Sattr{Mode: &mode, Atime: &at, MtimeNow: true}, nil), nfswire.OK)
		a := must1(p.u.Getattr(h))
		p.demand(a.Mode == mode && a.Atime == at && a.Size == 0 && a.Nlink == 1, "%+v", a)
	})
}

// protocolLists are about READDIRPLUS, and names of any length.
func protocolLists(add func(string, func(p *proto))) {
	add("READDIRPLUS/agrees with LOOKUP", func(p *proto) {
		for i := range 30 {
			must2(p.u.Mkdir(p.dir, fmt.Sprint("dir", i), rawnfs.Sattr{}))
		}
		seen := 0
		var page rawnfs.Page
		for cookie := uint64(0); !page.EOF; {
			var err error
			if page, err = p.u.ReaddirPlus(p.dir, cookie, page.Verifier, 512, 2048); err != nil || len(page.Entries) == 0 && !page.EOF {
				p.Fault("READDIRPLUS: %d entries, %v", len(page.Entries), err)
				return
			}
			for _, e := range page.Entries {
				cookie = e.Cookie
				seen++
				h := must1(p.u.Lookup(p.dir, e.Name))
				p.demand(e.Handle == "" || e.Handle == h, "the handle of %q is another", e.Name)
				p.demand(!e.HasAttr || e.Attr == must1(p.u.Getattr(h)) || e.Name == "..", "the attributes of %q are others", e.Name)
			}
		}
		p.demand(seen == 35, "%d entries, want 35", seen)
	})
	add("READDIRPLUS/of the root", func(p *proto) {
		page := must1(p.u.ReaddirPlus(p.fs.base, 0, 0, 4096, 8192))
		for _, e := range page.Entries {
			if e.Name == "." || e.Name == ".." {
				p.demand(e.Handle == "" || e.Handle == p.fs.base, "%q leads elsewhere", e.Name)
			}
		}
	})
	add("name/of a mebibyte", func(p *proto) {
		_, err := p.u.Lookup(p.dir, strings.Repeat("n", 1<<19))
		p.status("LOOKUP", err, nfswire.ErrNameTooLong)
		_, _, err = p.u.Symlink(p.dir, "big", strings.Repeat("t", 1<<19), rawnfs.Sattr{})
		p.status("SYMLINK", err, nfswire.ErrNameTooLong)
		p.status("NULL", p.u.Null(), nfswire.OK)
	})
}

// protocolFacts are about what a server says of itself.
func protocolFacts(add func(string, func(p *proto))) {
	add("FSINFO/truth", func(p *proto) {
		i := must1(p.u.Fsinfo(p.dir))
		p.demand(i.Rtmax >= 1<<20 && i.Wtmax >= 1<<20 && i.Rtpref <= i.Rtmax && i.Wtpref <= i.Wtmax && i.Rtmult > 0 && i.Wtmult > 0 && i.Dtpref >= 4096, "%+v", i)
		p.demand(i.MaxFile > 1<<60 && i.TimeDelta == 1, "largest file %d, clock of %d ns", i.MaxFile, i.TimeDelta)
		const all = nfswire.FSFLink | nfswire.FSFSymlink | nfswire.FSFHomogeneous | nfswire.FSFCanSetTime
		p.demand(i.Properties == all, "properties %#x", i.Properties)
		p.demand(p.u.Wcc[0].HasAfter, "no attributes")
	})
	add("PATHCONF/truth", func(p *proto) {
		c := must1(p.u.Pathconf(p.dir))
		p.demand(c.LinkMax >= 1<<16 && c.NameMax == 255 && c.NoTrunc && c.ChownRestricted && !c.CaseInsensitive && c.CasePreserving, "%+v", c)
	})
	add("FSSTAT/truth", func(p *proto) {
		s := must1(p.u.Fsstat(p.dir))
		p.demand(s.Total > s.Free && s.Free >= s.Avail && s.Files > s.FreeFiles && s.FreeFiles >= s.AvailFiles && s.AvailFiles > 0, "%+v", s)
	})
	add("GETATTR/fsid and fileid", func(p *proto) {
		seen := make(map[uint64]bool)
		fsid := must1(p.u.Getattr(p.fs.base)).FSID
		for _, h := range []rawnfs.Handle{p.dir, p.file, p.link, p.sub} {
			a := must1(p.u.Getattr(h))
			p.demand(a.FSID == fsid && fsid != 0 && a.Fileid != 0 && !seen[a.Fileid], "fsid %d, file %d", a.FSID, a.Fileid)
			seen[a.Fileid] = true
		}
	})
	add("ACCESS/bits of each type", func(p *proto) {
		const fileBits = nfswire.AccessRead | nfswire.AccessModify | nfswire.AccessExtend | nfswire.AccessExecute
		const dirBits = nfswire.AccessRead | nfswire.AccessModify | nfswire.AccessExtend | nfswire.AccessDelete | nfswire.AccessLookup
		file, dir := must1(p.u.Access(p.file, 0xffffffff)), must1(p.u.Access(p.sub, 0xffffffff))
		p.demand(file == fileBits, "of a file %#x", file)
		p.demand(dir == dirBits, "of a directory %#x", dir)
		for bit := range 6 {
			got := must1(p.u.Access(p.sub, 1<<bit))
			p.demand(got == dirBits&(1<<bit), "bit %d alone: %#x", bit, got)
		}
		p.demand(must1(p.u.Access(p.sub, 0)) == 0, "nothing asked, something granted")
	})
}

// protocolCallers are about who calls, and what one is told who may not.
func protocolCallers(add func(string, func(p *proto))) {
	add("caller/nobody", func(p *proto) {
		h, _, err := p.fs.client.Nobody().Create(p.dir, "anonymous", rawnfs.CreateHow{})
		p.status("CREATE", err, nfswire.OK)
		a := must1(p.u.Getattr(h))
		p.demand(a.UID == 65534 && a.GID == 65534, "owner %d:%d", a.UID, a.GID)
		p.status("SETATTR of root's file", p.fs.client.Nobody().Setattr(p.file, rawnfs.Sattr{Size: new(uint64)}, nil), nfswire.ErrAcces, nfswire.ErrPerm)
	})
	add("caller/16 groups", func(p *proto) {
		var groups []uint32
		for g := range uint32(16) {
			groups = append(groups, 5000+g)
		}
		gid, mode := groups[15], uint32(0o060)
		p.status("SETATTR", p.u.Setattr(p.file, rawnfs.Sattr{GID: &gid, Mode: &mode}, nil), nfswire.OK)
		_, _, err := p.fs.client.As(9, 9, groups...).Read(p.file, 0, 1)
		p.status("READ by the group", err, nfswire.OK)
		_, _, err = p.fs.client.As(9, 9, groups[:15]...).Read(p.file, 0, 1)
		p.status("READ by another", err, nfswire.ErrAcces)
		err = p.fs.client.As(9, 9, append(groups, 1)...).Null()
		_, err2 := p.fs.client.As(9, 9, append(groups, 1)...).Getattr(p.file)
		p.demand(err == nil && err2 != nil || err != nil, "17 groups are taken")
	})
	add("reply/failure says what it can", func(p *proto) {
		stranger := p.fs.client.As(77, 77)
		mode := uint32(0o700)
		p.status("SETATTR", p.u.Setattr(p.sub, rawnfs.Sattr{Mode: &mode}, nil), nfswire.OK)
		p.status("SETATTR", p.u.Setattr(p.file, rawnfs.Sattr{Mode: &mode}, nil), nfswire.OK)
		for what, call := range map[string]func() error{
			"LOOKUP":      func() error { _, err := stranger.Lookup(p.sub, "x"); return err },
			"READ":        func() error { _, _, err := stranger.Read(p.file, 0, 1); return err },
			"WRITE":       func() error { _, _, _, err := stranger.Write(p.file, 0, []byte("x"), nfswire.FileSync); return err },
			"CREATE":      func() error { _, _, err := stranger.Create(p.sub, "x", rawnfs.CreateHow{}); return err },
			"MKDIR":       func() error { _, _, err := stranger.Mkdir(p.sub, "x", rawnfs.Sattr{}); return err },
			"SYMLINK":     func() error { _, _, err := stranger.Symlink(p.sub, "x", "t", rawnfs.Sattr{}); return err },
			"REMOVE":      func() error { return stranger.Remove(p.sub, "x") },
			"RMDIR":       func() error { return stranger.Rmdir(p.sub, "x") },
			"RENAME":      func() error { return stranger.Rename(p.sub, "x", p.sub, "y") },
			"LINK":        func() error { return stranger.Link(p.file, p.sub, "x") },
			"READDIR":     func() error { _, err := stranger.Readdir(p.sub, 0, 0, 4096); return err },
			"READDIRPLUS": func() error { _, err := stranger.ReaddirPlus(p.sub, 0, 0, 4096, 4096); return err },
		} {
			p.status(what, call(), nfswire.ErrAcces)
			for _, w := range stranger.Wcc {
				p.demand(w.HasAfter, "%s: no attributes", what) // macOS needs them
			}
			p.demand(len(stranger.Wcc) > 0, "%s: no attributes", what)
		}
	})
}
