package ninep_test

import (
	"syscall"
	"testing"

	"pmemfs/server/export"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// TestSnapshotsDisabled has fids of snapshots when the export comes to show them no more: they lead nowhere.
func TestSnapshotsDisabled(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	f.file(c, 1, "file", "then", 0o644)
	f.ok(c.Do(ninetest.Clunk, uint32(1)))
	_, err := f.eng.CreateSnapshot("one", "")
	f.ok(err)
	f.walk(c, 0, 1, ".snapshots", "one")
	f.walk(c, 0, 2, ".snapshots", "one", "file")
	f.walk(c, 0, 3, "file")
	f.fails(syscall.EROFS, c.Open(2, 1))
	f.ok(c.Open(2, 0))
	e := export.Default()
	e.Squash, e.Snapshots = export.SquashNone, export.SnapshotsDisabled
	f.export(e)
	_, err = c.Read(2, 0, 10)
	f.fails(syscall.ESTALE, err)
	_, err = c.Walk(1, 4, "file")
	f.fails(syscall.ESTALE, err)
	_, err = c.Walk(0, 4, ".snapshots")
	f.fails(syscall.ENOENT, err)
	_, err = c.Getattr(3)
	f.ok(err)
}
