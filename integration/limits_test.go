package integration

import "testing"

// linkSteps asserts the known limits of the go-nfs stack: it cannot LINK, and
// its MKNOD makes nothing. They must fail for the user, and leave no trace.
func linkSteps(t *testing.T, c client) {
	c.sh(t, "mkdir /mnt/l; echo x >/mnt/l/f")
	c.fails(t, "", "ln /mnt/l/f /mnt/l/hard")
	c.want(t, "x", "cat /mnt/l/f")
	c.want(t, "1", "stat -c %%h /mnt/l/f")
	c.fails(t, "", "mkfifo /mnt/l/fifo && test -p /mnt/l/fifo")
	c.fails(t, "", "mknod /mnt/l/null c 1 3 && test -c /mnt/l/null")
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, "f", "ls -1 /mnt/l")
}
