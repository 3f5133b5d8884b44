package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestTwoClients has two kernels on one server. What one wrote and closed the other must see when it opens the file (close-to-open
// consistency), and names that one changed must be right for the other when it looks after its cache of
// them has run out, which here is at once. Each check goes in both directions.
func TestTwoClients(t *testing.T) {
	t.Parallel()
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "256MiB", "--squash", "none")
	a, b := bootClient(t), bootClient(t)
	for _, c := range []client{a, b} {
		// Attributes and names are asked for anew each time; data is cached as ever.
		c.mount(t, server.Port, "/mnt", "actimeo=0,lookupcache=none")
	}
	for i, pair := range [][2]client{{a, b}, {b, a}} {
		dir := fmt.Sprintf("/mnt/%d", i)
		pair[0].sh(t, "mkdir %s", dir)
		t.Run(fmt.Sprintf("direction %d", i), func(t *testing.T) { closeToOpen(t, pair[0], pair[1], dir) })
	}
	t.Run("with the usual cache", func(t *testing.T) {
		for _, c := range []client{a, b} {
			c.unmount(t, "/mnt")
			c.mount(t, server.Port, "/mnt", "")
		}
		// An open asks for attributes whatever is cached, so content is right without waiting.
		for i := range 20 {
			from, to := a, b
			if i%2 == 1 {
				from, to = b, a
			}
			from.sh(t, "echo %d >>/mnt/turns", i)
			to.want(t, fmt.Sprint(i), "tail -n 1 /mnt/turns")
			to.want(t, fmt.Sprint(i+1), "wc -l </mnt/turns")
		}
	})
	a.unmount(t, "/mnt")
	b.unmount(t, "/mnt")
}

// closeToOpen has one client change things below dir and another look at them.
func closeToOpen(t *testing.T, w, r client, dir string) {
	// The reader has each state in its cache when the writer makes the next one.
	w.sh(t, "echo first >%s/f", dir)
	r.want(t, "first", "cat %s/f", dir)
	w.sh(t, "echo second >%s/f", dir) // another content of nearly the same size
	r.want(t, "second", "cat %s/f", dir)
	w.sh(t, "echo SECOND >%s/f", dir) // and of the same
	r.want(t, "SECOND", "cat %s/f", dir)
	for i := range 5 {
		w.sh(t, "echo line %d >>%s/f", i, dir)
		r.want(t, fmt.Sprint("line ", i), "tail -n 1 %s/f", dir)
	}
	sum := w.sh(t, "guest big %s/big 4 %d", dir, len(dir))
	r.want(t, sum, "guest sha %s/big", dir)
	sum = w.sh(t, "guest big %s/big 4 99", dir) // in place
	r.want(t, sum, "guest sha %s/big", dir)
	w.sh(t, "truncate -s 5 %s/f", dir)
	r.want(t, "SECON", "cat %s/f", dir)

	w.sh(t, "mv %s/f %s/g", dir, dir)
	r.fails(t, "No such file", "cat %s/f", dir)
	r.want(t, "SECON", "cat %s/g", dir)
	r.want(t, "big\ng", "ls -1 %s", dir)
	w.sh(t, "echo over >%s/h; mv %s/h %s/g", dir, dir, dir) // onto what the reader knows
	r.want(t, "over", "cat %s/g", dir)
	w.sh(t, "chmod 600 %s/g; ln %s/g %s/i; ln -s g %s/s", dir, dir, dir, dir)
	r.want(t, "600 2", "stat -c '%%a %%h' %s/g", dir)
	r.want(t, "over", "cat %s/s", dir)
	// Something made by the reader that the writer then replaces.
	r.sh(t, "mkdir %s/d; echo mine >%s/d/x", dir, dir)
	w.want(t, "mine", "cat %s/d/x", dir)
	w.sh(t, "rm -r %s/d; echo file >%s/d", dir, dir)
	r.want(t, "file", "cat %s/d", dir)
	removedWhileOpen(t, w, r, dir)
	w.sh(t, "rm %s/*", dir)
	r.want(t, "", "ls -A %s", dir)
}

// removedWhileOpen removes what the other client has open: it is told ESTALE, never shown another file's content.
func removedWhileOpen(t *testing.T, w, r client, dir string) {
	r.sh(t, "echo kept >%s/open", dir)
	r.sh(t, "(exec 5<%s/open; touch /tmp/opened; while test -e /tmp/opened; do sleep 0.05; done; cat <&5; echo status $?) >/tmp/said 2>&1 & while ! test -e /tmp/opened; do sleep 0.05; done", dir)
	w.sh(t, "rm %s/open; echo another >%s/open", dir, dir)
	r.sh(t, "echo 3 >/proc/sys/vm/drop_caches; rm /tmp/opened; while ! grep -q status /tmp/said; do sleep 0.05; done")
	said := r.sh(t, "cat /tmp/said")
	if strings.Contains(said, "another") || (!strings.Contains(said, "tale") && !strings.Contains(said, "kept")) {
		t.Errorf("a file that was removed elsewhere while it was open says %q", said)
	}
	r.want(t, "another", "cat %s/open", dir)
}
