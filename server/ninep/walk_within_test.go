package ninep_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"pmemfs/server/export"
	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// TestClimbWhileMoved walks up from a directory that another client, who may, moves in and out of an export: it never comes to what is
// outside, by name or by what is listed.
func TestClimbWhileMoved(t *testing.T) {
	f := serve(t, ninep.Limits{})
	root := f.mount(0)
	mkdir := func(dir uint32, name string, fid uint32) uint64 {
		q, err := root.Made(ninetest.Mkdir, dir, name, uint32(0o755), uint32(0))
		f.ok(err)
		f.walk(root, dir, fid, name)
		return q.Path
	}
	inside := map[uint64]bool{}
	inside[mkdir(0, "top", 1)] = true
	mkdir(0, "out", 2)
	inside[mkdir(1, "in", 3)] = true
	inside[mkdir(3, "moved", 4)] = true
	inside[mkdir(4, "deep", 5)] = true
	whole, sub := export.Default(), export.Default()
	sub.Name, sub.Subtree = "/x", "/top"
	whole.Squash, sub.Squash = export.SquashNone, export.SquashNone
	f.export(whole, sub)
	var wg sync.WaitGroup
	var stop atomic.Bool
	for i, path := range [][]string{{"in", "moved"}, {"in", "moved", "deep"}} {
		c := f.dial()
		f.ok(c.Begin(8192, 0, "/x", 0))
		f.walk(c, 0, 1, path...)
		f.walk(c, 1, 2)
		f.ok(c.Open(2, 0))
		wg.Go(func() {
			defer stop.Store(true)
			for range 2000 {
				list, err := c.Walk(1, 3, "..", "..", "..")
				if err == nil && len(list) == 3 {
					err = c.Do(ninetest.Clunk, uint32(3))
				}
				for _, q := range list {
					if !inside[q.Path] {
						t.Errorf("walker %d came to inode %d", i, q.Path)
						return
					}
				}
				entries, listErr := c.Readdir(2, 0, 4096)
				if err = errors.Join(err, listErr); err != nil {
					t.Error(err)
					return
				}
				for _, e := range entries {
					if !inside[e.Qid.Path] {
						t.Errorf("walker %d sees inode %d, as %q", i, e.Qid.Path, e.Name)
						return
					}
				}
			}
		})
	}
	for !stop.Load() {
		f.ok(root.Do(ninetest.Renameat, uint32(3), "moved", uint32(2), "moved"))
		f.ok(root.Do(ninetest.Renameat, uint32(2), "moved", uint32(3), "moved"))
	}
	wg.Wait()
}
