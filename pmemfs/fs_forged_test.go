package pmemfs

import (
	"bytes"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestForgedRecord writes file data that looks like journal records, as any client can. It lies in the ring, so that
// recovery comes across it; nothing of it may count.
func TestForgedRecord(t *testing.T) {
	fs := memFS(t, 16<<20)
	c := &Cred{UID: 1000}
	root := &Cred{}
	if _, err := fs.Setattr(root, nil, fs.Root(), &SetAttr{Mask: SetMode, Mode: 0o777}); err != nil {
		t.Fatal(err)
	}
	a, err := fs.Create(c, nil, fs.Root(), []byte("f"), &CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	forged := make([]byte, layout.LineSize)
	h := layout.RecordHead{Length: layout.RecordHeader, Seq: 1 << 40, Epoch: fs.j.Epoch(), Fenced: 1<<40 - 1}
	layout.EncodeRecordHead(forged, &h, layout.CRC(nil))
	for shift := range layout.LineSize / 8 { // wherever in a line the data begins
		p := append(make([]byte, 8*shift), bytes.Repeat(forged, 60)...)
		if _, _, err := fs.Write(c, nil, a.Handle, p, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.SyncAll(); err != nil {
		t.Fatal(err)
	}
	next := mountBytes(t, fs.region.Bytes())
	checkFS(t, next)
	closeFS(t, next)
	checkFS(t, fs)
	closeFS(t, fs)
}
