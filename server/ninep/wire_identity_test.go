package ninep_test

import (
	"fmt"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// TestIdentity makes and removes files over several mounts of a filesystem: no two ever have the same qid, though they have the same
// numbers. A file's own stays, whatever is written to it: a client that caches what it writes would take it for another file.
func TestIdentity(t *testing.T) {
	image := t.TempDir() + "/image"
	f := &fixture{t: t, unix: t.TempDir() + "/s"}
	seen := map[ninetest.Qid]string{}
	numbers := map[uint64]bool{}
	var kept ninetest.Qid
	for mount := range 6 {
		t.Run(fmt.Sprint("mount ", mount), func(t *testing.T) {
			f.t = t
			f.open(image, mount == 0)
			c := f.mount(0)
			for i := range 100 {
				fid := uint32(i + 1)
				f.file(c, fid, "f", "some content", 0o644)
				a, err := c.Getattr(fid)
				f.ok(err)
				if was := seen[a.Qid]; was != "" {
					t.Fatalf("file %d of mount %d has the qid %+v of %s", i, mount, a.Qid, was)
				}
				seen[a.Qid], numbers[a.Qid.Path] = fmt.Sprintf("file %d of mount %d", i, mount), true
				if a.Qid.Version == 0 || a.Gen != uint64(a.Qid.Version) {
					t.Errorf("version %d, generation %d", a.Qid.Version, a.Gen)
				}
				f.ok(c.Do(ninetest.Unlinkat, uint32(0), "f", uint32(0)))
				f.ok(c.Do(ninetest.Clunk, fid))
			}
			kept = f.keepsQid(c, kept)
		})
	}
	if len(numbers) > len(seen)/2 {
		t.Errorf("%d numbers for %d files: nothing came twice", len(numbers), len(seen))
	}
}

// keepsQid changes a file in every way and wants its qid to be what it was, also in the mount before.
func (f *fixture) keepsQid(c *ninetest.Client, was ninetest.Qid) ninetest.Qid {
	f.t.Helper()
	const fid = 1000
	if list, err := c.Walk(0, fid, "kept"); err == nil && len(list) == 1 {
		f.ok(c.Open(fid, openRDWR))
	} else {
		f.file(c, fid, "kept", "content", 0o644)
	}
	for _, change := range []func() error{
		func() error { return nil },
		func() error { _, err := c.Write(fid, 100, []byte("more")); return err },
		func() error {
			return c.Do(ninetest.Setattr, uint32(fid), uint32(1|8), uint32(0o600), uint32(0), uint32(0), uint64(5), ninetest.Raw(make([]byte, 32)))
		},
		func() error { return c.Do(ninetest.Link, uint32(0), uint32(fid), "second") },
		func() error { return c.Do(ninetest.Unlinkat, uint32(0), "second", uint32(0)) },
	} {
		f.ok(change())
		a, err := c.Getattr(fid)
		f.ok(err)
		if was != (ninetest.Qid{}) && a.Qid != was {
			f.t.Errorf("the qid of a file was %+v and is %+v", was, a.Qid)
		}
		was = a.Qid
	}
	return was
}

// open serves an image of a file until the test ends.
func (f *fixture) open(image string, anew bool) {
	f.t.Helper()
	if anew {
		f.ok(pmemfs.Format(image, pmemfs.FormatOptions{Size: imageBytes}))
	}
	var err error
	if f.eng, err = pmemfs.Open(image, pmemfs.Options{Volatile: true}); err != nil {
		f.t.Fatal(err)
	}
	f.exportWhole()
	f.listen(ninep.Limits{})
}
