package bench

import "testing"

func TestMountOf(t *testing.T) {
	const mounts = `1 1 0:2 / / rw shared:1 - rootfs rootfs rw
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
23 22 0:21 / /dev rw - devtmpfs dev rw
24 23 0:22 / /dev/shm rw,nosuid master:3 propagate_from:2 - tmpfs shm rw,inode64
30 22 259:0 / /mnt/p\040m rw - xfs /dev/pmem0 rw,attr2,dax=always
31 30 259:1 / /mnt/p\040m rw - ext4 /dev/pmem1 rw
32 22 259:2 / /pmem rw,noatime - xfs /dev/pmem2 rw,dax=always,noquota
`
	for _, c := range []struct{ path, want string }{
		{"/", "ext4"}, {"/home", "ext4"}, {"/device", "ext4"}, {"/dev/shm", "tmpfs"}, {"/dev/shm/x", "tmpfs"}, {"/dev/shmx", "devtmpfs"},
		{"/mnt/p m/x", "ext4"}, {"/pmem/a/b", "xfs -o dax=always"},
	} {
		if got, err := mountOf(mounts, c.path); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.path, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "1 1 0:2 / /\n", "30 22 259:0 / /mnt rw - xfs /dev/pmem0 rw\n"} {
		if got, err := mountOf(bad, "/pmem"); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}
