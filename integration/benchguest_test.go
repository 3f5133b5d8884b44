package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/integration/qemu"
)

// tablesVariable names a folder for the tables of TestBenchGuest, which then measures for long enough to mean something.
const tablesVariable = "TEST_PMEMFS_BENCH_TABLES"

// guestLoads are how much is measured in the guest.
type guestLoads struct{ dirtest, engine, durable, server string }

var (
	shortLoads = guestLoads{
		dirtest: "--operations 400 --names 100 --rounds 1",
		engine:  "--count 20 --rounds 1",
		durable: "--large 2 --small 10 --rounds 1",
		server:  "--rows getattr,create --depths 1 --rounds 1 --cell 20ms",
	}
	longLoads = guestLoads{
		dirtest: "--operations 65536 --names 8000 --rounds 3",
		engine:  "--count 1000 --rounds 5",
		durable: "--large 16 --small 500 --rounds 5",
		server: "--rows getattr,lookup,read-4k,write-4k,write-64k,create,remove,rename --depths 1,16 --rounds 5 " +
			"--cell 400ms",
	}
)

// moduleBytes is the size of each module of persistent memory: mkfs.xfs wants more than 300 MB.
const moduleBytes = 512 << 20

// benchFolders are the mounts of the guest, by the device that each is on. The engine's image is in the first. Blocks have to be as
// large as pages for DAX.
var benchFolders = []struct{ device, filesystem, mkfs, folder string }{
	{"/dev/pmem0", "ext4", "mkfs.ext4 -q -b 4096", "/engine"},
	{"/dev/pmem1", "ext4", "mkfs.ext4 -q -b 4096", "/ext4"},
	{"/dev/pmem2", "xfs", "mkfs.xfs -q", "/xfs"},
}

// TestBenchGuest measures the engine in the cache-flush domain beside ext4 and xfs with DAX, and the server beside the kernel's own NFS
// server, in a guest with three modules of persistent memory. It demands that nothing is missing; what the figures are is no
// part of the test.
func TestBenchGuest(t *testing.T) {
	t.Parallel()
	loads, tables := shortLoads, os.Getenv(tablesVariable)
	if tables != "" {
		loads = longLoads
	}
	c := bootBench(t)
	image := "--image-dir /engine --image-size 256MiB --compare /ext4 --compare /xfs --markdown"
	for name, command := range map[string]string{
		"dirtest": "dirtest " + image + " " + loads.dirtest,
		"engine":  "engine " + image + " " + loads.engine,
		"durable": "durable /ext4 --markdown " + loads.durable,
	} {
		table := c.sh(t, "pmemfs bench %s", command)
		for _, text := range []string{"cache-flush", "ext4 -o dax=always", "QEMU"} {
			if !strings.Contains(table, text) {
				t.Errorf("pmemfs bench %s does not name %s:\n%s", command, text, table)
			}
		}
		if xfs := strings.Contains(table, "xfs -o dax=always"); xfs != (name != "durable") {
			t.Errorf("pmemfs bench %s:\n%s", command, table)
		}
		writeTable(t, tables, name, table)
	}
	c.want(t, "", "find /engine /ext4 /xfs -name 'pmemfs-bench-*'")
	writeTable(t, tables, "server", besideKernelServer(t, c, loads.server))
}

