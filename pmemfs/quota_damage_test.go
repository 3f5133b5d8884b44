package pmemfs

import (
	"fmt"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestQuotaBadSlots lets the memory of accounts go bad: everybody can go on, what is used is not known, and a repair counts anew.
func TestQuotaBadSlots(t *testing.T) {
	s := operateQuotas(t, false)
	_, off := s.slot(layout.AccountKey(layout.AccountUser, 9))
	for _, when := range []string{"before the first use", "at a checkpoint"} {
		t.Run(when, func(t *testing.T) {
			fs, path := faulty(t, 16<<20)
			fs.region.Write(0, s.medium)
			must(t, fs.region.Close())
			fs, err := Open(path, Options{NoBackground: true})
			must(t, err)
			b := &bench{FS: fs, t: t, root: fs.Root()}
			if when == "at a checkpoint" {
				_, err := b.QuotaOf(QuotaUser, 9)
				b.must(err)
			}
			heal := poison(t, fs.region, layout.BlockOf(off))
			for i := range 20 {
				f := b.create(b.root, fmt.Sprint(i))
				b.write(f, 5000, 0)
				_, err := b.Setattr(superuser, nil, f, &SetAttr{Mask: SetUID, UID: 9})
				b.must(err)
			}
			b.must(b.SyncAll())
			if q, err := b.QuotaOf(QuotaUser, 9); err != nil || q.Damaged != (when == "before the first use") {
				t.Errorf("%+v, %v", q, err)
			}
			heal()
			closeFS(t, fs)
			r, err := Repair(path, RepairOptions{})
			must(t, err)
			reportFaults(t, r.After, nil)
			fs, err = Open(path, Options{NoBackground: true})
			must(t, err)
			b = &bench{FS: fs, t: t, root: fs.Root()}
			b.used(QuotaUser, 9, 20*8192, 20)
			checkFS(t, fs)
			closeFS(t, fs)
		})
	}
}
