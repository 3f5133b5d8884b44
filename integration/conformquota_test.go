package integration

import (
	"pmemfs/integration/conformance"
	"pmemfs/pmemfs"
	"pmemfs/server/export"
)

// quotaCases are the cases of quotas, for a target whose engine is at hand and that begins at its root.
func quotaCases(eng *pmemfs.FS) []conformance.Case {
	return conformance.QuotaCases(func(path string, bytes, files uint64) error {
		a, err := export.Walk(eng, "/"+path)
		if err != nil {
			return err
		}
		id, err := eng.SetTreeQuota(a.Handle, pmemfs.QuotaLimits{HardBytes: bytes, HardFiles: files})
		for q := (pmemfs.Quota{Converting: true}); err == nil && q.Converting; {
			q, err = eng.QuotaOf(pmemfs.QuotaProject, id)
		}
		return err
	})
}
