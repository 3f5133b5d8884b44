package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestSnapshotRemovals has a kernel remove a tree and git collect garbage while snapshots that have both are deleted one after the other, and a
// last one stays: what is live and what the last snapshot has must be whole, and the image, too.
func TestSnapshotRemovals(t *testing.T) {
	t.Parallel()
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "256MiB", "--squash", "none")
	c := bootClientWith(t, harness.HostPrograms(t, "git"))
	c.mount(t, server.Port, "/mnt", "hard")
	const git = "HOME=/tmp GIT_EXEC_PATH=/bin GIT_CONFIG_NOSYSTEM=1 git -c user.name=a -c user.email=a@b -c safe.directory='*' "
	snapshot := func(verb, name string) { harness.MustRun(t, t.TempDir(), "snapshot", verb, server.Image, name) }
	const snapshots = 12
	// Each snapshot has a commit more, in loose objects, and a file more in the tree than the one before.
	c.sh(t, "guest tree /mnt/tree 20260303; mkdir /mnt/repo; cd /mnt/repo; %s init -q --template= .", git)
	for i := range snapshots {
		c.sh(t, "cd /mnt/repo; for f in a b c d e; do echo $f %d >$f; done; %s add . && %s commit -q -m %d; echo %d >/mnt/tree/n%d", i, git, git, i, i, i)
		snapshot("create", fmt.Sprint("s", i))
	}
	head, sum := c.sh(t, "%s -C /mnt/repo rev-parse HEAD", git), c.sh(t, "guest sum /mnt/tree")
	job := background(t, c, fmt.Sprintf("echo AT rm; rm -rf /mnt/tree && echo AT gc && %s -C /mnt/repo gc -q --prune=now", git))
	job.waitLines(t, "AT rm", 1)
	for i := range snapshots - 1 {
		snapshot("delete", fmt.Sprint("s", i))
		if i == snapshots/2 {
			job.waitLines(t, "AT gc", 1)
		}
	}
	job.wait(t)
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	last := fmt.Sprintf("/mnt/.snapshots/s%d", snapshots-1)
	c.want(t, "repo", "ls /mnt")
	c.want(t, sum, "guest sum %s/tree", last)
	for _, repo := range []string{"/mnt/repo", last + "/repo"} {
		c.sh(t, "%s -C %s fsck --full --strict", git, repo)
		c.want(t, head, "%s -C %s rev-parse HEAD", git, repo)
		c.want(t, fmt.Sprint(snapshots), "%s -C %s rev-list --count HEAD", git, repo)
	}
	// Of the live one all is packed; in the snapshot it is as it was.
	if count := c.sh(t, "%s -C /mnt/repo count-objects", git); !strings.HasPrefix(count, "0 objects") {
		t.Errorf("after a collection there are %s", count)
	}
	if count := c.sh(t, "%s -C %s/repo count-objects", git, last); strings.HasPrefix(count, "0 objects") {
		t.Errorf("the snapshot has %s", count)
	}
	c.unmount(t, "/mnt")
	server.Stop()
	harness.Check(t, server.Image)
	snapshot("delete", fmt.Sprint("s", snapshots-1))
	harness.Check(t, server.Image)
}
