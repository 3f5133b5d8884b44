// Package qemu boots a Debian kernel, of another series than that of user-mode
// Linux, in an emulated PC: with persistent memory if asked, with a network
// through which the host's 127.0.0.1 is vm.HostAddr, without KVM and without
// root, in a few seconds. The kernel is downloaded by apt-get once and kept in
// a cache folder.
//
// The emulated memory tests the paths of DAX, devdax and the persistence
// domains. It does not test the order of flushes: it is a file of the host.
//
// Concurrency: guests are independent of each other; see package vm for one.
// Two processes must not share a cache folder.
package qemu

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"pmemfs/integration/vm"
)

// What the host must have. The tests fail without it; they never skip.
const (
	qemuPath = "/usr/bin/qemu-system-x86_64"
	aptLine  = "run: apt-get install -y qemu-system-x86 busybox-static ndctl e2fsprogs xfsprogs xz-utils zstd"
)

// Memory sizes of a guest, in MiB. Slots are for the persistent memory.
const (
	ramMiB    = 1024
	ramMaxMiB = 4096
	slots     = 4
)

// Machine says what to boot.
type Machine struct {
	Cache    string            // where the kernel is kept between runs
	Dir      string            // scratch space
	Programs map[string]string // path in the guest to path on the host
	NVDIMMs  []*NVDIMM         // at most slots of them
	Modules  []string          // of the kernel, besides those that every guest has
	Forward  *Forward          // nil for none
	Link     *vm.Link          // nil for a network of its own
	Root     string            // options to mount the root with by 9P from the host; empty for a root in memory
	Host     bool              // the root is the host's own, with systemd; programs in add/ come over it, and nothing is written to it
}

// Forward makes a TCP port of the guest a port of the host's 127.0.0.1. QEMU
// accepts connections to it from its start, whether or not the guest listens.
type Forward struct {
	HostPort, GuestPort int
}

// Fetch downloads the kernel into a cache unless it is there, for guests that are booted later without a network.
func Fetch(cache string) error {
	_, err := fetchKernel(cache)
	return err
}

// Boot starts a guest and waits until it takes commands. An error carries the
// guest's console.
func Boot(m Machine) (*vm.VM, error) {
	if _, err := os.Stat(qemuPath); err != nil {
		return nil, fmt.Errorf("%w; %s", err, aptLine)
	}
	k, err := fetchKernel(m.Cache)
	if err != nil {
		return nil, fmt.Errorf("getting a kernel: %w", err)
	}
	wanted := slices.Concat(guestModules, m.Modules)
	if m.Host {
		wanted = append(wanted, "9pnet_virtio", "overlay")
	}
	modules, err := readModules(k, wanted)
	if err != nil {
		return nil, err
	}
	image := filepath.Join(m.Dir, "initramfs.cpio")
	if err := vm.WriteImage(image, modules, m.Programs); err != nil {
		return nil, fmt.Errorf("building the guest's initramfs: %w", err)
	}
	cmd := exec.Command(qemuPath, m.arguments(k, image)...)
	cmd.Dir = m.Dir
	// The second serial line is the standard input and output of the child.
	return vm.Launch(cmd, func(cmd *exec.Cmd, in, out *os.File) { cmd.Stdin, cmd.Stdout = in, out })
}

func (m Machine) arguments(k kernel, image string) []string {
	machine := "pc"
	if len(m.NVDIMMs) > 0 {
		machine += ",nvdimm=on,nvdimm-persistence=" + m.NVDIMMs[0].Persistence
	}
	network := "user,id=net"
	if m.Forward != nil {
		network += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", m.Forward.HostPort, m.Forward.GuestPort)
	}
	parameters := ""
	if m.Link != nil {
		network = "tap,id=net,script=no,downscript=no,ifname=" + m.Link.Tap
		parameters = " " + strings.Join(m.Link.Parameters(), " ")
	}
	if m.Root != "" {
		parameters += " root9p=" + m.Root
	}
	if m.Host {
		parameters += " roothost=1"
	}
	args := []string{
		"-machine", machine, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1",
		"-m", fmt.Sprintf("%dM,slots=%d,maxmem=%dM", ramMiB, slots, ramMaxMiB),
		"-nodefaults", "-no-user-config", "-vga", "none", "-display", "none", "-monitor", "none", "-no-reboot",
		"-serial", "file:/dev/stderr", "-serial", "stdio",
		"-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=",
		"-kernel", k.image, "-initrd", image,
		"-append", "console=ttyS0 hostline=/dev/ttyS1 quiet loglevel=4 panic=-1 tsc=reliable" + parameters,
	}
	if m.Host {
		args = append(args, "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap", "-device", "virtio-9p-pci,fsdev=host,mount_tag=host")
	}
	for i, n := range m.NVDIMMs {
		args = append(args,
			"-object", fmt.Sprintf("memory-backend-file,id=pmem%d,share=on,mem-path=%s,size=%d", i, n.File, n.size),
			"-device", fmt.Sprintf("nvdimm,id=nvdimm%d,memdev=pmem%d", i, i))
	}
	return args
}
