// Package uml boots Debian's user-mode Linux: a real kernel that runs as an
// ordinary process of an ordinary user, with a network of its own through
// slirp, in about two seconds and without KVM. On processors whose registers it does not know all (AMX) a preloaded ptrace makes up for
// that: see xstate.go.
//
// Concurrency: guests are independent of each other; see package vm for one.
package uml

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"pmemfs/integration/vm"
)

// What the host must have. The tests fail without it; they never skip.
const (
	kernelPath = "/usr/bin/linux.uml"
	slirpPath  = "/usr/bin/slirp-fullbolt"
	aptLine    = "run: apt-get install -y user-mode-linux slirp busybox-static"
)

// clientModules are what clients of NFSv3 and 9P need, and mounts of files; their dependencies follow.
var clientModules = []string{"nfsv3", "loop", "9p", "9pnet_fd"}

// Boot starts a guest whose initramfs holds programs (path in the guest to
// path on the host) and waits until it takes commands. dir is scratch space.
// An error carries the guest's console.
func Boot(dir string, programs map[string]string) (*vm.VM, error) { return BootOn(dir, programs, nil) }

// BootOn is Boot on a network of the host, unless link is nil.
func BootOn(dir string, programs map[string]string, link *vm.Link) (*vm.VM, error) {
	return boot(dir, programs, link, nil)
}

// BootRoot is Boot with a root that is mounted by 9P from the host with some options.
func BootRoot(dir, options string) (*vm.VM, error) {
	return boot(dir, nil, nil, []string{"root9p=" + options})
}

func boot(dir string, programs map[string]string, link *vm.Link, parameters []string) (*vm.VM, error) {
	for _, need := range []string{kernelPath, slirpPath} {
		if _, err := os.Stat(need); err != nil {
			return nil, fmt.Errorf("%w; %s", err, aptLine)
		}
	}
	modules, err := readModules(clientModules)
	if err != nil {
		return nil, err
	}
	image := filepath.Join(dir, "initramfs.cpio")
	if err := vm.WriteImage(image, modules, programs); err != nil {
		return nil, fmt.Errorf("building the guest's initramfs: %w", err)
	}
	registers, err := widen(dir)
	if err != nil {
		return nil, err
	}
	args := []string{"mem=512M", "initrd=" + image,
		"con=null", "con0=null,fd:1", "con1=fd:3,fd:4", "hostline=/dev/tty1", "noreboot", "quiet", "loglevel=5"}
	args = append(args, parameters...)
	if link == nil {
		args = append(args, "eth0=slirp,,"+slirpPath)
	} else {
		args = append(append(args, "vec0:transport=tap,ifname="+link.Tap+",depth=64,gro=1"), link.Parameters()...)
	}
	cmd := exec.Command(kernelPath, args...)
	cmd.Dir = dir
	// The guest's memory is a file in TMPDIR; with the scratch folder as HOME
	// the kernel also leaves its control socket there.
	cmd.Env = append(os.Environ(), "HOME="+dir, "LD_PRELOAD="+registers)
	// The second console is descriptors 3 and 4 of the child.
	return vm.Launch(cmd, func(cmd *exec.Cmd, in, out *os.File) { cmd.ExtraFiles = []*os.File{in, out} })
}
