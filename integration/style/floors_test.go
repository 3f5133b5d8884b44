package style

import (
	"strings"
	"testing"
)

// floors is the import order of the module, the highest floor first. A package
// may import packages of the lines below its own; those on one line are
// siblings, which never import each other.
//
// Test files are free to look down on any floor, and sideways.
const floors = `
	integration  integration/style
	integration/harness  integration/uml  integration/qemu  integration/guest  integration/rawnfs  integration/attack  integration/chart/cut
	integration/vm  integration/lan  integration/conformance/engine
	integration/conformance
	cmd/pmemfs  cmd/benchserver
	cmd/benchserver/internal/serverbench  cmd/benchserver/internal/p9mem  cmd/pmemfs/internal/lossylog  cmd/pmemfs/internal/bench  cmd/pmemfs/internal/top
	server
	server/config  server/nfs3  server/ninep  server/nlm  server/mount3  server/rquota  server/portmap  server/gonfs  server/control  server/admin  server/page
	server/nsm  server/probe
	server/nfswire  server/peer  server/filedata  server/calllog  server/tracing  server/quotas
	server/rpc  server/export  server/handle  server/metrics  server/ninetest  server/schedule  server/jobs
	server/share  server/ownsocket  server/traffic  server/events  server/systemd
	billyadapter  pmemfs/crashtest  pmemfs/pmemfstest  archive  archive/hostdir
	pmemfs  archive/tarball
	pmemfs/internal/writeback  pmemfs/internal/scrub  pmemfs/internal/kvstore
	pmemfs/internal/quota  pmemfs/internal/snapshot
	pmemfs/internal/media  pmemfs/internal/recovery  pmemfs/internal/volumetest
	pmemfs/internal/dir  pmemfs/internal/xattr
	pmemfs/internal/data  pmemfs/internal/badblocks  pmemfs/internal/volume
	pmemfs/internal/inode
	pmemfs/internal/extent
	pmemfs/internal/tree  pmemfs/internal/alloctest
	pmemfs/internal/alloc
	pmemfs/internal/journal  pmemfs/internal/repair
	pmemfs/internal/check  pmemfs/internal/ring  pmemfs/internal/hook
	pmemfs/internal/pmem  pmemfs/internal/layout  pmemfs/internal/locks
	pmemfs/internal/invariants  pmemfs/internal/mutation  pmemfs/internal/critical  pmemfs/internal/crc32c  pmemfs/safego  pmemfs/testpart
	pmemfs/internal/latch
`

// narrow lists packages that may import even less than their floor allows.
var narrow = map[string][]string{
	// The checker shares no code with the writer except the medium's layout.
	"pmemfs/internal/check": {"pmemfs/internal/layout"},
	// The layout is pure functions over bytes.
	"pmemfs/internal/layout": {"pmemfs/internal/mutation", "pmemfs/internal/crc32c"},
}

const module = "pmemfs/"

// TestFloors holds every package's imports to the table.
func TestFloors(t *testing.T) {
	floor := make(map[string]int)
	for i, line := range strings.Split(strings.TrimSpace(floors), "\n") {
		for _, pkg := range strings.Fields(line) {
			floor[pkg] = i
		}
	}
	format := `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`
	for line := range strings.Lines(command(t, nil, "go", "list", "-f", format, "./...")) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		own, ok := floor[pkg]
		if !ok {
			t.Errorf("package %s has no floor: give it one in the table", pkg)
			continue
		}
		for _, imported := range fields[1:] {
			below, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if floor[below] <= own {
				t.Errorf("%s imports %s, which is not on a lower floor", pkg, below)
			}
			if allowed, ok := narrow[pkg]; ok && !contains(allowed, below) {
				t.Errorf("%s imports %s; it may import only %v", pkg, below, allowed)
			}
		}
	}
}

func contains(list []string, item string) bool {
	for _, each := range list {
		if each == item {
			return true
		}
	}
	return false
}
