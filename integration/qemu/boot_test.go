package qemu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

// TestFSDAX boots a guest with persistent memory and looks at what its kernel
// makes of it.
func TestFSDAX(t *testing.T) {
	dir := t.TempDir()
	memory, err := NewFSDAX(filepath.Join(dir, "nvdimm"), CPUCache)
	if err != nil {
		t.Fatal(err)
	}
	guest, err := Boot(Machine{Cache: filepath.Join(harness.Root(t), ".cache", "kernel"), Dir: dir, NVDIMMs: []*NVDIMM{memory}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := guest.Shutdown(); err != nil {
			t.Error(err)
		}
	}()
	const command = "cat /sys/bus/nd/devices/region0/persistence_domain; " +
		"mount -t ext4 -o dax=always /dev/pmem0 /pmem && grep -c dax=always /proc/mounts"
	output, status, err := guest.Run(patience, command)
	if err != nil || status != 0 || output != "cpu_cache\n1\n" {
		t.Errorf("%q, status %d, %v\n%s", output, status, err, guest.Console())
	}
}

// TestNoKernelImage gives unpackImage files that are not what it expects.
func TestNoKernelImage(t *testing.T) {
	header := make([]byte, 1024)
	copy(header[0x202:], "HdrS")
	beyond := append([]byte(nil), header...)
	beyond[0x24f] = 0xff // the payload's length
	unknown := append([]byte(nil), header...)
	unknown[0x24c] = 100
	for _, c := range []struct {
		name, message string
		image         []byte
	}{
		{"empty", "no kernel image", nil},
		{"other file", "no kernel image", make([]byte, 1024)},
		{"no payload", "payload from 512 to 512", header},
		{"payload beyond the end", "of 1024 bytes", beyond},
		{"unknown compression", "unknown compression", unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			from, to := filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "vmlinux")
			if err := os.WriteFile(from, c.image, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := unpackImage(from, to); err == nil || !strings.Contains(err.Error(), c.message) {
				t.Errorf("%v, want an error with %q", err, c.message)
			}
			if _, err := os.Stat(to); !os.IsNotExist(err) {
				t.Errorf("a file was made all the same: %v", err)
			}
		})
	}
}
