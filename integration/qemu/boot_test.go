package qemu

import (
	"path/filepath"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// TestPersistentMemory boots a guest with each kind of persistent memory and
// looks at what its kernel makes of it.
func TestPersistentMemory(t *testing.T) {
	for _, c := range []struct {
		name    string
		make    func(file, persistence string) (*NVDIMM, error)
		command string
		output  string
	}{
		{"devdax", NewDevDAX, "cat /sys/bus/nd/devices/region0/persistence_domain; test -c /dev/dax0.0 && cat /sys/bus/dax/devices/dax0.0/align", "memory_controller\n2097152\n"},
		{"fsdax", NewFSDAX, "mount -t ext4 -o dax=always /dev/pmem0 /pmem && grep -c dax=always /proc/mounts", "1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			memory, err := c.make(filepath.Join(dir, "pmem"), MemoryController)
			if err != nil {
				t.Fatal(err)
			}
			guest, err := Boot(Machine{Cache: filepath.Join(harness.Root(t), ".cache/kernel"), Dir: dir, NVDIMM: memory})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := guest.Shutdown(); err != nil {
					t.Error(err)
				}
			}()
			output, status, err := guest.Run(20*time.Second, c.command)
			if err != nil || status != 0 || output != c.output {
				t.Errorf("%s: %q, status %d, %v; want %q\n%s", c.command, output, status, err, c.output, guest.Console())
			}
		})
	}
}
