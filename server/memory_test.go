package server

import (
	"testing"
	"testing/fstest"

	"pmemfs/server/rpc"
)

// TestDefaultMemory reads what machines and control groups say.
func TestDefaultMemory(t *testing.T) {
	const meminfo = "MemFree: 1 kB\nMemTotal:       8388608 kB\n"
	for name, k := range map[string]struct {
		files map[string]string
		want  int64
		from  string
	}{
		"a machine":             {map[string]string{"proc/meminfo": "MemTotal: 1048576 kB\n"}, 384 << 20, "the machine"},
		"a large machine":       {map[string]string{"proc/meminfo": meminfo}, memoryMost, "the machine"},
		"nothing known":         {nil, memoryUnknown, "the machine"},
		"a group of version 2":  {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "67108864\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 24 << 20, "the control group"},
		"a high mark":           {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max", "sys/fs/cgroup/memory.high": "268435456"}, 96 << 20, "the control group"},
		"a group of version 1":  {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/\n4:memory:/x\n0::/\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "268435456"}, 96 << 20, "the control group"},
		"no limit in version 1": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712"}, memoryMost, "the machine"},
		"a container":           {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/outside/of/it\n", "sys/fs/cgroup/memory.max": "16777216"}, rpc.BudgetMin, "the control group"},
	} {
		root := fstest.MapFS{}
		for path, text := range k.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, from := defaultMemory(root); got != k.want || from != k.from {
			t.Errorf("%s: %d of %s, want %d of %s", name, got, from, k.want, k.from)
		}
	}
}
