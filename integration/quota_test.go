package integration

import (
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/integration/lan"
	"pmemfs/integration/uml"
	"pmemfs/integration/vm"
)

// TestQuotaTools mounts a server from a kernel and asks with quota(1), which finds the port by the portmapper, and with df: what there is, what
// may be, and who is told. Then the kernel's users meet their limits.
func TestQuotaTools(t *testing.T) {
	if !enclosed(t, nil) {
		return
	}
	lan.Bridge(t, 1)
	image := filepath.Join(t.TempDir(), "fs.img")
	server := harness.ServeAt(t, lan.ServerAddr, 2049, image, "--size", "64MiB", "--portmap", ":111", "--root-mode", "1777",
		"--export", "/,clients=10.77.0.0/24,squash=none", "--export", "/t=/t,clients=10.77.0.0/24,squash=none")
	set := func(args ...string) {
		t.Helper()
		if r := harness.Run(t, t.TempDir(), append([]string{"quota", "set", image}, args...)...); r.Status != 0 {
			t.Fatalf("quota set %v: %+v", args, r)
		}
	}
	set("--user", "1000", "--bytes", "1MiB", "--soft-bytes", "512KiB", "--files", "10")
	set("--group", "2000", "--bytes", "4MiB")

	files := harness.HostPrograms(t, "quota", "setpriv")
	maps.Copy(files, rpcbindFiles(t))
	files["bin/guest"] = harness.Guest(t)
	guest, err := uml.BootOn(t.TempDir(), files, &vm.Link{Tap: lan.Tap(0), Address: lan.GuestNetwork(0), Name: "guest"})
	c := adopt(t, guest, err)
	c.host = lan.ServerAddr
	c.mount(t, server.Port, "/mnt", "")
	c.sh(t, "ln -sf /proc/mounts /etc/mtab; echo root:x:0:0::/: >/etc/passwd; echo alice:x:1000:2000::/: >>/etc/passwd; echo root:x:0: >/etc/group; echo staff:x:2000: >>/etc/group")
	const as = "/bin/setpriv --reuid 1000 --regid 2000 --clear-groups "
	c.sh(t, "%sbusybox dd if=/dev/zero of=/mnt/a bs=1k count=600", as)

	told := func(command string, numbers string) {
		t.Helper()
		out := c.sh(t, "%s", command)
		if !regexp.MustCompile(numbers).MatchString(strings.Join(strings.Fields(out), " ")) {
			t.Errorf("%s says\n%s", command, out)
		}
	}
	told("quota -w -v -u alice || true", `600\* 512 1024 [67]days 1 0 10$`)
	told(as+"quota -w -v -u || true", `600\* 512 1024 [67]days 1 0 10$`)
	told("quota -w -v -g staff || true", ` 600 0 4096 1 0 0$`)
	told(as+"quota -w -v -u root 2>&1 || true", `Permission denied|Operation not permitted|denied`)

	c.fails(t, "quota exceeded", "%sbusybox dd if=/dev/zero of=/mnt/b bs=1k count=600", as)
	c.sh(t, "rm -f /mnt/b; mkdir /mnt/t; echo inside >/mnt/t/f")
	set("--path", "/t", "--bytes", "2MiB")
	c.fails(t, "ross-device", "ln /mnt/t/f /mnt/f")
	c.sh(t, "mv /mnt/t/f /mnt/f && cat /mnt/f")
	c.unmount(t, "/mnt")
	c.sh(t, "mkdir /tree && mount -t nfs -o %s %s:/t /tree", mountOptions(server.Port), c.host)
	told("df -k /tree", ` 2048 \d+ \d+ \d+% /tree$`)
	if r := harness.Run(t, t.TempDir(), "quota", "check", image); r.Status != 0 {
		t.Errorf("quota check: %+v", r)
	}
	c.unmount(t, "/tree")
}
