package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

// TestKillLoopNotices does behind a user's back what a bad server would do in
// a kill, each to a user of its own, and demands that the comparison says so.
func TestKillLoopNotices(t *testing.T) {
	damages := []struct {
		name   string
		damage func(c *rawnfs.Client, w *worker) error
		want   string // in what recover says, "" for nothing
	}{
		{"nothing", func(*rawnfs.Client, *worker) error { return nil }, ""},
		{"call under way not carried out", func(_ *rawnfs.Client, w *worker) error {
			w.flight = w.append()
			return nil
		}, ""},
		{"call under way carried out", func(c *rawnfs.Client, w *worker) error {
			w.flight = w.appendUnstable()
			_, err := w.flight.send(c)
			return err
		}, ""},
		{"record lost", func(c *rawnfs.Client, w *worker) error {
			return c.Truncate(w.appends, uint64((w.known.records-1)*w.size))
		}, "what cannot be"},
		{"record cut", func(c *rawnfs.Client, w *worker) error {
			return c.Truncate(w.appends, uint64(w.known.records*w.size-1))
		}, "records have"},
		{"record nobody wrote", func(c *rawnfs.Client, w *worker) error {
			return w.put(c, w.appends, w.known.records, record(w.id, 0, w.known.records, w.size))
		}, "what cannot be"},
		{"overwrite torn", func(c *rawnfs.Client, w *worker) error {
			w.flight = w.overwriteSlot(3)
			return w.put(c, w.slots, 3, record(w.id, 3, w.known.slots[3]+1, w.size)[:w.size-7])
		}, "torn record"},
		{"overwrite lost", func(c *rawnfs.Client, w *worker) error {
			return w.put(c, w.slots, 3, record(w.id, 3, w.known.slots[3]-1, w.size))
		}, "what cannot be"},
		{"name lost", func(c *rawnfs.Client, w *worker) error { return c.Remove(w.dir, "first", false) }, "what cannot be"},
		{"name of another file", func(c *rawnfs.Client, w *worker) error { return c.Rename(w.dir, "second", "first") }, "what cannot be"},
		{"rename half done", func(c *rawnfs.Client, w *worker) error {
			w.flight = w.rename("first")
			return c.Remove(w.dir, "first", false)
		}, "what cannot be"},
		{"handle dead", func(_ *rawnfs.Client, w *worker) error {
			w.appends = w.gone[0].handle
			return nil
		}, "nfsstat3 70"},
		{"removed file alive", func(_ *rawnfs.Client, w *worker) error {
			w.gone = append(w.gone, w.known.names["first"])
			return nil
		}, "removed file"},
	}
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none", "--durability", "process")
	workers := make([]*worker, len(damages))
	c := dialRaw(t, server.Addr())
	root, err := c.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	for i := range damages {
		workers[i] = prepared(t, c, root, i)
	}
	server.Kill()
	server.Start()
	c = dialRaw(t, server.Addr())
	for i, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			if err := d.damage(c, workers[i]); err != nil {
				t.Fatal(err)
			}
			err := workers[i].recover(c)
			if d.want == "" && err != nil || d.want != "" && (err == nil || !strings.Contains(err.Error(), d.want)) {
				t.Errorf("recover: %v, want %q", err, d.want)
			}
		})
	}
	t.Run("verifier kept", func(t *testing.T) {
		workers[0].unstable = true
		if err := workers[0].recover(c); err == nil || !strings.Contains(err.Error(), "verifier") {
			t.Errorf("recover without a kill: %v", err)
		}
	})
}

// prepared makes a user that has records, overwritten ones, the names "first"
// and "second", and a removed file.
func prepared(t *testing.T, c *rawnfs.Client, root rawnfs.Handle, id int) *worker {
	t.Helper()
	w, err := newWorker(c, root, id, 1)
	if err != nil {
		t.Fatal(err)
	}
	do := func(op operation) {
		t.Helper()
		if err := w.do(c, op); err != nil {
			t.Fatal(err)
		}
	}
	do(w.append())
	do(w.appendUnstable())
	do(w.overwriteSlot(3))
	for _, n := range []string{"first", "second", "removed"} {
		do(w.createAs(n, false))
	}
	do(w.remove("removed"))
	return w
}

func dialRaw(t *testing.T, addr string) *rawnfs.Client {
	t.Helper()
	c, err := rawnfs.Dial(addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
