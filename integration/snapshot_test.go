package integration

import (
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// TestSnapshotKernel makes snapshots of a served image, below mounts of a kernel by NFS and 9P.
func TestSnapshotKernel(t *testing.T) {
	t.Parallel()
	snapshotMounts(t, bootClientWith(t, harness.HostPrograms(t, "rsync")))
}

// TestSnapshotNewerKernel is the same for the newer kernel.
func TestSnapshotNewerKernel(t *testing.T) {
	t.Parallel()
	snapshotMounts(t, bootEmulatedForward(t, nil, nil, harness.HostPrograms(t, "rsync")))
}

func snapshotMounts(t *testing.T, c client) {
	server, port, _ := serveNineP(t)
	t.Run("NFS", func(t *testing.T) {
		c.mount(t, server.Port, "/mnt", "")
		snapshotSteps(t, c, server.Image)
		c.unmount(t, "/mnt")
	})
	t.Run("9P", func(t *testing.T) {
		c.mountNineP(t, port, "/mnt", ninePOptions)
		snapshotSteps(t, c, server.Image)
		c.sh(t, "umount /mnt")
	})
}

// snapshotSteps makes, reads, compares, rolls back to and deletes a snapshot below /mnt.
func snapshotSteps(t *testing.T, c client, image string) {
	snapshot := func(args ...string) string {
		t.Helper()
		args = append([]string{"snapshot", args[0], image}, args[1:]...)
		r := harness.Run(t, t.TempDir(), args...)
		if r.Status != 0 {
			t.Fatalf("%v: %+v", args, r)
		}
		return r.Stdout
	}
	const at = "/mnt/.snapshots/one"
	c.sh(t, "cd /mnt; mkdir d && echo one >d/a && ln d/a d/b && ln -s a d/l && chmod 600 d/a && sync")
	snapshot("create", "one")
	c.sh(t, "cd /mnt; echo two >d/a && rm d/l && echo new >n && mv d/b d/c && sync")
	for _, x := range [][2]string{
		{"cat d/a", "two"}, {"cat .snapshots/one/d/a", "one"}, {"cat .snapshots/one/d/b", "one"}, {"readlink .snapshots/one/d/l", "a"},
		{"echo $(ls .snapshots/one/d)", "a b l"}, {"echo $(ls .snapshots)", "one"}, {"echo $(ls -A)", "d n"},
		{"echo $(ls .snapshots/one/../one/d/..)", "d"}, {"stat -c %h .snapshots/one/d/a", "2"}, {"stat -c %a .snapshots/one/d/a", "600"},
	} {
		c.want(t, x[1], "cd /mnt; %s", x[0])
	}
	for _, change := range []string{"echo x >d/a", "rm d/a", "mkdir m", "mv d/a d/z", "chmod 644 d/a", "touch d/new", "ln d/a d/z", "rmdir ../one", "mkdir ../two"} {
		c.fails(t, "", "cd %s && %s", at, change)
	}
	c.want(t, "one", "cat %s/d/a", at)
	// Programs that look for hard links must not take a file of the snapshot for the live one.
	c.want(t, "yes", "cd /mnt; a=$(stat -c %%i d/a); s=$(stat -c %%i .snapshots/one/d/a); b=$(stat -c %%i .snapshots/one/d/b); test $a != $s && test $s = $b && echo yes")
	c.want(t, "2", "find /mnt /mnt/.snapshots -samefile /mnt/d/a | sort -u | wc -l")
	c.want(t, "1", "cd /mnt; tar cf /tmp/t.tar d .snapshots/one/d; tar tvf /tmp/t.tar | grep -cE 'one/d/[ab] (->|link to) .snapshots/one/d/[ab]'")
	c.want(t, "2 2", "cd /mnt; rm -rf /tmp/r; mkdir /tmp/r; /bin/rsync -aH d .snapshots /tmp/r/ && echo $(stat -c %%h /tmp/r/d/a /tmp/r/.snapshots/one/d/a)")
	c.want(t, "one", "cat /tmp/r/.snapshots/one/d/a")
	diff := snapshot("diff", "one")
	for _, line := range []string{"M /d/a", "R /d/b -> /d/c", "- /d/l", "+ /n"} {
		if !strings.Contains(diff, line+"\n") {
			t.Errorf("diff says\n%s, without %s", diff, line)
		}
	}
	snapshot("rollback", "one")
	c.want(t, "one", "cd /mnt; cat d/a")
	c.want(t, "a b l", "cd /mnt; echo $(ls d)")
	c.fails(t, "", "cat /mnt/n")
	c.sh(t, "cd /mnt; echo three >d/a; sync")
	snapshot("delete", "one")
	c.fails(t, "", "cat %s/d/a", at)
	c.want(t, "three", "cat /mnt/d/a")
	c.sh(t, "rm -r /mnt/d")
}
