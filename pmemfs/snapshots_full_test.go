package pmemfs

import (
	"fmt"
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// ownBlocks are the blocks of files that are the filesystem's own, by inode number.
func ownBlocks(t *testing.T, fs *FS) map[uint64]uint64 {
	t.Helper()
	own := map[uint64]uint64{}
	for ino := uint64(1); ino < layout.RootIno; ino++ {
		if in, err := fs.inodes.View(nil, ino); err == nil && !in.Free() {
			own[ino] = in.Blocks()
		}
	}
	return own
}

// TestSnapshotFull fills a filesystem whose snapshots have much that has changed since. Each removal succeeds all the same, and so does the
// deletion of each snapshot; then what is free is what was free at the beginning, but for the blocks of two files of the filesystem's own.
func TestSnapshotFull(t *testing.T) { bothWays(t, testSnapshotFull) }

func testSnapshotFull(t *testing.T, sums bool) {
	fs := memFSWith(t, 64<<20, sums)
	b := &bench{FS: fs, t: t, root: fs.Root()}
	before, own := statfs(t, fs), ownBlocks(t, fs)
	const dirs, each, snapshots = 10, 40, 6
	var ds []Handle
	var files [dirs][each]Handle
	for i := range dirs {
		ds = append(ds, b.mkdir(b.root, fmt.Sprint("d", i)))
		for k := range each {
			files[i][k] = b.create(ds[i], fmt.Sprint("f", k))
			b.write(files[i][k], 10000, 0)
		}
	}
	for s := range snapshots {
		must(t, errOf(fs.CreateSnapshot(fmt.Sprint("s", s), "")))
		for i := range dirs {
			for k := s; k < each; k += 3 {
				b.write(files[i][k], 5000, uint64(s)*1000)
			}
		}
	}
	b.fill(ds[0])
	t.Logf("full: %+v", statfs(t, fs))
	// Inodes, leaves and blocks of all that is removed stay in the snapshots.
	for i := range dirs {
		for k := range each {
			must(t, fs.Unlink(superuser, nil, ds[i], fmt.Append(nil, "f", k)))
		}
	}
	_, _, err := fs.Write(superuser, nil, b.create(b.root, "out"), make([]byte, 64<<20), 0)
	b.want("a write that does not fit", err, ErrNoSpace)
	for s := range snapshots {
		must(t, fs.DeleteSnapshot(fmt.Sprint("s", s)))
	}
	checkFS(t, fs)
	must(t, fs.Unlink(superuser, nil, b.root, []byte("out")))
	for i, d := range ds {
		for _, name := range b.names(d) {
			must(t, fs.Unlink(superuser, nil, d, []byte(name)))
		}
		must(t, fs.Rmdir(superuser, nil, b.root, fmt.Append(nil, "d", i)))
	}
	must(t, fs.SyncAll())
	_, space, err := fs.Snapshots()
	if err != nil || space != (SnapshotSpace{}) {
		t.Errorf("snapshots take %+v, %v", space, err)
	}
	kept := uint64(0)
	for ino, n := range ownBlocks(t, fs) {
		grown := n - own[ino]
		// The table of snapshots and that of its shards stay; the inode file gives back what it can at its end.
		if want := map[uint64]uint64{layout.SnapshotIno: 2}[ino]; grown != want && ino != layout.InodeFileIno {
			t.Errorf("inode %d has %d blocks more, expected %d", ino, grown, want)
		}
		kept += grown
	}
	if after := statfs(t, fs); after.FreeBytes+kept<<layout.BlockShift != before.FreeBytes {
		t.Errorf("%d bytes are free, %d were, and %d are in files of the filesystem's own", after.FreeBytes, before.FreeBytes, kept<<layout.BlockShift)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

func statfs(t *testing.T, fs *FS) Statfs {
	t.Helper()
	s, err := fs.Statfs()
	must(t, err)
	return s
}
