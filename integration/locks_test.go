package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/lan"
	"pmemfs/integration/qemu"
	"pmemfs/integration/uml"
	"pmemfs/integration/vm"
)

// kernelCache is where the newer kernel is kept.
func kernelCache(t *testing.T) string { return filepath.Join(harness.Root(t), ".cache", "kernel") }

// lockFiles are what a guest needs to mount with locks: rpcbind and statd, as the kernel asks both, and what those want to read.
func lockFiles(t *testing.T) map[string]string {
	t.Helper()
	files := harness.HostPrograms(t, "rpcbind", "rpc.statd", "sm-notify", "sqlite3", "mount.nfs")
	maps.Copy(files, rpcbindFiles(t))
	files["bin/guest"] = harness.Guest(t)
	return files
}

// rpcbindFiles are what rpcbind wants to read in a guest.
func rpcbindFiles(t *testing.T) map[string]string {
	t.Helper()
	files, dir := map[string]string{}, t.TempDir()
	for name, text := range map[string]string{
		"netconfig": "udp tpi_clts v inet udp - -\ntcp tpi_cots_ord v inet tcp - -\n" +
			"udp6 tpi_clts v inet6 udp - -\ntcp6 tpi_cots_ord v inet6 tcp - -\nlocal tpi_cots_ord - loopback - - -\n",
		"services":  "sunrpc 111/tcp portmapper rpcbind\nsunrpc 111/udp portmapper rpcbind\n",
		"protocols": "tcp 6 TCP\nudp 17 UDP\n",
		"hosts":     "127.0.0.1 localhost\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		files[filepath.Join("etc", name)] = file
	}
	return files
}

// locker is a kernel that can mount with locks.
type locker struct {
	client
	index int
}

// bootLocker boots the i-th guest of the network: user-mode Linux, or the newer kernel. memory is what an earlier one has remembered.
func bootLocker(t *testing.T, i int, newer bool, files map[string]string, memory string) locker {
	t.Helper()
	link := &vm.Link{Tap: lan.Tap(i), Address: lan.GuestNetwork(i), Name: fmt.Sprintf("guest%d", i)}
	var guest *vm.VM
	var err error
	if newer {
		guest, err = qemu.Boot(qemu.Machine{Cache: kernelCache(t), Dir: t.TempDir(), Programs: maps.Clone(files), Link: link})
	} else {
		guest, err = uml.BootOn(t.TempDir(), files, link)
	}
	c := adopt(t, guest, err)
	c.host = lan.ServerAddr
	l := locker{c, i}
	l.startDaemons(t, memory)
	return l
}

// remembers returns what the guest's statd has on its disk, if it had one: whom to tell of a restart, and how many there were.
func (l locker) remembers(t *testing.T) string {
	t.Helper()
	return l.sh(t, "tar -C /var/lib/nfs -cf - . | busybox gzip | busybox base64 -w 0") // a line holds 4 KiB
}

// startDaemons starts what the kernel asks to be called back and to hear of restarts.
func (l locker) startDaemons(t *testing.T, memory string) {
	t.Helper()
	l.sh(t, "mkdir -p /run/rpcbind /var/lib/nfs /var/run; ln -sf /bin/rpcbind /bin/rpc.statd /sbin")
	if memory == "" {
		l.sh(t, "mkdir /var/lib/nfs/sm /var/lib/nfs/sm.bak")
	} else {
		l.sh(t, "echo %s | busybox base64 -d | busybox gunzip | tar -C /var/lib/nfs -xf -", memory)
	}
	l.sh(t, "rpcbind && rpc.statd --no-notify && sm-notify -f")
}

// lockOptions is the option list of the documented mount line with locks.
const lockOptions = "vers=3,tcp"

// mountLocking mounts the server's root with locks, as people do who say no more than they have to.
func (l locker) mountLocking(t *testing.T) {
	t.Helper()
	l.sh(t, "mount -t nfs -o %s %s:/ /mnt", lockOptions, l.host)
	l.sh(t, "grep ' /mnt nfs .*vers=3.*local_lock=none' /proc/mounts")
}

// second mounts the other image of the server, and returns a process that has its file open.
func (l locker) second(t *testing.T) owner {
	t.Helper()
	l.sh(t, "mkdir -p /mnt3; mount -t nfs -o %s %s:/second /mnt3", lockOptions, l.host)
	return l.own(t, "second", "/mnt3/locked")
}

