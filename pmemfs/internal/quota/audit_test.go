package quota

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volumetest"
)

// TestAuditAfterAudit ends an audit, and begins another one, while an operation is being committed: what it changes of an inode that the first
// one has counted is not for the second one, which will count that inode as it is then.
func TestAuditAfterAudit(t *testing.T) {
	v, q := accounts(t)
	ino, _ := volumetest.File(t, v)
	first, err := q.Begin()
	if err != nil {
		t.Fatal(err)
	}
	first.Counted(ino + 1)
	op := v.Alloc.Begin()
	defer op.Done()
	in, err := v.Inodes.Edit(op, ino)
	if err != nil {
		t.Fatal(err)
	}
	in.SetFlags(layout.FlagCounted)
	in.SetUID(7)
	if err := q.Charge(op); err != nil {
		t.Fatal(err)
	}
	first.End()
	second, err := q.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer second.End()
	q.Charged(op, true)
	if len(first.taken) == 0 || len(second.taken) > 0 {
		t.Errorf("the first one has %v, the second one %v", first.taken, second.taken)
	}
}
