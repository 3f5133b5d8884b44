package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/qemu"
	"pmemfs/integration/rawnfs"
	"pmemfs/server/ninetest"
)

// TestSystemdUnits has systemd read the units, and holds what docs/systemd.md says of how exposed the service is.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(harness.Root(t), "deploy", "systemd")
	dir := t.TempDir()
	unit, err := os.ReadFile(filepath.Join(folder, "pmemfs.service"))
	if err != nil {
		t.Fatal(err)
	}
	// The program is not installed here.
	here := strings.ReplaceAll(string(unit), "/usr/bin/pmemfs", harness.Binary(t))
	if err := os.WriteFile(filepath.Join(dir, "pmemfs.service"), []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, dir, "cp", filepath.Join(folder, "pmemfs.socket"), dir)
	if out := command(t, dir, "systemd-analyze", "verify", "--man=no", "pmemfs.service", "pmemfs.socket"); out != "" {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", filepath.Join(dir, "pmemfs.service")).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	m := regexp.MustCompile(`Overall exposure level for pmemfs.service: ([0-9.]+) `).FindSubmatch(out)
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "systemd.md"))
	if err != nil || m == nil || !strings.Contains(string(text), "exposure level "+string(m[1])+" ") {
		t.Errorf("docs/systemd.md does not say the exposure level %q: %v\n%s", m, err, out)
	}
}

// TestSystemd installs the units in a guest that systemd runs, and has it start the service, by hand and by its socket, reload it, find that it
// hangs, and stop it, while a client has it mounted.
func TestSystemd(t *testing.T) {
	t.Parallel()
	root := harness.Root(t)
	config := filepath.Join(t.TempDir(), "pmemfs.toml")
	text := "image = \"/var/lib/pmemfs/files.img\"\nsize = \"64MiB\"\nnfs = \"127.0.0.1:2049\"\nadmin = \"127.0.0.1:9049\"\nadmin_token = \"${CREDENTIALS_DIRECTORY}/token\"\n[[export]]\nname = \"/\"\nsquash = \"none\"\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	programs := map[string]string{"add/usr/bin/pmemfs": harness.Binary(t), "add/etc/pmemfs/pmemfs.toml": config}
	for name, at := range map[string]string{"pmemfs.service": "etc/systemd/system", "pmemfs.socket": "etc/systemd/system", "pmemfs.sysusers": "etc/sysusers.d"} {
		to := filepath.Join("add", at, strings.Replace(name, ".sysusers", ".conf", 1))
		programs[to] = filepath.Join(root, "deploy", "systemd", name)
	}
	guest, err := qemu.Boot(qemu.Machine{Cache: kernelCache(t), Dir: t.TempDir(), Programs: programs, Host: true})
	c := adopt(t, guest, err)
	c.host = "127.0.0.1"
	systemctl := func(format string, args ...any) string {
		t.Helper()
		return c.sh(t, "/usr/bin/systemctl %s 2>&1 || { /usr/bin/journalctl -n 40 -u pmemfs.service; exit 1; }", fmt.Sprintf(format, args...))
	}
	property := func(name string) string {
		t.Helper()
		return systemctl("show --value -p %s pmemfs.service", name)
	}
	c.sh(t, "/usr/bin/systemd-sysusers && chmod 755 /usr/bin/pmemfs && chmod 644 /etc/pmemfs/pmemfs.toml /etc/systemd/system/pmemfs.*")
	c.sh(t, "(umask 077; echo the-token-of-the-admin-port >/etc/pmemfs/token); mkdir -p /etc/systemd/system/pmemfs.service.d; "+
		"printf '[Service]\\nLoadCredential=token:/etc/pmemfs/token\\n' >/etc/systemd/system/pmemfs.service.d/token.conf; /usr/bin/systemctl daemon-reload")

	systemctl("start pmemfs.service")
	if got := property("StatusText"); !strings.Contains(got, "serving /var/lib/pmemfs/files.img on") {
		t.Errorf("the status is %q", got)
	}
	c.sh(t, "/usr/bin/pmemfs status --admin 127.0.0.1:9049 --admin-token /etc/pmemfs/token")
	c.mount(t, 2049, "/mnt", "hard")
	c.want(t, "kept", "echo kept >/mnt/file; cat /mnt/file")
	pid := property("MainPID")
	systemctl("reload pmemfs.service")
	c.sh(t, "/usr/bin/journalctl -u pmemfs.service | grep -q 'configuration reloaded'")

	// It hangs: systemd gets no sign of life, and starts another one.
	c.sh(t, "printf '[Service]\\nWatchdogSec=20\\n' >/etc/systemd/system/pmemfs.service.d/watchdog.conf")
	systemctl("daemon-reload")
	systemctl("restart pmemfs.service")
	c.want(t, "kept", "cat /mnt/file")
	if other := property("MainPID"); other == pid {
		t.Errorf("process %s was not restarted", pid)
	}
	c.sh(t, "kill -STOP %s", property("MainPID"))
	c.sh(t, "for i in $(seq 100); do test $(/usr/bin/systemctl show --value -p NRestarts pmemfs.service) -gt 0 && exit 0; sleep 1; done; exit 1")
	c.want(t, "kept", "cat /mnt/file")
	c.sh(t, "/usr/bin/journalctl -u pmemfs.service | grep -q -i watchdog")

	// A connection starts it, on the socket that systemd has.
	systemctl("stop pmemfs.service")
	if got := property("Result"); got != "success" {
		t.Errorf("the result is %q", got)
	}
	systemctl("start pmemfs.socket")
	c.want(t, "inactive", "/usr/bin/systemctl is-active pmemfs.service || true")
	c.want(t, "kept", "cat /mnt/file")
	c.want(t, "active", "/usr/bin/systemctl is-active pmemfs.service")
	c.unmount(t, "/mnt")
	systemctl("stop pmemfs.socket pmemfs.service")
	c.sh(t, "cd /var/lib/pmemfs && /usr/bin/pmemfs check files.img")
}

