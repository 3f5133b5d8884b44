package integration

import (
	"fmt"
	"testing"

	"pmemfs/integration/conformance"
	"pmemfs/integration/harness"
	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

// snapshotCases are the cases of snapshots, for a target whose engine is at hand and that begins at its root; table, unless it is nil, has its
// export.
func snapshotCases(eng *pmemfs.FS, table *export.Table) []conformance.Case {
	s := &conformance.Snapshots{
		Create: func(name string) error {
			_, err := eng.CreateSnapshot(name, "")
			return err
		},
		Delete: eng.DeleteSnapshot,
	}
	if table != nil {
		s.Show = func(how string) error {
			e := export.Default()
			e.Squash = export.SquashNone
			var err error
			if e.Snapshots, err = export.ParseSnapshots(how); err != nil {
				return err
			}
			set, err := export.NewSet([]export.Export{e})
			if err != nil {
				return err
			}
			if missing := table.Store(set); len(missing) > 0 {
				return missing[0]
			}
			return nil
		}
	}
	return conformance.SnapshotCases(s)
}

// servedSnapshotCases are the cases of snapshots, for a target that a server of its own serves.
func servedSnapshotCases(t *testing.T, server *harness.Server) []conformance.Case {
	command := func(verb string) func(name string) error {
		return func(name string) error {
			if r := harness.Run(t, t.TempDir(), "snapshot", verb, "--", server.Image, name); r.Status != 0 {
				return fmt.Errorf("snapshot %s %q: %+v", verb, name, r)
			}
			return nil
		}
	}
	return conformance.SnapshotCases(&conformance.Snapshots{Create: command("create"), Delete: command("delete")})
}