// writeTable keeps a table, if somebody wants it.
func writeTable(t *testing.T, folder, name, table string) {
	t.Helper()
	if folder == "" {
		t.Logf("%s:\n%s", name, table)
		return
	}
	if err := os.WriteFile(filepath.Join(folder, name+".md"), []byte(table+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// bootBench boots the guest with its filesystems mounted.
func bootBench(t *testing.T) client {
	t.Helper()
	programs := harness.HostPrograms(t, "mkfs.ext4", "mkfs.xfs", "rpcbind")
	maps.Copy(programs, rpcbindFiles(t))
	programs["bin/pmemfs"], programs["bin/benchserver"] = harness.Binary(t), harness.BenchServer(t)
	m := qemu.Machine{Cache: kernelCache(t), Dir: t.TempDir(), Programs: programs, Modules: []string{"xfs", "nfsd"}}
	for i := range benchFolders {
		module, err := qemu.NewBlankFSDAX(filepath.Join(m.Dir, fmt.Sprintf("nvdimm%d", i)), qemu.MemoryController, moduleBytes)
		if err != nil {
			t.Fatal(err)
		}
		m.NVDIMMs = append(m.NVDIMMs, module)
	}
	guest, err := qemu.Boot(m)
	c := adopt(t, guest, err)
	for _, f := range benchFolders {
		c.sh(t, "%s %s && mkdir -p %s && mount -t %s -o dax=always %s %s", f.mkfs, f.device, f.folder, f.filesystem, f.device, f.folder)
		c.sh(t, "grep '^%s %s %s .*dax=always' /proc/mounts", f.device, f.folder, f.filesystem)
	}
	return c
}

// Flags of an export of the kernel's server (the kernel's include/uapi/linux/nfsd/export.h).
const (
	exportInsecure     = 0x2
	exportAsync        = 0x10
	exportNoSubtree    = 0x400
	exportFsid         = 0x2000
	exportDurable      = exportInsecure | exportNoSubtree | exportFsid
	exportNotDurable   = exportDurable | exportAsync
	neverExpires       = 1<<31 - 1
	fsidDurable        = 1
	fsidNotDurable     = 2
	kernelServerThread = 8
)

// besideKernelServer measures the server on an image on persistent memory beside the kernel's own on ext4, and returns a table. No
// daemon of nfs-utils runs: what they would tell the kernel is written to its caches here, and the handle of a root is what the kernel
// makes of a number of a filesystem (version 1, no authentication, fsid type 1, the root).
func besideKernelServer(t *testing.T, c client, load string) string {
	t.Helper()
	c.sh(t, "mkdir -p /run/rpcbind /ext4/durable /ext4/async && rpcbind && mount -t nfsd nfsd /proc/fs/nfsd")
	c.sh(t, "printf '%%s\\n' 'nfsd 127.0.0.1 %d all' >/proc/net/rpc/auth.unix.ip/channel", neverExpires)
	for _, e := range []struct {
		path        string
		flags, fsid int
	}{{"/ext4/durable", exportDurable, fsidDurable}, {"/ext4/async", exportNotDurable, fsidNotDurable}} {
		c.sh(t, "printf '%%s\\n' 'all %s %d %d 65534 65534 %d' >/proc/net/rpc/nfsd.export/channel", e.path, neverExpires, e.flags, e.fsid)
		c.sh(t, `printf '%%s\n' 'all 1 \x%s %d %s' >/proc/net/rpc/nfsd.fh/channel`, fsid(e.fsid), neverExpires, e.path)
	}
	c.sh(t, "printf '+3 -4\\n' >/proc/fs/nfsd/versions; printf '%d\\n' >/proc/fs/nfsd/threads", kernelServerThread)
	const port = 2050
	c.sh(t, "(pmemfs serve /engine/served.img --size 192MiB --nfs 127.0.0.1:%d --squash none --scrub-every 0 >/tmp/log 2>&1; echo $? >/tmp/ended) &", port)
	c.sh(t, "for i in $(seq 200); do grep -q ':%04X .* 0A ' /proc/net/tcp && exit 0; sleep 0.1; done; cat /tmp/log; exit 1", port)
	report := c.sh(t, "benchserver --dir /tmp --conns 1 --json --at pmemfs=127.0.0.1:%d --at knfsd=127.0.0.1:2049/01000100%s --at knfsd-async=127.0.0.1:2049/01000100%s %s 2>/tmp/said",
		port, fsid(fsidDurable), fsid(fsidNotDurable), load)
	c.sh(t, "kill $(pidof pmemfs); for i in $(seq 200); do test -s /tmp/ended && break; sleep 0.1; done; grep -qx 0 /tmp/ended")
	c.sh(t, "pmemfs check /engine/served.img")
	return kernelServerTable(t, report)
}

// fsid is the number of a filesystem as bytes in hexadecimal.
func fsid(n int) string { return fmt.Sprintf("%02x000000", n) }

// kernelServerTable makes a table of a report of benchserver.
func kernelServerTable(t *testing.T, text string) string {
	t.Helper()
	var report struct {
		Machine struct{ CPU, Kernel string }
		Rounds  int
		CellMs  int64 `json:"cell_ms"`
		Cells   []benchCell
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(report.Cells) == 0 {
		t.Fatal("nothing was measured")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "On Linux %s, %s.\nOne connection over the loopback device; operations per second; %d rounds of %d ms.\n\n",
		report.Machine.Kernel, report.Machine.CPU, report.Rounds, report.CellMs)
	b.WriteString("| operation | outstanding | pmemfs | knfsd, sync | pmemfs to it | knfsd, async | pmemfs to it |\n|---|---|---|---|---|---|---|\n")
	for _, cell := range report.Cells {
		fmt.Fprintf(&b, "| %s | %d |", cell.Row, cell.Depth)
		for i, s := range cell.Servers {
			if s.Failed != "" || s.OpsPerSec <= 0 {
				t.Fatalf("%s on %s: %s", cell.Row, s.Server, s.Failed)
			}
			fmt.Fprintf(&b, " %.0f |", s.OpsPerSec)
			if i > 0 {
				fmt.Fprintf(&b, " %.2f |", medianQuotient(cell.Servers[0].Rounds, s.Rounds))
			}
		}
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String())
}

// medianQuotient divides round by round.
func medianQuotient(a, b []float64) float64 {
	var list []float64
	for i := range a {
		list = append(list, a[i]/b[i])
	}
	slices.SortFunc(list, cmp.Compare)
	return list[len(list)/2]
}
