package nlm

import (
	"testing"

	"pmemfs/server/export"
)

// TestSnapshots locks a file in a snapshot. When the snapshot is gone its locks can still be let go, and where an export shows no snapshots
// there are none to lock.
func TestSnapshots(t *testing.T) {
	x := newSite(t)
	sn, err := x.eng.CreateSnapshot("one", "")
	must(t, err)
	a := x.client(1, 4)
	x.files[0] = x.files[0].In(sn.Epoch)
	a.open("/", 0)
	a.gets(granted, procNMLock, want{svid: 7})
	must(t, x.eng.DeleteSnapshot("one"))
	a.gets(staleHandle, procNMLock, want{svid: 8})
	a.gets(granted, procUnlock, want{svid: 7})
	if n := x.eng.LockUsage(); n.Units != 0 {
		t.Errorf("locks are left: %+v", n)
	}
	sn, err = x.eng.CreateSnapshot("two", "")
	must(t, err)
	x.files[0] = x.files[0].In(sn.Epoch)
	a.open("/", 0)
	e := export.Default()
	e.Snapshots = export.SnapshotsDisabled
	set, err := export.NewSet([]export.Export{e})
	must(t, err)
	x.table.Store(set)
	a.gets(staleHandle, procNMLock, want{svid: 7})
}
