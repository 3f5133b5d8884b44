package integration

import "testing"

// linkSteps asserts what go-nfs by itself cannot do and pmemfs does in front of it: hard links and special files.
func linkSteps(t *testing.T, c client) {
	c.sh(t, "mkdir /mnt/l; echo x >/mnt/l/f; ln /mnt/l/f /mnt/l/hard")
	c.want(t, "2", "stat -c %%h /mnt/l/f")
	c.sh(t, "echo y >>/mnt/l/hard")
	c.want(t, "x\ny", "cat /mnt/l/f")
	c.fails(t, "", "ln /mnt/l/f /mnt/l/hard")
	c.sh(t, "mkfifo /mnt/l/fifo && test -p /mnt/l/fifo")
	c.sh(t, "mknod /mnt/l/null c 1 3 && test -c /mnt/l/null")
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, "1 3", "stat -c '%%t %%T' /mnt/l/null")
	c.want(t, "f\nfifo\nhard\nnull", "ls -1 /mnt/l")
	c.sh(t, "rm /mnt/l/f")
	c.want(t, "1", "stat -c %%h /mnt/l/hard")
	c.want(t, "x\ny", "cat /mnt/l/hard")
}
