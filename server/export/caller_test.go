package export_test

import (
	"slices"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

// TestCred is whom callers are taken for. Every server asks Export.Cred, so this is the rule for all.
func TestCred(t *testing.T) {
	const anonymous, none = 65534, pmemfs.NoID
	for _, c := range []struct {
		squash export.Squash
		caller export.Caller
		want   pmemfs.Cred
	}{
		{export.SquashNone, export.Caller{Groups: []uint32{0, 5}}, pmemfs.Cred{Groups: []uint32{0, 5}}},
		{export.SquashRoot, export.Caller{UID: 7, GID: 8, Groups: []uint32{9}}, pmemfs.Cred{UID: 7, GID: 8, Groups: []uint32{9}}},
		{export.SquashRoot, export.Caller{Groups: []uint32{0, 5}}, pmemfs.Cred{UID: anonymous, GID: anonymous, Groups: []uint32{anonymous, 5}}},
		{export.SquashRoot, export.Caller{UID: 7, Groups: []uint32{}}, pmemfs.Cred{UID: 7, GID: anonymous}},
		{export.SquashRoot, export.Caller{UID: 7, GID: none}, pmemfs.Cred{UID: 7, GID: anonymous}},
		{export.SquashNone, export.Caller{UID: none, GID: none, Groups: []uint32{none, 5}},
			pmemfs.Cred{UID: anonymous, GID: anonymous, Groups: []uint32{anonymous, 5}}},
		{export.SquashAll, export.Caller{UID: 7, GID: 8, Groups: []uint32{0}}, pmemfs.Cred{UID: anonymous, GID: anonymous}},
		{export.SquashAll, export.Caller{UID: none, GID: none}, pmemfs.Cred{UID: anonymous, GID: anonymous}},
		{export.SquashNone + 1, export.Caller{UID: 7, GID: 8, Groups: []uint32{9}}, pmemfs.Cred{UID: anonymous, GID: anonymous}},
		{export.SquashNone, export.Caller{Anonymous: true, UID: 7, GID: 8, Groups: []uint32{9}}, pmemfs.Cred{UID: anonymous, GID: anonymous}},
		{export.SquashRoot, export.Caller{Anonymous: true}, pmemfs.Cred{UID: anonymous, GID: anonymous}},
	} {
		e := export.Default()
		e.Squash = c.squash
		c.caller.Groups = slices.Clone(c.caller.Groups)
		said := c.caller
		got := e.Cred(c.caller)
		if got.UID != c.want.UID || got.GID != c.want.GID || !slices.Equal(got.Groups, c.want.Groups) {
			t.Errorf("%v of %+v is %+v, want %+v", c.squash, said, got, c.want)
		}
		if n := testing.AllocsPerRun(10, func() { e.Cred(c.caller) }); n != 0 {
			t.Errorf("%v allocates %v times", c.squash, n)
		}
	}
}
