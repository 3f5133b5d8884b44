package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	"pmemfs/integration/conformance"
	"pmemfs/integration/rawnfs"
	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/export"
	"pmemfs/server/gonfs"
	"pmemfs/server/handle"
	"pmemfs/server/mount3"
	"pmemfs/server/nfs3"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// nfsCaps are what raw NFSv3 can express.
const nfsCaps = conformance.CapUsers | conformance.CapLinks | conformance.CapNodes | conformance.CapOpen | conformance.CapStale |
	conformance.CapGuard | conformance.CapVerifier | conformance.CapPages | conformance.CapWcc | conformance.CapDots | conformance.CapRaw |
	conformance.CapStateless | conformance.CapKinds | conformance.CapParents | conformance.CapMany | conformance.CapNow |
	conformance.CapAccess | conformance.CapStatfs | conformance.CapSetLink | conformance.CapUsed | conformance.CapSpecial | conformance.CapExact

// stack makes an NFS stack; end ends it when no call is in progress.
type stack func(eng *pmemfs.FS, exports *export.Table) (nfs []rpc.Program, end func())

// nfsTarget runs the suite on a stack, through a client that says exactly what it is told; how is the stable_how of its writes.
func nfsTarget(s stack, d pmemfs.Domain, how uint32, more conformance.Caps) func(t *testing.T, done func(conformance.Outcome)) {
	return func(t *testing.T, done func(conformance.Outcome)) {
		eng, table, addr, end := serveStack(t, s, d)
		defer end()
		root, hangUp := rootOver(t, addr)
		defer hangUp()
		root.how = how
		conformance.Run(root, nfsCaps|more, done, slices.Concat(protocolCases(), quotaCases(eng), snapshotCases(eng, table))...)
	}
}

// serveStack serves a new filesystem in memory as "/", with nobody squashed. end stops that and checks the filesystem.
func serveStack(t *testing.T, s stack, d pmemfs.Domain) (eng *pmemfs.FS, table *export.Table, addr string, end func()) {
	t.Helper()
	eng, err := pmemfs.OpenMemory(256<<20, d, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := export.Default()
	all.Squash = export.SquashNone
	set, err := export.NewSet([]export.Export{all})
	if err != nil {
		t.Fatal(err)
	}
	table = export.NewTable(eng)
	table.Store(set)
	mounts := mount3.New(mount3.Config{Images: []mount3.Image{{Engine: eng, Exports: table, Handles: handle.New(eng)}}}).Program()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	nfs, over := s(eng, table)
	go func() { ended <- rpc.NewServer(rpc.Config{Programs: append(nfs, mounts)}).Serve(ctx, l) }()
	return eng, table, l.Addr().String(), func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		over()
		pmemfstest.CheckFS(t, eng)
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	}
}

