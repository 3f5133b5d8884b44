package pmemfs

import (
	"bytes"
	"fmt"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/testpart"
)

// TestRepairTrimmed destroys the inode of an inode file that has given back its end, grown again elsewhere or not, while a file has
// the old blocks allocated and unwritten: they hold free inodes with the same numbers, and are not the inode file's.
func TestRepairTrimmed(t *testing.T) {
	testpart.NotRace(t)
	for _, again := range []int{0, 100, 4000} {
		t.Run(fmt.Sprint(again), func(t *testing.T) {
			fs := memFS(t, 64<<20)
			d, err := fs.Mkdir(root, nil, fs.Root(), []byte("d"), nil)
			must(t, err)
			const made = 40_000 // more than an inode group
			makeMany(t, fs, d.Handle, made)
			for i := 10; i < made; i++ {
				must(t, fs.Unlink(root, nil, d.Handle, fmt.Appendf(nil, "%d", i)))
			}
			must(t, fs.SyncAll())
			s, err := fs.Statfs()
			must(t, err)
			hold := mkfile(t, fs, "allocated")
			must(t, fs.Allocate(root, nil, hold, 0, s.AvailBytes-4<<20, false))
			for i := range again {
				a, err := fs.Create(root, nil, fs.Root(), fmt.Appendf(nil, "again %d", i), &CreateOptions{})
				must(t, err)
				if i%100 == 0 {
					_, _, err = fs.Write(root, nil, a.Handle, []byte("data"), 0)
					must(t, err)
				}
			}
			off, err := fs.inodes.Offset(layout.InodeFileIno)
			must(t, err)
			must(t, fs.SyncAll())
			medium := bytes.Clone(fs.region.Bytes())
			must(t, fs.Close())
			was := checkMedium(t, medium)
			medium[off+100] ^= 1
			after, r := repaired(t, medium)
			reportFaults(t, r.After, nil)
			is, err := check.Run(after, nil)
			reportFaults(t, checkReport(is), err)
			if is.Files != was.Files || is.Dirs != was.Dirs || is.Names != was.Names || is.DataBlocks != was.DataBlocks {
				t.Errorf("%d files, %d directories, %d names, %d blocks; expected %d, %d, %d, %d", is.Files, is.Dirs, is.Names, is.DataBlocks,
					was.Files, was.Dirs, was.Names, was.DataBlocks)
			}
			for _, n := range r.Notes {
				if n.Lost {
					t.Errorf("%+v", n)
				}
			}
			closeFS(t, mountBytes(t, after))
		})
	}
}
