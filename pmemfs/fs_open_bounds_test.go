package pmemfs

import (
	"bytes"
	"errors"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestOpenBounded opens an image whose inode file says, under a right checksum, that it is larger than the image: it is
// refused before anything is made as large as it says. (Found by TestDamagePrograms.)
func TestOpenBounded(t *testing.T) {
	s := operate(t, false)
	s.medium = bytes.Clone(s.medium)
	s.edit(layout.InodeFileIno, func(in layout.Inode) { in.SetSize(1 << 60) })
	bounded(t, func() {
		region := memoryOf(t, s.medium)
		if _, err := mount(region, Options{NoBackground: true}); !errors.Is(err, layout.ErrDamaged) {
			t.Errorf("opened: %v", err)
		}
		if err := region.Close(); err != nil {
			t.Error(err)
		}
	})
}
