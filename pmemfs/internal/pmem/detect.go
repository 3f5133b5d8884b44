package pmem

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A medium is what detection looks at.
type medium struct {
	device bool   // a devdax device
	sync   bool   // the kernel accepted MAP_SYNC
	fs     string // the filesystem's name, if it is one worth a warning
	sysfs  string // where sysfs is mounted
}

// detect picks the domain of a medium and says why in one line.
func detect(m medium) (Domain, string) {
	if !m.device && !m.sync {
		return PageCache, pageCacheReason(m.fs)
	}
	how := "MAP_SYNC accepted"
	if m.device {
		how = "devdax device"
	}
	names, odd := persistenceDomains(m.sysfs)
	if len(names) > 0 && odd == "" && names[0] == "cpu_cache" && EADR.usable() == nil {
		return EADR, how + "; every region reports cpu_cache"
	}
	if err := CacheFlush.usable(); err != nil {
		return PageCache, how + ", but this build has no instruction to flush a cache line: msync is used"
	}
	switch {
	case len(names) == 0:
		return CacheFlush, how + "; no region reports a persistence domain: whether this memory survives a power cut is unknown"
	case odd != "":
		return CacheFlush, how + "; " + odd
	default:
		return CacheFlush, fmt.Sprintf("%s; every region reports %s", how, names[0])
	}
}

// pageCacheReason explains the domain of an ordinary file.
func pageCacheReason(fs string) string {
	if fs != "" {
		return "MAP_SYNC refused; file is on " + fs + ": a power cut loses all of it"
	}
	return "MAP_SYNC refused: an ordinary file, made durable by msync"
}

// persistenceDomains returns what the machine's persistent memory regions report, and, if they differ or
// one of them is neither of the two values that promise anything, a remark. Which region a file lives in is not
// asked: the weakest counts for all.
func persistenceDomains(sysfs string) (names []string, odd string) {
	// The pattern is constant but for the root, so that Glob's only error, a bad pattern, cannot be ours.
	files, err := filepath.Glob(filepath.Join(sysfs, "bus/nd/devices/region*/persistence_domain"))
	if err != nil {
		return nil, ""
	}
	for _, f := range files {
		region := filepath.Base(filepath.Dir(f))
		text, err := os.ReadFile(f)
		if err != nil {
			odd = region + " does not tell its persistence domain"
			continue
		}
		name := strings.TrimSpace(string(text))
		names = append(names, name)
		switch {
		case name != "cpu_cache" && name != "memory_controller":
			odd = fmt.Sprintf("%s reports %q, which promises nothing after a power cut", region, name)
		case name != names[0] && odd == "":
			odd = "regions differ, the weaker domain is taken for all"
		}
	}
	return names, odd
}
