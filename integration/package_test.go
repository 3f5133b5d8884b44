package integration

import (
	"fmt"
	"strings"
	"testing"

	"pmemfs/integration/qemu"
)

// packageService installs the Debian package where systemd runs, and keeps a client mounted over upgrades: one with what the administrator has
// changed, one without a configuration, and one whose service does not start.
func packageService(t *testing.T, deb string) {
	guest, err := qemu.Boot(qemu.Machine{Cache: kernelCache(t), Dir: t.TempDir(), Programs: map[string]string{"add/pmemfs.deb": deb}, Host: true})
	c := adopt(t, guest, err)
	c.host = "127.0.0.1"
	dpkg := func(args string) string {
		t.Helper()
		return c.sh(t, "PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive /usr/bin/dpkg %s 2>&1", args)
	}
	systemctl := func(format string, args ...any) string {
		t.Helper()
		return c.sh(t, "/usr/bin/systemctl %s 2>&1 || { /usr/bin/journalctl -n 40 -u pmemfs.service; exit 1; }", fmt.Sprintf(format, args...))
	}
	pid := func() string {
		t.Helper()
		return systemctl("show --value -p MainPID pmemfs.service")
	}
	const state, enabled = "/usr/bin/systemctl is-active pmemfs.service || true", "/usr/bin/systemctl is-enabled pmemfs.service pmemfs.socket || true"
	// The pages of the manual of this whole system need no new index.
	c.sh(t, "rm -f /var/lib/man-db/auto-update")

	// Installed, it waits for its configuration.
	dpkg("-i /pmemfs.deb")
	c.want(t, "disabled\ndisabled", enabled)
	c.want(t, "inactive", state)
	c.sh(t, `sed -i 's/^#size = .*/size = "64MiB"/' /etc/pmemfs/pmemfs.toml`)
	systemctl("enable --now pmemfs.service")
	c.mount(t, 2049, "/mnt", "hard")
	c.want(t, "kept", "/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups /bin/sh -c 'echo kept >/mnt/file'; cat /mnt/file")

	// An upgrade restarts what runs, and leaves the configuration.
	before := pid()
	dpkg("-i /pmemfs.deb")
	if after := pid(); after == before || after == "0" {
		t.Errorf("process %s before the upgrade, %s after it", before, after)
	}
	c.want(t, "kept", "cat /mnt/file")
	c.want(t, "enabled\ndisabled", enabled)

	// One whose service cannot start, with a configuration that is gone or wrong, says so, and is an upgrade all the same.
	for _, how := range []string{"mv pmemfs.toml kept.toml", "cp -p pmemfs.toml kept.toml; echo nfs = 1 >>pmemfs.toml"} {
		c.sh(t, "cd /etc/pmemfs && %s", how)
		if said := dpkg("-i /pmemfs.deb"); !strings.Contains(said, "did not come back") {
			t.Errorf("%s: it does not say that the service has not come back: %s", how, said)
		}
		c.sh(t, "cd /etc/pmemfs && mv kept.toml pmemfs.toml; /usr/bin/systemctl reset-failed pmemfs.service")
		systemctl("start pmemfs.service")
		c.want(t, "kept", "cat /mnt/file")
	}

	// What is stopped stays stopped.
	c.unmount(t, "/mnt")
	systemctl("stop pmemfs.service")
	dpkg("-i /pmemfs.deb")
	c.want(t, "inactive", state)

	// Removed, it runs no more; purged and installed again, it is as new, and the image is there.
	systemctl("start pmemfs.service")
	dpkg("-r pmemfs")
	c.sh(t, "! /bin/busybox pidof pmemfs && test -e /etc/pmemfs/pmemfs.toml")
	dpkg("-P pmemfs")
	dpkg("-i /pmemfs.deb")
	c.want(t, "disabled\ndisabled", enabled)
	c.sh(t, "/usr/bin/pmemfs cat /var/lib/pmemfs/pmemfs.img:/file")
	dpkg("-P pmemfs")
}
