package rpc

import (
	"testing"

	"pmemfs/pmemfs/testpart"
)

// FuzzXDR decodes any bytes as any sequence of items: no more is read than there is, and what failed stays failed.
func FuzzXDR(f *testing.F) {
	testpart.NotRace(f)
	f.Add([]byte("48bo0f"), []byte{0, 0, 0, 1, 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0})
	f.Add([]byte("ooo"), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, items, b []byte) {
		d := NewDecoder(b)
		failed := false
		for _, item := range items {
			before := len(d.Rest())
			var got []byte
			switch item % 5 {
			case 0:
				d.Uint32()
			case 1:
				d.Uint64()
			case 2:
				d.Bool()
			case 3:
				got = d.Opaque(int(item))
			case 4:
				got = d.Fixed(int(item))
			}
			if after := len(d.Rest()); after > before || len(got) > before-after {
				t.Fatalf("%d bytes of %d, %d are left", len(got), before, after)
			}
			if failed && (d.OK() || got != nil) {
				t.Fatal("went on after a failure")
			}
			failed = !d.OK()
		}
	})
}