// TestLocks has two kernels of different series lock against each other through a server, with all that can die in between.
func TestLocks(t *testing.T) {
	if !enclosed(t, func() {
		if err := qemu.Fetch(kernelCache(t)); err != nil {
			t.Fatal(err)
		}
	}) {
		return
	}
	lan.Bridge(t, 2)
	file, images := twoImages(t, "256MiB", "/", "/second")
	server := harness.ServeConfig(t, "::", 2049, file, images, "--portmap", ":111", "--9p", ":5640")
	files := lockFiles(t)
	a, b := bootLocker(t, 0, false, files, ""), bootLocker(t, 1, true, files, "")
	if os.Getenv(thoroughVariable) != "" {
		// The steps ask for what Linux does.
		t.Run("tmpfs", func(t *testing.T) { lockSteps(t, a.own(t, "one", "/tmp/locked"), a.own(t, "two", "/tmp/locked")) })
	}
	a.mountLocking(t)
	b.mountLocking(t)
	x, y := a.own(t, "owner", "/mnt/locked"), b.own(t, "owner", "/mnt/locked")
	t.Run("6.1 against 6.12", func(t *testing.T) { lockSteps(t, x, y) })
	t.Run("6.12 against 6.1", func(t *testing.T) { lockSteps(t, y, x) })
	t.Run("NFS and 9P", func(t *testing.T) {
		b.mountNineP(t, 5640, "/mnt9", "msize=65536,cache=none,access=user")
		z := b.own(t, "nine", "/mnt9/locked")
		z.asksAny = true
		t.Run("6.1 against 6.12", func(t *testing.T) { lockSteps(t, x, z) })
		if os.Getenv(thoroughVariable) != "" {
			t.Run("6.12 against 6.1", func(t *testing.T) { lockSteps(t, z, x) })
			t.Run("one kernel", func(t *testing.T) { lockSteps(t, y, z) })
		}
		z.kill(t)
		b.sh(t, "umount /mnt9")
	})
	t.Run("server killed", func(t *testing.T) { serverDies(t, server, x, y) })
	t.Run("SQLite", func(t *testing.T) { databaseOfTwo(t, server, x, y) })
	b.sh(t, "ip addr add %s dev eth0; while ip -6 addr show dev eth0 | grep -q tentative; do sleep 0.1; done", lan.GuestNetwork6(b.index))
	t.Run("over IPv6", func(t *testing.T) { overIPv6(t, x, b, lan.ServerAddr6) })
	t.Run("over IPv6 on the link", func(t *testing.T) { overIPv6(t, x, b, lan.ServerLinkLocal+"%eth0") })
	for _, l := range []locker{a, b} {
		l.fails(t, "", "dmesg | grep 'failed to reclaim'")
	}
	t.Run("6.1 killed", func(t *testing.T) {
		clientDies(t, x, y, func(memory string) { a = bootLocker(t, 0, false, files, memory) })
		if os.Getenv(thoroughVariable) == "" {
			y.kill(t)
			b.unmount(t, "/mnt")
			return
		}
		a.mountLocking(t)
		x = a.own(t, "owner", "/mnt/locked")
		t.Run("6.12 killed", func(t *testing.T) {
			clientDies(t, y, x, func(memory string) { bootLocker(t, 1, true, files, memory) })
		})
	})
}

// overIPv6 mounts the server a second time by another address. The guest is another client there, and locks as such; that it is called back
// shows that everything in the server's answers is of that family, and that it knows the way back.
func overIPv6(t *testing.T, x owner, b locker, server string) {
	b.sh(t, "mount.nfs [%s]:/ /mnt2 -o vers=3,proto=tcp6,mountproto=tcp6", server)
	b.sh(t, "grep ' /mnt2 nfs .*proto=tcp6' /proc/mounts")
	y := b.own(t, "other", "/mnt2/locked")
	x.do(t, "ok", "set w 0 10")
	y.do(t, "EAGAIN", "set w 0 10")
	y.start(t, "wait w 0 10")
	y.waits(t, 200*time.Millisecond)
	x.do(t, "ok", "set u 0 10")
	t.Logf("granted after %v", y.granted(t, grantTime))
	x.do(t, "EAGAIN", "set w 0 10")
	y.kill(t)
	x.do(t, "ok", "set w 0 10")
	x.do(t, "ok", "set u 0 10")
	b.unmount(t, "/mnt2")
}
