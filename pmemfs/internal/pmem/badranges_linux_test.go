package pmem

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBadRangesOfDevice reads the list of the region that a devdax device is in. The device is /dev/zero, which can be
// mapped, and what sysfs says of it is made up.
func TestBadRangesOfDevice(t *testing.T) {
	const region = "devices/nd/region0/"
	for _, c := range []struct {
		name, bad, base string
		want            []Range
		fails           string
	}{
		{"none", "", "0x100000000", nil, ""},
		{"some", "4096 8\n8192 1\n", "0x100000000", []Range{{0, 4096}, {2 << 20, 512}}, ""},
		{"before and behind", "0 4104\n16376 100\n99999999 1", "0x100000000", []Range{{0, 4096}, {6<<20 - 4096, 4096}}, ""},
		{"not a list", "4096 8\nfive\n", "0x100000000", nil, "no run of sectors"},
		{"nothing bad for 0 sectors", "4096 0\n", "0x100000000", nil, "no run of sectors"},
		{"address hidden", "4096 8\n", "0", nil, "for root to see"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			writeTree(t, root, map[string]string{
				region + "badblocks":                   c.bad,
				region + "resource":                    c.base,
				region + "dax0.1/dax/dax0.0/resource":  "0x100200000",
				region + "dax0.1/dax/dax0.0/size":      fmt.Sprint(6 << 20),
				"bus/dax/x":                            "",
				region + "dax0.1/dax/dax0.0/subsystem": "->" + filepath.Join(root, "bus/dax"),
				"dev/char/1:5":                         "->" + filepath.Join(root, region+"dax0.1/dax/dax0.0"),
			})
			r, err := Open("/dev/zero", Options{Sysfs: root, Domain: Volatile})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}()
			got, err := r.BadRanges()
			if !slices.Equal(got, c.want) || (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%v, %v; want %v, %q", got, err, c.want, c.fails)
			}
		})
	}
}

// TestBadRangesOfFile maps bad sectors of the device that a file is really on, which sysfs is made to say does DAX, to the
// file.
func TestBadRangesOfFile(t *testing.T) {
	const size = 1 << 20
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	extents, err := extentsOf(f, size)
	if err != nil {
		t.Logf("%s is on a filesystem that does not tell where its files lie: %v", path, err)
		return
	}
	e := extents[len(extents)-1]
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	device := fmt.Sprintf("dev/block/%d:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	const start = 2048 // sectors before the partition
	sector := e.physical/sectorSize + start
	for name, files := range map[string]map[string]string{
		"partition": {"pmem0/p1/start": fmt.Sprint(start), "pmem0/queue/dax": "1", "pmem0/badblocks": fmt.Sprintf("1 1\n%d 9\n", sector+1), device: "p1"},
		"disk":      {"pmem0/queue/dax": "1", "pmem0/badblocks": fmt.Sprintf("%d 9\n", sector+1-start), device: ""},
		"no dax":    {"pmem0/queue/dax": "0", "pmem0/badblocks": "0 99999999999\n", device: ""},
	} {
		root := t.TempDir()
		files[device] = "->" + filepath.Join(root, "pmem0", files[device])
		writeTree(t, root, files)
		r, err := Open(path, Options{Sysfs: root})
		if err != nil {
			t.Fatal(err)
		}
		want := []Range{{e.logical + sectorSize, 9 * sectorSize}}
		if name == "no dax" {
			want = nil
		}
		if got, err := r.BadRanges(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
