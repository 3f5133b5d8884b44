package pmem

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	flush := CacheFlush
	if CacheFlush.usable() != nil {
		flush = PageCache
	}
	eadr := EADR
	if EADR.usable() != nil {
		eadr = PageCache
	}
	tests := []struct {
		name    string
		m       medium
		regions []string
		want    Domain
		reason  string
	}{
		{"ordinary", medium{}, []string{"cpu_cache"}, PageCache, "ordinary file"},
		{"tmpfs", medium{fs: "tmpfs"}, nil, PageCache, "power cut loses all"},
		{"fsdax", medium{sync: true}, []string{"memory_controller"}, flush, "MAP_SYNC accepted"},
		{"devdax", medium{device: true}, []string{"memory_controller", "memory_controller"}, flush, "devdax device"},
		{"eadr", medium{sync: true}, []string{"cpu_cache", "cpu_cache"}, eadr, ""},
		{"mixed", medium{sync: true}, []string{"cpu_cache", "memory_controller"}, flush, ""},
		{"mixed the other way", medium{sync: true}, []string{"memory_controller", "cpu_cache"}, flush, ""},
		{"unknown region", medium{sync: true}, []string{"cpu_cache", "unknown"}, flush, ""},
		{"no region", medium{device: true}, nil, flush, ""},
	}
	for _, test := range tests {
		test.m.sysfs = t.TempDir()
		for i, d := range test.regions {
			writeTree(t, test.m.sysfs, map[string]string{fmt.Sprintf("bus/nd/devices/region%d/persistence_domain", i): d + "\n"})
		}
		got, reason := detect(test.m)
		if got != test.want || !strings.Contains(reason, test.reason) || strings.Contains(reason, "\n") {
			t.Errorf("%s: %s because %q, want %s because of %q", test.name, got, reason, test.want, test.reason)
		}
	}
}

func TestDetectionWarns(t *testing.T) {
	for _, test := range []struct{ first, second, want string }{
		{"memory_controller", "cpu_cache", "differ"},
		{"cpu_cache", "nonsense", `region1 reports "nonsense"`},
		{"", "cpu_cache", `region0 reports ""`},
	} {
		root := t.TempDir()
		writeTree(t, root, map[string]string{
			"bus/nd/devices/region0/persistence_domain": test.first,
			"bus/nd/devices/region1/persistence_domain": test.second,
		})
		if _, odd := persistenceDomains(root); !strings.Contains(odd, test.want) {
			t.Errorf("%q and %q: %q, want %q", test.first, test.second, odd, test.want)
		}
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "bus/nd/devices/region7/persistence_domain"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, odd := persistenceDomains(root); !strings.Contains(odd, "region7 does not tell") {
		t.Errorf("an unreadable region: %q", odd)
	}
}

// TestOpenSaysWhy checks the reasons of real mappings.
func TestOpenSaysWhy(t *testing.T) {
	for _, test := range []struct {
		o      Options
		domain Domain
		want   string
	}{
		{Options{Domain: PageCache, Durability: Process}, PageCache, "durability process"},
		{Options{Domain: Volatile}, Volatile, "by name"},
		{Options{Private: true}, Volatile, "private"},
	} {
		r := image(t, 4096, test.o)
		if r.Domain() != test.domain || !strings.Contains(r.DomainReason(), test.want) || r.Durability() != test.o.Durability {
			t.Errorf("%+v: %s because %q, want %s because %q", test.o, r.Domain(), r.DomainReason(), test.domain, test.want)
		}
	}
}

func TestDaxSize(t *testing.T) {
	base := map[string]string{"bus/dax/none": "", "bus/tty/none": "", "dax/subsystem": "->../bus/dax"}
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int64
		fails bool
		err   error
	}{
		{"plain", map[string]string{"dax/size": "1073741824\n", "dax/align": "2097152\n"}, 1 << 30, false, nil},
		{"rounded", map[string]string{"dax/size": "3000000", "dax/align": "0x200000"}, 2 << 20, false, nil},
		{"old layout", map[string]string{"dax/size": "8192", "dax/device/dax_region/align": "4096"}, 8192, false, nil},
		{"no alignment", map[string]string{"dax/size": "12345"}, 12345, false, nil},
		{"no size", nil, 0, true, os.ErrNotExist},
		{"bad size", map[string]string{"dax/size": "many"}, 0, true, nil},
		{"bad alignment", map[string]string{"dax/size": "8192", "dax/align": "0"}, 0, true, ErrSize},
	} {
		root := t.TempDir()
		writeTree(t, root, base)
		writeTree(t, root, test.files)
		got, err := daxSize(filepath.Join(root, "dax"))
		if got != test.want || (err != nil) != test.fails || test.err != nil && !errors.Is(err, test.err) {
			t.Errorf("%s: %d, %v, want %d, %v", test.name, got, err, test.want, test.err)
		}
	}
	root := t.TempDir()
	writeTree(t, root, map[string]string{"bus/tty/none": "", "tty/subsystem": "->../bus/tty", "tty/size": "4096"})
	for _, name := range []string{"tty", "absent"} {
		if _, err := daxSize(filepath.Join(root, name)); !errors.Is(err, ErrFileType) {
			t.Errorf("%s: %v, want ErrFileType", name, err)
		}
	}
}
