package integration

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/qemu"
	"pmemfs/integration/uml"
	"pmemfs/integration/vm"
)

// rootOptions are how a guest mounts its root.
const rootOptions = "trans=tcp,version=9p2000.L,msize=1048576,cache=mmap,access=user,port=%d"

// install makes a small system of the one in memory, on a mount, as people do: by copying.
const install = "cd /mnt && mkdir -p dev proc sys tmp run alice etc/init.d sbin usr/bin var secret && chmod 1777 tmp && chmod 700 secret && " +
	"cp -a /bin . && rm -f bin/[a-z]*[!x] bin/[[] && cp /bin/guest bin/ && ln -s ../bin/busybox sbin/init && chroot . /bin/busybox --install -s /bin && " +
	"cp /obey etc/init.d/ && cp /etc/passwd /etc/group etc/ && chown 1000:1000 alice && " +
	"ln bin/guest usr/bin/suid && cp bin/guest usr/bin/suid.tmp && mv usr/bin/suid.tmp usr/bin/suid && chmod 4711 usr/bin/suid && " +
	"mknod dev/null c 1 3 && mknod dev/console c 5 1 && " +
	"printf '::sysinit:/etc/init.d/rcS\\n::once:/etc/init.d/obey\\n::shutdown:/bin/umount -a -r\\n' >etc/inittab && " +
	"printf '#!/bin/sh\\nmount -t proc proc /proc\\nmount -t sysfs sys /sys\\nmount -t devtmpfs dev /dev\\necho boot >>/var/boots\\n' >etc/init.d/rcS && " +
	"chmod 755 etc/init.d/rcS && cd / && umount /mnt"

// TestNinePRoot boots a kernel with its root on 9P: busybox's init and everything that it starts come from the server, and work there.
func TestNinePRoot(t *testing.T) {
	t.Parallel()
	server, port, _ := serveNineP(t)
	installer := bootEmulated(t, nil)
	installer.mountNineP(t, port, "/mnt", "msize=1048576,cache=mmap,access=user")
	installer.sh(t, install)
	if err := installer.Shutdown(); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf(rootOptions, port)
	boot := func() client {
		t.Helper()
		guest, err := qemu.Boot(qemu.Machine{Cache: filepath.Join(harness.Root(t), ".cache", "kernel"), Dir: t.TempDir(), Root: options})
		return adopt(t, guest, err)
	}
	c := boot()
	t.Run("at work", func(t *testing.T) { rootSteps(t, c) })
	// Its power fails: what was synced, and what a write was answered for, is there.
	c.sh(t, "echo synced >/var/synced; sync; guest as 1000 1000 sh -c 'echo mine >/alice/f; sync'")
	before := c.sh(t, "guest sum /usr; guest sum /etc")
	c.Kill()
	// And the server dies while nobody looks.
	server.Kill()
	server.Start()
	c = boot()
	c.want(t, before, "guest sum /usr; guest sum /etc")
	c.want(t, "synced\nmine\nboot\nboot", "cat /var/synced /alice/f /var/boots")
	c.sh(t, "echo last >/var/last")
	c.powerOff(t)
	// The other kernel boots from the same root.
	guest, err := uml.BootRoot(t.TempDir(), options)
	older := adopt(t, guest, err)
	older.want(t, "last\nboot\nboot\nboot", "cat /var/last /var/boots")
	older.want(t, before, "guest sum /usr; guest sum /etc")
	older.sh(t, "echo x >/var/x; mv /var/x /var/y; rm /var/y")
	older.powerOff(t)
}

// powerOff has the guest's init end everything in order.
func (c client) powerOff(t *testing.T) {
	t.Helper()
	if _, _, err := c.Run(time.Minute, "poweroff; sleep 50"); !errors.Is(err, vm.ErrStopped) {
		t.Fatalf("poweroff: %v", err)
	}
}

// rootSteps does in a system on 9P what systems do.
func rootSteps(t *testing.T, c client) {
	c.want(t, "10.0.2.2 / 9p", "awk '$2 == \"/\" { print $1, $2, $3 }' /proc/mounts | tail -n 1")
	c.want(t, "/bin/busybox", "readlink -f /proc/1/exe")
	c.want(t, "boot", "cat /var/boots")
	// Programs, with the rights of others, and for those who may only execute them.
	c.want(t, "0 0", "/usr/bin/suid ids")
	c.want(t, "1000 0", "su alice -c '/usr/bin/suid ids'")
	c.want(t, "1000 1000", "su alice -c 'guest ids'")
	c.fails(t, "ermission denied", "su alice -c 'cat /usr/bin/suid'")
	c.fails(t, "ermission denied", "su alice -c 'ls /secret'")
	c.sh(t, "cp /bin/busybox /tmp/shell && chmod 755 /tmp/shell && /tmp/shell true; printf '#!/bin/sh\\necho script $1\\n' >/tmp/s; chmod 755 /tmp/s")
	c.want(t, "script 7", "/tmp/s 7")
	// A program that runs is replaced, and runs on.
	c.sh(t, "cp /bin/busybox /tmp/sleep && /tmp/sleep 1 & sleep 0.3; cp /bin/busybox /tmp/new && mv /tmp/new /tmp/sleep && wait")
	// Pipes and sockets with names, and devices.
	c.want(t, "through", "mkfifo /tmp/p; (echo through >/tmp/p &); cat /tmp/p")
	c.want(t, "3", "mknod /tmp/zero c 1 5; head -c 3 /tmp/zero | wc -c")
	c.want(t, "heard", "guest talk /tmp/socket")
	// Users, links and times.
	c.sh(t, "su alice -c 'umask 027; cd /alice; mkdir -p a/b; echo x >a/b/f; ln a/b/f a/g; ln -s b/f a/l; chmod 4750 a/g; touch -d @1000000000 a/b/f'")
	c.want(t, "1000 1000 4750 2 1000000000", "stat -L -c '%%u %%g %%a %%h %%Y' /alice/a/l")
	c.fails(t, "ermission denied", "su bob -c 'cat /alice/a/g'")
	// An archive goes out and comes back.
	c.want(t, c.sh(t, "guest sum /etc"), "tar cf /tmp/t.tar -C / etc && mkdir /tmp/out && tar xpf /tmp/t.tar -C /tmp/out && guest sum /tmp/out/etc")
	// Read-only for a while.
	c.sh(t, "mount -o remount,ro /")
	c.fails(t, "Read-only file system", "touch /var/ro")
	c.sh(t, "mount -o remount,rw / && touch /var/rw && rm -r /tmp/* /var/rw")
}
