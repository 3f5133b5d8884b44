package pmemfs

import (
	"fmt"
	"testing"
)

// TestExchangeCtime exchanges two names: both files have changed now.
func TestExchangeCtime(t *testing.T) {
	fs := memFS(t, 8<<20)
	c := &Cred{}
	var as [2]Attr
	for i := range as {
		var err error
		if as[i], err = fs.Create(c, nil, fs.Root(), fmt.Appendf(nil, "%d", i), &CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.Rename(c, nil, fs.Root(), []byte("0"), fs.Root(), []byte("1"), RenameExchange); err != nil {
		t.Fatal(err)
	}
	for i, old := range as {
		if a, err := fs.Getattr(nil, old.Handle); err != nil || a.Ctime <= as[1].Ctime || a.Change <= old.Change {
			t.Errorf("file %d: ctime %d, change %d, %v; they were %d and %d", i, a.Ctime, a.Change, err, old.Ctime, old.Change)
		}
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
