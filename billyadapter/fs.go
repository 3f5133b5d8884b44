package billyadapter

import (
	"errors"
	"io/fs"
	"path"
	"sync"

	"github.com/go-git/go-billy/v5"

	"pmemfs/pmemfs"
)

// defaultUmask is taken from the mode of everything an FS creates, unless WithUmask says otherwise.
const defaultUmask fs.FileMode = 0o022

// FS is a view of an engine for one caller, rooted at one directory. The zero value is unusable: see New.
type FS struct {
	eng    *pmemfs.FS
	cred   pmemfs.Cred
	umask  fs.FileMode
	ro     bool
	root   *anchor
	shared *shared
}

// shared is what all filesystems derived from one New have in common.
type shared struct {
	locks keyedLocks // File.Lock
}

var (
	_ billy.Filesystem = (*FS)(nil)
	_ billy.Change     = (*FS)(nil)
	_ billy.Capable    = (*FS)(nil)
)

// Option changes how New builds an FS.
type Option func(*FS)

// WithUmask sets the permission bits that are cleared from the mode of every created object; 022 without it.
func WithUmask(mask fs.FileMode) Option { return func(f *FS) { f.umask = mask.Perm() } }

// WithReadOnly makes Capabilities say that the filesystem cannot be written and refuses every change with EROFS
// before it reaches the engine.
func WithReadOnly() Option { return func(f *FS) { f.ro = true } }

// New returns a filesystem over the whole of eng that acts as cred. It owns nothing: closing eng stays with the caller.
func New(eng *pmemfs.FS, cred pmemfs.Cred, opts ...Option) *FS {
	f := &FS{
		eng:    eng,
		cred:   copyCred(cred),
		umask:  defaultUmask,
		root:   &anchor{h: eng.Root(), bound: true, name: "/"},
		shared: &shared{},
	}
	for _, o := range opts {
		o(f)
	}
	return f
}

// WithCred returns the same filesystem acting as another caller. Locks are shared with f.
func (f *FS) WithCred(cred pmemfs.Cred) *FS {
	g := *f
	g.cred = copyCred(cred)
	return &g
}

// Cred returns the caller that f acts as.
func (f *FS) Cred() pmemfs.Cred { return copyCred(f.cred) }

func copyCred(c pmemfs.Cred) pmemfs.Cred {
	c.Groups = append([]uint32(nil), c.Groups...)
	return c
}

// Capabilities reports all of billy's capabilities, less writing when the filesystem is read-only.
func (f *FS) Capabilities() billy.Capability {
	if f.ro {
		return billy.AllCapabilities &^ (billy.WriteCapability | billy.ReadAndWriteCapability | billy.TruncateCapability)
	}
	return billy.AllCapabilities
}

// Join joins path elements with "/" and cleans the result.
func (f *FS) Join(elem ...string) string { return path.Join(elem...) }

// Root returns the path of f's root as seen from the filesystem that New returned.
func (f *FS) Root() string { return f.root.name }

// Chroot returns a filesystem whose root is the directory name. A missing directory is made when the first thing is
// created below it. Once found, the root is that inode: it follows a rename, and only when the directory is removed is
// its path looked up again. Nothing reached through the result lies outside it.
//
// Errors: ENAMETOOLONG, EINVAL and billy.ErrCrossedBoundary, of the name alone.
func (f *FS) Chroot(name string) (billy.Filesystem, error) {
	clean, err := cleanPath(name)
	if err != nil {
		return nil, pathError("chroot", name, err)
	}
	g := *f
	g.root = &anchor{parent: f, rel: clean, name: path.Join(f.root.name, clean)}
	// A file in the way is an error at once; a directory that is not there yet is not.
	if _, err := g.rootAttr(false); err != nil && !errors.Is(err, pmemfs.ErrNotExist) {
		return nil, pathError("chroot", name, err)
	}
	return &g, nil
}

// anchor is the root directory of an FS: known from the start, or found by path inside a parent when first needed.
type anchor struct {
	parent *FS    // nil for the root of the engine
	rel    string // cleaned path inside parent
	name   string // what Root returns

	mu    sync.Mutex
	h     pmemfs.Handle
	bound bool
}

// rootAttr returns the attributes of the root directory, looking it up (and with create making it) when it is not
// known or no longer exists.
func (f *FS) rootAttr(create bool) (pmemfs.Attr, error) {
	a := f.root
	a.mu.Lock()
	h, bound := a.h, a.bound
	a.mu.Unlock()
	if bound {
		attr, err := f.eng.Getattr(nil, h)
		if err == nil || a.parent == nil {
			return attr, err
		}
		if !errors.Is(err, pmemfs.ErrStale) {
			return pmemfs.Attr{}, err
		}
	}
	w := walk{fs: a.parent.WithCred(f.cred), follow: true, makeAll: create, perm: 0o755}
	loc, err := w.run(a.rel)
	if err != nil {
		return pmemfs.Attr{}, err
	}
	if !loc.exists {
		return pmemfs.Attr{}, pmemfs.ErrNotExist
	}
	if loc.attr.Type != pmemfs.TypeDir {
		return pmemfs.Attr{}, pmemfs.ErrNotDir
	}
	a.mu.Lock()
	a.h, a.bound = loc.attr.Handle, true
	a.mu.Unlock()
	return loc.attr, nil
}
