package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/integration/qemu"
)

// TestPersistentMemory runs the server itself on emulated persistent memory, in
// each of the domains that only such memory has, under a client of the same guest.
func TestPersistentMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		make        func(file, persistence string) (*qemu.NVDIMM, error)
		persistence string
		prepare     string // makes the image, in the guest
		image       string
		domain      string // how info's line begins
		reason      string // what it says besides
	}{
		{"devdax", qemu.NewDevDAX, qemu.MemoryController, "pmemfs mkfs /dev/dax0.0", "/dev/dax0.0",
			"cache-flush", "devdax device; every region reports memory_controller; flushed with CLWB"},
		{"devdax with durable caches", qemu.NewDevDAX, qemu.CPUCache, "pmemfs mkfs /dev/dax0.0", "/dev/dax0.0",
			"eadr", "devdax device; every region reports cpu_cache"},
		{"file on fsdax", qemu.NewFSDAX, qemu.MemoryController,
			"mount -t ext4 -o dax=always /dev/pmem0 /pmem && pmemfs mkfs /pmem/fs.img --size 64MiB", "/pmem/fs.img",
			"cache-flush", "MAP_SYNC accepted; every region reports memory_controller; flushed with CLWB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory, err := c.make(filepath.Join(t.TempDir(), "nvdimm"), c.persistence)
			if err != nil {
				t.Fatal(err)
			}
			guest := bootEmulated(t, memory)
			guest.host = "127.0.0.1"
			guest.sh(t, "%s", c.prepare)
			line := guest.sh(t, "pmemfs info %s | grep ^domain", c.image)
			if want := fmt.Sprintf("%s (%s)", c.domain, c.reason); !strings.HasSuffix(line, want) {
				t.Errorf("info says %q, want %q", line, want)
			}
			serveInGuest(t, guest, c.image)
		})
	}
}

// guestPort is where a server of the guest listens, and how /proc/net/tcp says so.
const (
	guestPort      = 2049
	guestListening = "grep -q ':0801 .* 0A ' /proc/net/tcp"
)

// startInGuest starts a server of image inside the guest, with more arguments,
// and waits until it listens on guestPort.
func startInGuest(t *testing.T, c client, image, format string, args ...any) {
	t.Helper()
	// The status of the server is kept, and its own process id, not the shell's.
	c.sh(t, "(sh -c 'echo $$ >/tmp/pid; exec pmemfs serve %s --squash none %s' >>/tmp/log 2>&1; echo $? >/tmp/status) &",
		image, fmt.Sprintf(format, args...))
	c.sh(t, "for i in $(seq 200); do %s && exit 0; sleep 0.1; done; cat /tmp/log; exit 1", guestListening)
}

// endInGuest ends that server and demands the exit status that a shell would show.
func endInGuest(t *testing.T, c client, signal, status string) {
	t.Helper()
	c.sh(t, "kill -%s $(cat /tmp/pid)", signal)
	c.want(t, status, "for i in $(seq 200); do test -s /tmp/status && break; sleep 0.1; done; cat /tmp/status; rm /tmp/status")
}

// serveInGuest serves image inside the guest and mounts it there: a tree, two
// kills in the middle of writes, a stop in order, and a check.
func serveInGuest(t *testing.T, c client, image string) {
	start := func() { startInGuest(t, c, image, "") }
	end := func(signal, status string) { endInGuest(t, c, signal, status) }

	start()
	c.mount(t, guestPort, "/mnt", "hard")
	// A part of the tree: under emulation each request takes milliseconds.
	c.sh(t, "guest tree /tmp/tree 20260101; mv '/tmp/tree/folder 00/folder 01/folder 02' /tmp/part")
	sum := c.sh(t, "guest sum /tmp/part")
	c.sh(t, "cp -a /tmp/part /mnt/part; sync; echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, sum, "guest sum /mnt/part")
	want := writeUnderKills(t, c, 2, func(int, map[string]int) {
		end("KILL", "137")
		start()
	})
	c.want(t, sum, "guest sum /mnt/part")
	recountTwice(t, c, guestPort, want)

	end("TERM", "0")
	c.sh(t, "pmemfs check %s", image)
	c.sh(t, "pmemfs info %s | grep -q 'closed in order'", image)
	start()
	c.mount(t, guestPort, "/mnt", "hard")
	c.want(t, sum, "guest sum /mnt/part")
	c.unmount(t, "/mnt")
	end("TERM", "0")
	c.sh(t, "pmemfs check %s", image)
}

// TestNDCTL carries out docs/persistent-memory.md in a guest with an NVDIMM that has another mode, command by command.
func TestNDCTL(t *testing.T) {
	t.Parallel()
	memory, err := qemu.NewBlankFSDAX(filepath.Join(t.TempDir(), "nvdimm"), qemu.MemoryController, 256<<20)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "persistent-memory.md"))
	if err != nil {
		t.Fatal(err)
	}
	guest := bootEmulatedForward(t, memory, nil, harness.HostPrograms(t, "ndctl", "mkfs.ext4"))
	guest.sh(t, "mkdir -p /pmem /etc /run; : >/etc/mtab")
	said := ""
	for _, commands := range consoleBlocks(string(text)) {
		for _, command := range commands {
			said += guest.sh(t, "%s", strings.TrimPrefix(command, "sudo ")) + "\n"
		}
	}
	for _, want := range []string{`"mode":"devdax"`, `"mode":"fsdax"`, "cache-flush (devdax device", "cache-flush (MAP_SYNC accepted"} {
		if !strings.Contains(said, want) {
			t.Errorf("none of the commands says %s:\n%s", want, said)
		}
	}
	// The device that the block device now is, and what is not in a mode for programs.
	guest.fails(t, "neither a regular file nor a devdax device", "pmemfs info /dev/pmem0")
	guest.sh(t, "umount /pmem; ndctl create-namespace --force --reconfig=namespace0.0 --mode=devdax >/dev/null")
	guest.sh(t, "echo dax0.0 >/sys/bus/dax/drivers/device_dax/unbind")
	guest.fails(t, "", "pmemfs info /dev/dax0.0")
}