// TestInheritedSockets starts a server with a socket of every kind that somebody else listens on, and uses each of them.
func TestInheritedSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image, control := filepath.Join(dir, "fs.img"), filepath.Join(dir, "commands.sock")
	nfs, nine, admin := harness.Local(harness.FreePort(t)), harness.Local(harness.FreePort(t)), harness.Local(harness.FreePort(t))
	cmd := exec.Command("systemd-socket-activate", "-l", nfs, "-l", nine, "-l", filepath.Join(dir, "9p.sock"), "-l", control, "-l", admin,
		"--fdname=nfs:9p:9p:control:admin", harness.Binary(t), "serve", image, "--size", "64MiB", "--squash", "none", "--control", control, "--nfs", "127.0.0.1:1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Env = harness.Environ()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
		if err != nil || t.Failed() {
			t.Errorf("%v\n%s", err, said.String())
		}
		harness.Check(t, image)
	})
	var c *rawnfs.Client
	for try := 0; c == nil && try < 1000; try++ { // until it listens
		c, _ = rawnfs.Dial(nfs, patience)
		time.Sleep(10 * time.Millisecond)
	}
	if c == nil {
		t.Fatal("nobody listens")
	}
	defer c.Close()
	top, err := c.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(top, "file"); err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct{ network, address string }{{"tcp", nine}, {"unix", filepath.Join(dir, "9p.sock")}} {
		n, err := ninetest.Dial(at.network, at.address)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Begin(8192, 0, "/", 0); err != nil {
			t.Error(err)
		}
		if _, err := n.Walk(0, 1, "file"); err != nil {
			t.Errorf("9P at %s: %v", at.address, err)
		}
		n.Close()
	}
	healthOf(t, admin, 0, "NFS GETATTR of /")
	if out := harness.MustRun(t, dir, "status", image, "--control", control).Stdout; !strings.Contains(out, nfs) {
		t.Errorf("status does not name %s:\n%s", nfs, out)
	}
}
