// Package export says what is served to whom: names, subtrees, client networks, and whom a client's users are taken for.
// Every protocol server applies the same rules by asking here.
//
// An Export is immutable once Validate has passed, so all its methods are safe for any number of goroutines.
package export

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"path"
	"slices"
	"strings"

	"pmemfs/pmemfs"
)

// Anonymous is the usual "nobody": whom squashed users become unless an export says otherwise.
const Anonymous uint32 = 65534

// Squash says which of a client's users lose their identity.
type Squash uint8

// The values of Squash. The zero value is the safe default.
const (
	SquashRoot Squash = iota // uid and gid 0 become the anonymous ones
	SquashAll                // everybody becomes anonymous
	SquashNone               // the client is believed
)

// ParseSquash reads "root", "all" or "none".
func ParseSquash(s string) (Squash, error) {
	for _, q := range []Squash{SquashRoot, SquashAll, SquashNone} {
		if s == q.String() {
			return q, nil
		}
	}
	return 0, fmt.Errorf("squash is none, root or all, not %q", s)
}

// String is the reverse of ParseSquash.
func (q Squash) String() string {
	switch q {
	case SquashRoot:
		return "root"
	case SquashAll:
		return "all"
	case SquashNone:
		return "none"
	}
	return fmt.Sprintf("Squash(%d)", uint8(q))
}

// Export is one directory tree offered to clients.
type Export struct {
	Name     string // what clients mount: an absolute, cleaned path
	Subtree  string // the directory of the filesystem it shows: an absolute, cleaned path; "/" for all of it
	ReadOnly bool
	Squash   Squash
	AnonUID  uint32
	AnonGID  uint32
	Clients  []netip.Prefix // who may use it; empty for everyone who can connect
}

// Default is the whole filesystem as "/", read-write, with root squashed to Anonymous.
func Default() Export {
	return Export{Name: "/", Subtree: "/", AnonUID: Anonymous, AnonGID: Anonymous}
}

// Validate refuses an export that could not be served or not be told apart.
func (e *Export) Validate() error {
	for what, p := range map[string]string{"name": e.Name, "subtree": e.Subtree} {
		if !path.IsAbs(p) || path.Clean(p) != p || strings.ContainsRune(p, 0) || len(p) > 1024 {
			return fmt.Errorf("export %q: %s %q is not an absolute, cleaned path", e.Name, what, p)
		}
	}
	if e.Squash > SquashNone {
		return fmt.Errorf("export %q: unknown squash %d", e.Name, e.Squash)
	}
	for _, c := range e.Clients {
		if !c.IsValid() {
			return fmt.Errorf("export %q: invalid client network", e.Name)
		}
	}
	return nil
}

// ID is the number by which handles name the export; it depends on the name alone, so it survives a restart.
func (e *Export) ID() uint32 {
	h := fnv.New32a()
	h.Write([]byte(e.Name)) // never fails, says its documentation
	return h.Sum32()
}

// Allows reports whether a client at addr may use the export. An IPv4 address inside an IPv6 one counts as IPv4.
func (e *Export) Allows(addr netip.Addr) bool {
	addr = addr.Unmap()
	return len(e.Clients) == 0 || slices.ContainsFunc(e.Clients, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Anon returns the anonymous caller.
func (e *Export) Anon() pmemfs.Cred { return pmemfs.Cred{UID: e.AnonUID, GID: e.AnonGID} }

// Apply returns whom the claimed caller is taken for.
func (e *Export) Apply(uid, gid uint32, groups []uint32) pmemfs.Cred {
	switch e.Squash {
	case SquashNone:
		return pmemfs.Cred{UID: uid, GID: gid, Groups: groups}
	case SquashRoot:
		c := pmemfs.Cred{UID: uid, GID: gid, Groups: make([]uint32, 0, len(groups))}
		if uid == 0 {
			c.UID = e.AnonUID
		}
		if gid == 0 {
			c.GID = e.AnonGID
		}
		for _, g := range groups {
			if g == 0 {
				g = e.AnonGID
			}
			c.Groups = append(c.Groups, g)
		}
		return c
	}
	return e.Anon()
}

// Set is the exports of one server.
type Set struct {
	list []Export
	byID map[uint32]*Export
}

// NewSet validates exports and collects them.
func NewSet(exports []Export) (*Set, error) {
	if len(exports) == 0 {
		return nil, errors.New("nothing to export")
	}
	s := &Set{list: slices.Clone(exports), byID: make(map[uint32]*Export, len(exports))}
	for i := range s.list {
		e := &s.list[i]
		if err := e.Validate(); err != nil {
			return nil, err
		}
		if other, taken := s.byID[e.ID()]; taken {
			return nil, fmt.Errorf("exports %q and %q cannot be told apart: rename one", other.Name, e.Name)
		}
		s.byID[e.ID()] = e
	}
	return s, nil
}

// All returns the exports in the order given; they must not be changed.
func (s *Set) All() []Export { return s.list }

// ByID returns the export that a handle names, or nil.
func (s *Set) ByID(id uint32) *Export { return s.byID[id] }

// ByPath returns the export with the longest name that dir begins with, and the rest of dir below it.
func (s *Set) ByPath(dir string) (*Export, string) {
	dir = path.Clean("/" + dir)
	var best *Export
	for i := range s.list {
		e := &s.list[i]
		if under(dir, e.Name) && (best == nil || len(e.Name) > len(best.Name)) {
			best = e
		}
	}
	if best == nil {
		return nil, ""
	}
	return best, strings.TrimPrefix(strings.TrimPrefix(dir, best.Name), "/")
}

func under(dir, root string) bool {
	return root == "/" || dir == root || strings.HasPrefix(dir, root+"/")
}
