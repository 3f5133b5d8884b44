package server

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"pmemfs/server/rpc"
)

// Bounds of the memory for requests that is chosen where none is said, in bytes.
const (
	memoryMost    = 1 << 30
	memoryUnknown = 256 << 20 // where nobody says how much there is
)

// DefaultMemory is how much memory requests may take where Config.Memory does not say: three eighths of what the process may use, and
// 1 GiB at most. from says what that is.
func DefaultMemory() (bytes int64, from string) { return defaultMemory(os.DirFS("/")) }

func defaultMemory(root fs.FS) (bytes int64, from string) {
	all, from := available(root)
	if all == 0 {
		return memoryUnknown, from
	}
	return min(max(all/8*3, rpc.BudgetMin), memoryMost), from
}

// budget is the memory for requests.
func (c *Config) budget() *rpc.Budget {
	bytes, from := c.Memory, "the configuration"
	if bytes == 0 {
		bytes, from = DefaultMemory()
	}
	b := rpc.NewBudget(bytes)
	c.Logger.Info("memory for requests", "most_bytes", b.Bytes(), "by", from, "connections", b.Connections())
	return b
}

// LimitMemory has Go's garbage collector keep the process within what it may use, and near to what requests may take, unless the environment
// says otherwise (GOMEMLIMIT).
func LimitMemory(requests int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	const beside = 256 << 20 // for the engine, fids and locks, and for what is not collected yet
	limit := 2*requests + beside
	if all, _ := available(os.DirFS("/")); all > 0 {
		limit = min(limit, all/4*3)
	}
	debug.SetMemoryLimit(limit)
}

// available is how much memory the process may use: of the machine, or of its control group if that has less. 0 if it cannot be known.
func available(root fs.FS) (bytes int64, from string) {
	bytes, from = machineMemory(root), "the machine"
	if group := groupMemory(root); group > 0 && (bytes == 0 || group < bytes) {
		return group, "the control group"
	}
	return bytes, from
}

// machineMemory reads /proc/meminfo.
func machineMemory(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0 // not Linux
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, err := fmt.Sscanf(line, "MemTotal: %d kB", &kib); err == nil && n == 1 {
			return kib << 10
		}
	}
	return 0
}

// groupMemory is the least that one of the control groups allows in which the process is (cgroups(7)); 0 for no limit. In a container the path
// that the kernel tells may not be visible; its own group is then where the path begins.
func groupMemory(root fs.FS) (least int64) {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		base, files := "", []string{}
		switch {
		case fields[0] == "0":
			base, files = "sys/fs/cgroup", []string{"memory.max", "memory.high"}
		case strings.Contains(","+fields[1]+",", ",memory,"):
			base, files = "sys/fs/cgroup/memory", []string{"memory.limit_in_bytes"}
		}
		for dir := path.Join("/", fields[2]); ; dir = path.Dir(dir) {
			for _, file := range files {
				if n := readLimit(root, path.Join(base, dir, file)); n > 0 && (least == 0 || n < least) {
					least = n
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// readLimit reads a number of bytes; 0 for "max", and for a file that is not there.
func readLimit(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
