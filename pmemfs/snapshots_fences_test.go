package pmemfs

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// snapshotFirst makes the first snapshot of an image.
func snapshotFirst(f *fixture) (want, got []uint64) {
	return []uint64{3}, []uint64{f.fences(func() error { _, err := f.fs.CreateSnapshot("one", ""); return err })}
}

// snapshotCalls makes a second snapshot, holds and releases it, and deletes it while nothing has changed.
func snapshotCalls(f *fixture) (want, got []uint64) {
	must(f.t, errOf(f.fs.CreateSnapshot("one", "")))
	for _, call := range []func() error{
		func() error { return errOf(f.fs.CreateSnapshot("two", "")) },
		func() error { return f.fs.HoldSnapshot("two", "tag") },
		func() error { return f.fs.ReleaseSnapshot("two", "tag") },
	} {
		want, got = append(want, 1), append(got, f.fences(call))
	}
	// The record that deletes it, and the one behind the last entry.
	return append(want, 1+1), append(got, f.fences(func() error { return f.fs.DeleteSnapshot("two") }))
}

// snapshotFrees deletes a snapshot that holds files of one block each, and directories' nodes.
func snapshotFrees(f *fixture) (want, got []uint64) {
	const files = 200
	for i := range files {
		a, err := f.fs.Create(&f.c, nil, f.tree, fmt.Appendf(nil, "s%d", i), &CreateOptions{})
		must(f.t, err)
		_, _, err = f.fs.Write(&f.c, nil, a.Handle, []byte("text"), 0)
		must(f.t, err)
	}
	must(f.t, errOf(f.fs.CreateSnapshot("one", "")))
	for i := range files {
		must(f.t, f.fs.Unlink(&f.c, nil, f.tree, fmt.Appendf(nil, "s%d", i)))
	}
	records := uint64(0) // of each shard, as the entries are
	counts := map[int]int{}
	must(f.t, f.fs.snaps.Each(0, layout.EpochMax+1, f.fs.guarded, func(_ uint64, k layout.Kept) error {
		counts[layout.ShardOf(k.Owner, uint32(f.fs.snaps.Shards()))]++
		return nil
	}))
	for _, n := range counts {
		records += uint64(n+63) / 64
	}
	return []uint64{1 + records + 1}, []uint64{f.fences(func() error { return f.fs.DeleteSnapshot("one") })}
}

// snapshotChanges does after a snapshot what takes one fence without, and then once more.
func snapshotChanges(f *fixture) (want, got []uint64) {
	a, err := f.fs.Create(&f.c, nil, f.tree, []byte("a"), &CreateOptions{})
	must(f.t, err)
	for range 2 {
		_, _, err = f.fs.Write(&f.c, nil, a.Handle, make([]byte, 64<<10), 0)
		must(f.t, err)
	}
	must(f.t, errOf(f.fs.CreateSnapshot("one", "")))
	for range 2 {
		for _, x := range []struct {
			fences uint64
			call   func() error
		}{
			{1, func() error { return errOf(f.fs.Setattr(&f.c, nil, a.Handle, &SetAttr{Mask: SetMode, Mode: 0o600})) }},
			{1, func() error { return errOfWrite(f.fs.Write(&f.c, nil, a.Handle, make([]byte, 4096), 8192)) }},
			{2, func() error { return errOfWrite(f.fs.Write(&f.c, nil, a.Handle, make([]byte, 32<<10), 16<<10)) }},
			{1, func() error { return errOf(f.fs.Create(&f.c, nil, f.tree, []byte("b"), &CreateOptions{})) }},
			{1, func() error { return f.fs.Rename(&f.c, nil, f.tree, []byte("b"), f.root, []byte("c"), 0) }},
			{1, func() error { return f.fs.Unlink(&f.c, nil, f.root, []byte("c")) }},
			{1, func() error { return errOf(f.fs.Mkdir(&f.c, nil, f.tree, []byte("d"), nil)) }},
			{1, func() error { return f.fs.Rmdir(&f.c, nil, f.tree, []byte("d")) }},
			{1, func() error { return errOf(f.fs.Setattr(&f.c, nil, a.Handle, &SetAttr{Mask: SetSize, Size: 50000})) }},
		} {
			want, got = append(want, x.fences), append(got, f.fences(x.call))
		}
	}
	return want, got
}

func errOf[T any](_ T, err error) error { return err }

func errOfWrite(_ int, _ Attr, err error) error { return err }
