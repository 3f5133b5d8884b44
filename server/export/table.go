package export

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"pmemfs/pmemfs"
	"pmemfs/server/traffic"
)

// Table holds the Set that is served now, for all protocol servers of one image.
type Table struct {
	eng *pmemfs.FS
	set atomic.Pointer[Set]
	own sync.Map // of link: this process's own connections

	counted func(name string) traffic.Export // nil if nobody counts
}

// rootID is the directory that an export shows; a change of it is seen by all goroutines at once.
type rootID struct {
	handle  atomic.Pointer[pmemfs.Handle]
	table   *Table         // that serves the export; set before it does
	counted traffic.Export // likewise
}

// MissingError says that the directory of an export cannot be found. Such an export is served all the same:
// whoever mounts it is told, until the directory is there.
type MissingError struct {
	Export, Subtree string
	Err             error // why: one of Walk's
}

// Error says all of it.
func (e *MissingError) Error() string {
	return fmt.Sprintf("export %q: directory %q: %v", e.Export, e.Subtree, e.Err)
}

// Unwrap returns why the directory cannot be found.
func (e *MissingError) Unwrap() error { return e.Err }

// NewTable returns the table of an open image; Store gives it something to serve.
func NewTable(eng *pmemfs.FS) *Table {
	t := &Table{eng: eng}
	t.set.Store(&Set{})
	return t
}

// Count says as what calls are counted that are about an export of a name. It is called before the first Store.
func (t *Table) Count(as func(name string) traffic.Export) { t.counted = as }

// Counted is as what calls about an export that is served are counted.
func (e *Export) Counted() traffic.Export { return e.root.counted }

// Load returns what is served now. It never returns nil.
func (t *Table) Load() *Set { return t.set.Load() }

// link is a TCP connection, by the addresses of both ends. One end would not do: another program's connection, to another of the server's
// addresses, may come from the same port.
type link struct{ from, to netip.AddrPort }

// Own lets a connection of this process itself use all exports, from whatever network and port, until the function that it returns is called: so
// the server can ask itself as a client does.
func (t *Table) Own(from, to netip.AddrPort) (done func()) {
	own := link{unmapped(from), unmapped(to)}
	t.own.Store(own, nil)
	return func() { t.own.Delete(own) }
}

// unmapped is an address in the one form that it is compared in.
func unmapped(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// Admits reports whether a host may use any of the exports served now, whatever its port.
func (t *Table) Admits(host netip.Addr) bool {
	from := netip.AddrPortFrom(host, 1) // which is as secure as any
	set := t.Load()
	for i := range set.list {
		if set.list[i].Allows(from) {
			return true
		}
	}
	return false
}

// Store makes a set the one that is served, from the next request on. It returns those exports whose
// directory is missing; the set is served in any case.
func (t *Table) Store(s *Set) (missing []*MissingError) {
	for i := range s.list {
		e := &s.list[i]
		e.root.table = t
		if t.counted != nil {
			e.root.counted = t.counted(e.Name)
		}
		if _, err := t.Root(e); err != nil {
			missing = append(missing, &MissingError{e.Name, e.Subtree, err})
		}
	}
	t.set.Store(s)
	return missing
}

// Root finds the directory that an export of a set shows now and keeps its handle.
//
// Errors: those of Walk.
func (t *Table) Root(e *Export) (pmemfs.Attr, error) {
	attr, err := Walk(t.eng, e.Subtree)
	if err != nil {
		return attr, err
	}
	h := attr.Handle
	e.root.handle.Store(&h)
	return attr, nil
}

// Within is the directory out of which ".." must not lead a client of e, for pmemfs.Call.Within: the one that e shows; zero for an export of
// the whole filesystem, of which the root is the end. Out of what has since been moved out of that, there is no way up. It allocates nothing.
func (e *Export) Within() pmemfs.Handle {
	if e.Subtree == "/" {
		return pmemfs.Handle{}
	}
	if root := e.root.handle.Load(); root != nil {
		return *root
	}
	return pmemfs.Handle{Ino: math.MaxUint64} // nothing is there
}

// superuser walks to the root of an export, which the administrator has chosen to show.
var superuser = pmemfs.Cred{}

// Walk leads from the root of the filesystem to the directory at a cleaned, absolute path, following no symbolic links. Its
// errors are the engine's: pmemfs.ErrNotExist, pmemfs.ErrNotDir, pmemfs.ErrNameTooLong or pmemfs.ErrIO.
func Walk(eng *pmemfs.FS, dir string) (pmemfs.Attr, error) {
	attr, err := eng.Getattr(nil, eng.Root())
	for name := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		if err != nil {
			return pmemfs.Attr{}, err
		}
		if name != "" {
			attr, err = eng.Lookup(&superuser, nil, attr.Handle, []byte(name))
		}
		if err == nil && attr.Type != pmemfs.TypeDir {
			err = pmemfs.ErrNotDir
		}
	}
	return attr, err
}
