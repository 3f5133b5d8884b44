package vm

import (
	_ "embed"
	"fmt"
	"os"
	"path"
	"strings"
)

// initScript is process 1 of the guest.
//
//go:embed init.sh
var initScript []byte

// obeyScript is what takes the host's commands.
//
//go:embed obey.sh
var obeyScript []byte

// busyboxPath is the static busybox that the host must have.
const busyboxPath = "/bin/busybox"

// applets are the busybox commands that tests may use by name.
const applets = "[ awk cat chmod chown cmp cp cut date dd df diff dmesg du echo expr false find " +
	"chroot grep head id insmod ip kill ln ls md5sum mkdir mkfifo mknod mount mv od poweroff ps pwd readlink " +
	"rm rmdir sed seq setsid sh sha256sum sleep sort stat stty switch_root sync tail tar test touch tr true " +
	"truncate umount uname uniq wc xargs"

// A Module is one kernel module as the kernel takes it: not compressed.
type Module struct {
	Name string // with .ko
	Data []byte
}

// WriteImage writes a guest's initramfs to file: busybox, the init script, the
// modules in the order in which they are to be loaded, and extra programs of
// the host, keyed by their path in the guest.
func WriteImage(file string, modules []Module, programs map[string]string) error {
	if _, err := os.Stat(busyboxPath); err != nil {
		return fmt.Errorf("%w; run: apt-get install -y busybox-static", err)
	}
	var a Archive
	for _, dir := range []string{"dev", "proc", "sys", "tmp", "mnt", "mnt2", "pmem", "root"} {
		a.AddDir(dir)
	}
	a.AddFile("init", 0o755, initScript)
	a.AddFile("obey", 0o755, obeyScript)
	// Names for ls, for users of the tests who are not root, and for rpcbind.
	a.AddFile("etc/passwd", 0o644, []byte("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n_rpc:x:102:102::/:/bin/false\n"))
	a.AddFile("etc/group", 0o644, []byte("root:x:0:\nalice:x:1000:\nbob:x:1001:\n_rpc:x:102:\n"))
	if err := addProgram(&a, "bin/busybox", busyboxPath); err != nil {
		return err
	}
	for name, from := range programs {
		if err := addProgram(&a, name, from); err != nil {
			return err
		}
	}
	for _, name := range strings.Fields(applets) {
		a.AddSymlink(path.Join("bin", name), "busybox")
	}
	var order strings.Builder
	for _, m := range modules {
		name := path.Join("modules", m.Name)
		a.AddFile(name, 0o644, m.Data)
		fmt.Fprintf(&order, "/%s\n", name)
	}
	a.AddFile("modules/order", 0o644, []byte(order.String()))
	return os.WriteFile(file, a.Bytes(), 0o600)
}

func addProgram(a *Archive, name, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	a.AddFile(name, 0o755, data)
	return nil
}
