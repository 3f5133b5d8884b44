package export

import "pmemfs/pmemfs"

// Caller is who a client says is calling. It is believed as far as an export says.
type Caller struct {
	Anonymous bool // it does not say; the rest does not count then
	UID, GID  uint32
	Groups    []uint32
}

// Cred is whom a caller is taken for on the export: every server asks here, for every call. What is no id is the anonymous one.
// The credential has the caller's groups, changed in place; nothing is allocated.
func (e *Export) Cred(c Caller) pmemfs.Cred {
	if c.Anonymous || e.Squash != SquashRoot && e.Squash != SquashNone { // what is no Squash gives nothing away
		return pmemfs.Cred{UID: e.AnonUID, GID: e.AnonGID}
	}
	for i, g := range c.Groups {
		c.Groups[i] = e.squashed(g, e.AnonGID)
	}
	return pmemfs.Cred{UID: e.squashed(c.UID, e.AnonUID), GID: e.squashed(c.GID, e.AnonGID), Groups: c.Groups}
}

// squashed is the id that counts in place of one that is claimed.
func (e *Export) squashed(id, anonymous uint32) uint32 {
	if id == pmemfs.NoID || id == 0 && e.Squash == SquashRoot {
		return anonymous
	}
	return id
}
