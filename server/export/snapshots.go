package export

import (
	"fmt"

	"pmemfs/pmemfs"
)

// Snapshots says how clients get to see the snapshots of what an export shows, in the directory pmemfs.SnapshotsName of its root.
type Snapshots uint8

// The values of Snapshots. The zero value is the default.
const (
	SnapshotsHidden   Snapshots = iota // the name can be used, but is not listed
	SnapshotsVisible                   // it is listed
	SnapshotsDisabled                  // there is no such name, and handles that lead there are stale
)

// ParseSnapshots reads "hidden", "visible" or "disabled".
//
// Errors: any other text.
func ParseSnapshots(s string) (Snapshots, error) {
	for _, v := range []Snapshots{SnapshotsHidden, SnapshotsVisible, SnapshotsDisabled} {
		if s == v.String() {
			return v, nil
		}
	}
	return 0, fmt.Errorf("snapshots are hidden, visible or disabled, not %q", s)
}

// String is the reverse of ParseSnapshots.
func (v Snapshots) String() string {
	switch v {
	case SnapshotsHidden:
		return "hidden"
	case SnapshotsVisible:
		return "visible"
	case SnapshotsDisabled:
		return "disabled"
	}
	return fmt.Sprintf("Snapshots(%d)", uint8(v))
}

// Offers reports whether a client of e may use a handle: those of snapshots lead nowhere where they are disabled.
func (e *Export) Offers(h pmemfs.Handle) bool { return h.Snap == 0 || e.Snapshots != SnapshotsDisabled }

// Bound sets what keeps a call of a client of e in what e shows: how far up ".." leads, and where the snapshots are.
func (e *Export) Bound(c *pmemfs.Call) {
	c.Within[0], c.Top, c.ShowTop = e.Within(), pmemfs.Handle{}, e.Snapshots == SnapshotsVisible
	if root := e.root.handle.Load(); root != nil && e.Snapshots != SnapshotsDisabled {
		c.Top = *root
	}
}
