package uml

import (
	_ "embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// initScript is process 1 of the guest.
//
//go:embed init.sh
var initScript []byte

// What the host must have. The tests fail without it; they never skip.
const (
	kernelPath  = "/usr/bin/linux.uml"
	slirpPath   = "/usr/bin/slirp-fullbolt"
	busyboxPath = "/bin/busybox"
	aptLine     = "run: apt-get install -y user-mode-linux slirp busybox-static"
)

// applets are the busybox commands that tests may use by name.
const applets = "[ awk cat chmod chown cmp cp cut date dd df diff dmesg du echo expr false find " +
	"grep head id insmod ip kill ln ls md5sum mkdir mkfifo mknod mount mv od poweroff ps pwd readlink " +
	"rm rmdir sed seq setsid sh sha256sum sleep sort stat stty sync tail tar test touch tr true " +
	"truncate umount uname uniq wc xargs"

// clientModules are what an NFSv3 client needs; their dependencies follow.
var clientModules = []string{"nfsv3"}

// buildImage writes the guest's initramfs to file: busybox, the init script,
// the modules and extra programs of the host, keyed by their path in the guest.
func buildImage(file string, programs map[string]string) error {
	for _, need := range []string{kernelPath, slirpPath, busyboxPath} {
		if _, err := os.Stat(need); err != nil {
			return fmt.Errorf("%w; %s", err, aptLine)
		}
	}

	var a archive
	for _, dir := range []string{"dev", "proc", "sys", "tmp", "mnt", "mnt2", "root"} {
		a.addDir(dir)
	}
	a.addFile("init", 0o755, initScript)
	// Names for ls, and for a user of the tests who is not root.
	a.addFile("etc/passwd", 0o644, []byte("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n"))
	a.addFile("etc/group", 0o644, []byte("root:x:0:\nalice:x:1000:\nbob:x:1001:\n"))

	programs = withPrograms(programs, "bin/busybox", busyboxPath)
	for name, from := range programs {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		a.addFile(name, 0o755, data)
	}
	for _, name := range strings.Fields(applets) {
		a.addSymlink(path.Join("bin", name), "busybox")
	}
	if err := addModules(&a); err != nil {
		return err
	}
	return os.WriteFile(file, a.bytes(), 0o600)
}

func withPrograms(programs map[string]string, name, from string) map[string]string {
	all := map[string]string{name: from}
	for k, v := range programs {
		all[k] = v
	}
	return all
}

// addModules adds the modules and the list that tells init their order.
func addModules(a *archive) error {
	folder, files, err := loadOrder(clientModules)
	if err != nil {
		return err
	}
	var order strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return err
		}
		name := path.Join("modules", path.Base(file))
		a.addFile(name, 0o644, data)
		fmt.Fprintf(&order, "/%s\n", name)
	}
	a.addFile("modules/order", 0o644, []byte(order.String()))
	return nil
}
