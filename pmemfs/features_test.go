package pmemfs

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestKnownFormat holds the list of features to the bits that images are opened by.
func TestKnownFormat(t *testing.T) {
	bits := map[string]uint64{}
	names := map[string]bool{}
	for _, f := range KnownFormat().Features {
		bits[f.Class] |= 1 << f.Bit
		if names[f.Name] {
			t.Errorf("two features are called %s", f.Name)
		}
		names[f.Name] = true
	}
	if bits["ro-compat"] != layout.KnownROCompat || bits["incompat"] != layout.KnownIncompat || layout.KnownCompat != 0 {
		t.Errorf("listed %v, known %b and %b", bits, layout.KnownROCompat, layout.KnownIncompat)
	}
}
