package pmem

import (
	"os"
	"testing"
)

// checkAllocated checks the file's size; its blocks were written, so that they exist.
func checkAllocated(t *testing.T, path string, size int64) {
	t.Helper()
	if st, err := os.Stat(path); err != nil || st.Size() != size {
		t.Errorf("%s: %v, %v, want %d bytes", path, st, err, size)
	}
}
