package ninep_test

import (
	"syscall"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// TestQuotas meets the quota of a directory tree, and sees it in what Tstatfs says of the tree.
func TestQuotas(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c := f.mount(0)
	const root = uint32(0)
	_, err := c.Made(ninetest.Mkdir, root, "d", uint32(0o777), uint32(0))
	f.ok(err)
	f.file(c, 1, "out", "", 0o644)
	f.ok(c.Do(ninetest.Clunk, uint32(1)))
	d, err := f.eng.Lookup(&pmemfs.Cred{}, nil, f.eng.Root(), []byte("d"))
	f.ok(err)
	id, err := f.eng.SetTreeQuota(d.Handle, pmemfs.QuotaLimits{HardBytes: 1 << 20, HardFiles: 3})
	f.ok(err)
	for q := (pmemfs.Quota{Converting: true}); q.Converting; {
		q, err = f.eng.QuotaOf(pmemfs.QuotaProject, id)
		f.ok(err)
	}
	f.walk(c, root, 2, "d")
	f.walk(c, root, 3, "d")
	f.ok(c.Create(3, "f", 2, 0o644, 0))
	if _, err := c.Write(3, 0, make([]byte, 512<<10)); err != nil {
		t.Error(err)
	}
	_, err = c.Write(3, 512<<10, make([]byte, 768<<10))
	f.fails(syscall.EDQUOT, err)
	_, err = c.Made(ninetest.Mkdir, uint32(2), "e", uint32(0o755), uint32(0))
	f.ok(err)
	_, err = c.Made(ninetest.Mkdir, uint32(2), "g", uint32(0o755), uint32(0))
	f.fails(syscall.EDQUOT, err)
	f.fails(syscall.EXDEV, c.Do(ninetest.Renameat, root, "out", uint32(2), "in"))
	st, err := c.Call(ninetest.Statfs, uint32(2))
	f.ok(err)
	st.Bytes(8)
	if total, free := st.Uint64(), st.Uint64(); total != 256 || free < 100 || free > 128 {
		t.Errorf("statfs says %d blocks, %d free", total, free)
	}
}