// rootOver is the root export of a server as the superuser sees it.
func rootOver(t *testing.T, addr string) (fs *nfsFS, hangUp func()) {
	t.Helper()
	client, err := rawnfs.Dial(addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	root, err := client.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	return &nfsFS{client: client, u: client.As(0, 0), base: root, how: nfswire.FileSync}, func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func goNFSStack(eng *pmemfs.FS, exports *export.Table) (nfs []rpc.Program, end func()) {
	s := gonfs.New(gonfs.Config{Engine: eng, Exports: exports})
	return []rpc.Program{s.Program()}, s.Close
}

func nativeStack(eng *pmemfs.FS, exports *export.Table) (nfs []rpc.Program, end func()) {
	s := nfs3.New(nfs3.Config{Engine: eng, Exports: exports})
	return []rpc.Program{s.Program(), s.ACLProgram()}, func() {}
}

// nfsFS is a mount as a conformance.FS.
type nfsFS struct {
	client *rawnfs.Client
	u      *rawnfs.User
	base   rawnfs.Handle
	dir    []string // from base
	how    uint32   // stable_how of writes
	verf   uint64   // of the last page
}

// statusErrno are the statuses whose number is not the error's.
var statusErrno = map[rawnfs.Status]conformance.Errno{
	63: conformance.ENAMETOOLONG, 66: conformance.ENOTEMPTY, 70: conformance.ESTALE,
	rawnfs.Status(nfswire.ErrNotSync): conformance.EAGAIN, rawnfs.Status(nfswire.ErrNotSupp): conformance.EOPNOTSUPP,
	rawnfs.Status(nfswire.ErrDQuot): conformance.EDQUOT, rawnfs.Status(nfswire.ErrTooSmall): conformance.EINVAL, rawnfs.Status(nfswire.ErrBadType): conformance.EINVAL,
}

// nfsError turns a status into an errno; what has none stays what it is.
func nfsError(err error) error {
	var s rawnfs.Status
	if !errors.As(err, &s) {
		return err
	}
	if no, ok := statusErrno[s]; ok {
		return no
	}
	if s < 60 {
		return conformance.Errno(s)
	}
	return err
}

func (f *nfsFS) As(u conformance.User) conformance.FS {
	return &nfsFS{client: f.client, u: f.client.As(u.UID, u.GID, u.Groups...), base: f.base, dir: f.dir, how: f.how}
}

func (f *nfsFS) At(dir string) conformance.FS {
	return &nfsFS{client: f.client, u: f.u, base: f.base, dir: append(f.dir[:len(f.dir):len(f.dir)], conformance.PathNames(dir)...), how: f.how}
}

func (f *nfsFS) walk(names []string) (rawnfs.Handle, error) {
	h := f.base
	for _, name := range append(f.dir[:len(f.dir):len(f.dir)], names...) {
		var err error
		if h, err = f.u.Lookup(h, name); err != nil {
			return "", nfsError(err)
		}
	}
	return h, nil
}

func (f *nfsFS) find(path string) (rawnfs.Handle, error) { return f.walk(conformance.PathNames(path)) }

// on makes a call on a file.
func (f *nfsFS) on(path string, call func(h rawnfs.Handle) error) error {
	h, err := f.find(path)
	if err != nil {
		return err
	}
	return nfsError(call(h))
}

// in makes a call on a directory and a name.
func (f *nfsFS) in(path string, call func(dir rawnfs.Handle, name string) error) error {
	dir, name := conformance.LastName(path)
	h, err := f.walk(dir)
	if err != nil {
		return err
	}
	return nfsError(call(h, name))
}

func (f *nfsFS) LastWcc() (list []conformance.Wcc) {
	for _, w := range f.u.Wcc {
		list = append(list, conformance.Wcc{HasBefore: w.HasBefore, Size: w.Size, Mtime: w.Mtime, Ctime: w.Ctime, HasAfter: w.HasAfter,
			After: nfsAttr(w.After)})
	}
	return list
}

var nfsTypes = map[uint32]conformance.Type{nfswire.TypeRegular: conformance.Regular, nfswire.TypeDir: conformance.Dir,
	nfswire.TypeBlock: conformance.Block, nfswire.TypeChar: conformance.Char, nfswire.TypeSymlink: conformance.Symlink,
	nfswire.TypeSocket: conformance.Socket, nfswire.TypeFIFO: conformance.FIFO}

func nfsAttr(a rawnfs.Attr) conformance.Attr {
	return conformance.Attr{Type: nfsTypes[a.Type], Mode: a.Mode, Nlink: a.Nlink, UID: a.UID, GID: a.GID, Size: a.Size, Used: a.Used,
		Major: a.Major, Minor: a.Minor, Atime: a.Atime, Mtime: a.Mtime, Ctime: a.Ctime, Ino: a.Fileid, FSID: a.FSID}
}

func nfsSet(s conformance.Set) rawnfs.Sattr {
	return rawnfs.Sattr{Mode: s.Mode, UID: s.UID, GID: s.GID, Size: s.Size, Atime: s.Atime, Mtime: s.Mtime, AtimeNow: s.AtimeNow, MtimeNow: s.MtimeNow}
}

func (f *nfsFS) Getattr(path string) (a conformance.Attr, err error) {
	err = f.on(path, func(h rawnfs.Handle) error {
		got, err := f.u.Getattr(h)
		a = nfsAttr(got)
		return err
	})
	return a, err
}

func (f *nfsFS) Setattr(path string, s conformance.Set) error {
	return f.on(path, func(h rawnfs.Handle) error { return f.u.Setattr(h, nfsSet(s), s.Guard) })
}

// Access asks for all six bits and demands that those that mean the same agree.
func (f *nfsFS) Access(path string, want uint32) (got uint32, err error) {
	err = f.on(path, func(h rawnfs.Handle) error {
		a, err := f.u.Getattr(h)
		if err != nil {
			return err
		}
		bits, err := f.u.Access(h, 0x3f)
		if err != nil {
			return err
		}
		exec := uint32(nfswire.AccessExecute)
		if a.Type == nfswire.TypeDir {
			exec = nfswire.AccessLookup
		}
		const write = nfswire.AccessModify | nfswire.AccessExtend
		if bits&write != 0 && bits&write != write {
			return fmt.Errorf("ACCESS grants %#x", bits)
		}
		for bit, of := range map[uint32]uint32{conformance.ReadBit: nfswire.AccessRead, conformance.WriteBit: write, conformance.Exec: exec} {
			if bits&of != 0 {
				got |= bit & want
			}
		}
		return nil
	})
	return got, err
}

func (f *nfsFS) Readlink(path string) (target string, err error) {
	err = f.on(path, func(h rawnfs.Handle) error {
		target, err = f.u.Readlink(h)
		return err
	})
	return target, err
}

func (f *nfsFS) Read(path string, off uint64, n int) (data []byte, err error) {
	err = f.on(path, func(h rawnfs.Handle) error {
		data, err = f.read(h, off, n)
		return err
	})
	return data, err
}

const nfsTransfer = 1 << 20 // bytes in one call

func (f *nfsFS) read(h rawnfs.Handle, off uint64, n int) (data []byte, err error) {
	for {
		piece, eof, err := f.u.Read(h, off+uint64(len(data)), uint32(min(n-len(data), nfsTransfer)))
		if err != nil {
			return nil, err
		}
		data = append(data, piece...)
		switch {
		case eof || len(data) == n:
			return data, nil
		case len(piece) == 0:
			return nil, errors.New("READ of nothing that is not the end")
		}
	}
}

func (f *nfsFS) Write(path string, off uint64, data []byte) error {
	return f.on(path, func(h rawnfs.Handle) error { return f.write(h, off, data) })
}

func (f *nfsFS) write(h rawnfs.Handle, off uint64, data []byte) error {
	for {
		piece := data[:min(len(data), nfsTransfer)]
		n, committed, _, err := f.u.Write(h, off, piece, f.how)
		switch {
		case err != nil:
			return err
		case int(n) != len(piece) || committed < f.how:
			return fmt.Errorf("WRITE of %d bytes wrote %d, committed %d", len(piece), n, committed)
		}
		if data, off = data[n:], off+uint64(n); len(data) == 0 {
			return nil
		}
	}
}

func (f *nfsFS) Create(path string, how conformance.How) error {
	h := rawnfs.CreateHow{Mode: map[conformance.Existing]uint32{conformance.Refuse: nfswire.CreateGuarded, conformance.Take: nfswire.CreateUnchecked,
		conformance.ByVerifier: nfswire.CreateExclusive}[how.Existing], Verifier: how.Verifier, Attr: rawnfs.Sattr{Mode: &how.Mode, Size: how.Size}}
	return f.in(path, func(dir rawnfs.Handle, name string) error {
		_, _, err := f.u.Create(dir, name, h)
		return err
	})
}

func (f *nfsFS) Mkdir(path string, mode uint32) error {
	return f.in(path, func(dir rawnfs.Handle, name string) error {
		_, _, err := f.u.Mkdir(dir, name, rawnfs.Sattr{Mode: &mode})
		return err
	})
}

func (f *nfsFS) Symlink(target, path string) error {
	return f.in(path, func(dir rawnfs.Handle, name string) error {
		_, _, err := f.u.Symlink(dir, name, target, rawnfs.Sattr{})
		return err
	})
}

func (f *nfsFS) Mknod(path string, typ conformance.Type, mode, major, minor uint32) error {
	number := uint32(99)
	for n, t := range nfsTypes {
		if t == typ {
			number = n
		}
	}
	return f.in(path, func(dir rawnfs.Handle, name string) error {
		_, _, err := f.u.Mknod(dir, name, number, major, minor, rawnfs.Sattr{Mode: &mode})
		return err
	})
}

func (f *nfsFS) Unlink(path string) error {
	return f.in(path, func(dir rawnfs.Handle, name string) error { return f.u.Remove(dir, name) })
}

func (f *nfsFS) Rmdir(path string) error {
	return f.in(path, func(dir rawnfs.Handle, name string) error { return f.u.Rmdir(dir, name) })
}

func (f *nfsFS) Rename(from, to string) error {
	return f.in(from, func(dir rawnfs.Handle, name string) error {
		return f.in(to, func(toDir rawnfs.Handle, toName string) error { return f.u.Rename(dir, name, toDir, toName) })
	})
}

func (f *nfsFS) Link(old, path string) error {
	return f.on(old, func(h rawnfs.Handle) error {
		return f.in(path, func(dir rawnfs.Handle, name string) error { return f.u.Link(h, dir, name) })
	})
}

// Names lists with READDIRPLUS, whose attributes must be of the file that the entry names.
func (f *nfsFS) Names(path string) (names []string, err error) {
	err = f.on(path, func(h rawnfs.Handle) error {
		var p rawnfs.Page
		for cookie := uint64(0); !p.EOF; {
			if p, err = f.u.ReaddirPlus(h, cookie, p.Verifier, 8<<10, 32<<10); err != nil {
				return err
			}
			for _, e := range p.Entries {
				cookie = e.Cookie
				if e.HasAttr && e.Attr.Fileid != e.Fileid {
					return fmt.Errorf("entry %q is file %d with attributes of %d", e.Name, e.Fileid, e.Attr.Fileid)
				}
				if e.Name != "." && e.Name != ".." {
					names = append(names, e.Name)
				}
			}
		}
		return nil
	})
	return names, err
}

func (f *nfsFS) Page(path string, cookie uint64, bytes int) (entries []conformance.Entry, eof bool, err error) {
	err = f.on(path, func(h rawnfs.Handle) error {
		if cookie == 0 {
			f.verf = 0
		}
		p, err := f.u.Readdir(h, cookie, f.verf, uint32(bytes))
		f.verf, eof = p.Verifier, p.EOF
		for _, e := range p.Entries {
			entries = append(entries, conformance.Entry{Name: e.Name, Ino: e.Fileid, Cookie: e.Cookie})
		}
		return err
	})
	return entries, eof, err
}

func (f *nfsFS) Statfs() (conformance.Statfs, error) {
	s, err := f.u.Fsstat(f.base)
	if err != nil {
		return conformance.Statfs{}, nfsError(err)
	}
	p, err := f.u.Pathconf(f.base)
	return conformance.Statfs{Total: s.Total, Free: s.Free, Avail: s.Avail, Files: s.Files, FreeFiles: s.FreeFiles, NameMax: p.NameMax}, nfsError(err)
}

func (f *nfsFS) Open(path string) (conformance.File, error) {
	h, err := f.find(path)
	if err != nil {
		return nil, err
	}
	return &nfsFile{f, h}, nil
}

// nfsFile is a handle.
type nfsFile struct {
	fs *nfsFS
	h  rawnfs.Handle
}

func (o *nfsFile) Getattr() (conformance.Attr, error) {
	a, err := o.fs.u.Getattr(o.h)
	return nfsAttr(a), nfsError(err)
}

func (o *nfsFile) Setattr(s conformance.Set) error {
	return nfsError(o.fs.u.Setattr(o.h, nfsSet(s), s.Guard))
}

func (o *nfsFile) Read(off uint64, n int) ([]byte, error) {
	data, err := o.fs.read(o.h, off, n)
	return data, nfsError(err)
}

func (o *nfsFile) Write(off uint64, data []byte) error { return nfsError(o.fs.write(o.h, off, data)) }
func (o *nfsFile) Close() error                        { return nil }
