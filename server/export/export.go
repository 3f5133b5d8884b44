// Package export says what is served to whom: names, subtrees, client networks, and whom a client's users are taken for.
// Every protocol server applies the same rules by asking here.
//
// A Set never changes once it is made, nor do its exports; what is served changes by putting another Set into the Table that
// all servers share. One request asks the Table once and goes by that Set until it is answered.
//
// # Concurrency and durability
//
// Everything here is safe for any number of goroutines. Nothing here is on the medium: handles name an export by its ID,
// which is made of its name, so they are good for as long as an export of that name is served.
package export

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"pmemfs/pmemfs"
)

// PathMax is the longest name or subtree of an export in bytes: MNTPATHLEN (RFC 1813 section 5.1.1).
const PathMax = 1024

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
//
// Errors: any other text.
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
	Name       string // what clients mount: an absolute, cleaned path
	Subtree    string // the directory of the filesystem it shows: an absolute, cleaned path; "/" for all of it
	ReadOnly   bool
	Squash     Squash
	AnonUID    uint32
	AnonGID    uint32
	Clients    []netip.Prefix // who may use it; empty for everyone who can connect
	SecurePort bool           // only from ports below 1024, which a client's ordinary users cannot have

	ShortOffsets bool // directory offsets have 31 bits, for 32-bit programs
	Snapshots    Snapshots

	id   uint32  // set by NewSet
	root *rootID // of an export in a Set
}

// Default is the whole filesystem as "/", read-write, with root squashed to Anonymous, from any port: macOS uses high ones.
func Default() Export {
	return Export{Name: "/", Subtree: "/", AnonUID: Anonymous, AnonGID: Anonymous}
}

// Validate refuses an export that could not be served or not be told apart.
//
// Errors: one that names the export and what is wrong with it.
func (e *Export) Validate() error {
	for _, p := range []struct{ what, path string }{{"name", e.Name}, {"subtree", e.Subtree}} {
		if !path.IsAbs(p.path) || path.Clean(p.path) != p.path || strings.ContainsRune(p.path, 0) || len(p.path) > PathMax {
			return fmt.Errorf("export %q: %s %q is not an absolute, cleaned path of at most %d bytes", e.Name, p.what, p.path, PathMax)
		}
	}
	if e.Squash > SquashNone {
		return fmt.Errorf("export %q: unknown squash %d", e.Name, e.Squash)
	}
	if e.Snapshots > SnapshotsDisabled {
		return fmt.Errorf("export %q: unknown way to show snapshots %d", e.Name, e.Snapshots)
	}
	if e.AnonUID == pmemfs.NoID || e.AnonGID == pmemfs.NoID {
		return fmt.Errorf("export %q: %d is no id for anonymous users", e.Name, pmemfs.NoID)
	}
	for _, c := range e.Clients {
		if !c.IsValid() || c.Addr().Is4In6() {
			return fmt.Errorf("export %q: client network %s is none that an address could be in", e.Name, c)
		}
	}
	return nil
}

// Same reports whether e and o say the same.
func (e *Export) Same(o *Export) bool {
	return e.Name == o.Name && e.Subtree == o.Subtree && e.ReadOnly == o.ReadOnly && e.Squash == o.Squash &&
		e.AnonUID == o.AnonUID && e.AnonGID == o.AnonGID && e.SecurePort == o.SecurePort && e.ShortOffsets == o.ShortOffsets && e.Snapshots == o.Snapshots && slices.Equal(e.Clients, o.Clients)
}

// ID is the number by which handles name the export. It depends on the name and the subtree alone, so it survives a restart;
// and when an export of a name comes to show another directory, handles of what it showed before are stale.
func (e *Export) ID() uint32 {
	if e.root != nil {
		return e.id
	}
	return idOf(e.Name, e.Subtree)
}

// idOf is FNV-1a of 32 bits, as the handles that clients keep have it for ever.
func idOf(name, subtree string) uint32 {
	h := uint32(2166136261)
	for _, s := range [...]string{name, "\x00", subtree} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
	}
	return h
}

// securePorts is the number of ports that SecurePort takes for safe.
const securePorts = 1024

// Allows reports whether a client at addr may use the export. An IPv4 address inside an IPv6 one counts as IPv4, and a zone
// does not count. A client without an address is in no network and has no port.
func (e *Export) Allows(addr netip.AddrPort) bool {
	if e.SecurePort && (!addr.IsValid() || addr.Port() >= securePorts) {
		return false
	}
	if len(e.Clients) == 0 {
		return true
	}
	ip := addr.Addr().Unmap().WithZone("")
	for i := range e.Clients {
		if e.Clients[i].Contains(ip) {
			return true
		}
	}
	return false
}

// AllowsOn is Allows for a call that came over TCP from one address to another: there the server may ask itself too (Table.Own).
func (e *Export) AllowsOn(from, to netip.AddrPort) bool {
	return e.Allows(from) || e.isOwn(link{from, to})
}

// isOwn reports whether a connection is one of the server itself.
func (e *Export) isOwn(l link) bool {
	if e.root == nil || e.root.table == nil {
		return false
	}
	_, own := e.root.table.own.Load(link{unmapped(l.from), unmapped(l.to)})
	return own
}
