package integration

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hugelgupf/p9/p9"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

// The load of TestContainerMemory: together four times the memory.
const (
	loadWriters = 4 // of each protocol
	loadBytes   = 32 << 20
	loadFiles   = 500 // of each writer of NFS
)

// TestContainerMemory has a container of 64 MiB of memory serve an image of 1 GiB to clients of both protocols that write and read much more than
// that, and make 2,000 files. The pages of the image count as the container's memory, so it is full all the time: nothing may be killed for it.
func TestContainerMemory(t *testing.T) {
	t.Parallel()
	containers := harness.ContainersWithImage(t)
	nfs, nine := harness.FreePort(t), harness.FreePort(t)
	startContainer(t, containers, "memory", nfs, "--memory", "64m", "--memory-swap", "64m", "--read-only", "--network", "host", "--volume", "memory:/data",
		"--env", "PMEMFS_NFS="+harness.Local(nfs), "--env", "PMEMFS_9P="+harness.Local(nine), "--env", "PMEMFS_ADMIN="+harness.Local(harness.FreePort(t)), "pmemfs")
	var work sync.WaitGroup
	failures := make(chan error, 2*loadWriters)
	for i := range loadWriters {
		work.Go(func() { failures <- loadNFS(harness.Local(nfs), fmt.Sprintf("nfs%d", i), int64(i)) })
		work.Go(func() { failures <- loadNineP(harness.Local(nine), fmt.Sprintf("9p%d", i), int64(100+i)) })
	}
	for range 5 {
		containers.Podman("healthcheck", "run", "memory")
	}
	work.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.Log(containers.Logs("memory"))
	}
	group := filepath.Join("/sys/fs/cgroup/memory", containers.Podman("inspect", "--format", "{{.State.CgroupPath}}", "memory"))
	for _, figure := range []string{"memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt", "memory.oom_control"} {
		if text, err := os.ReadFile(filepath.Join(group, figure)); err == nil {
			t.Logf("%s %s", figure, bytes.Join(bytes.Fields(text), []byte(" ")))
		}
	}
	stopContainer(t, containers, "memory")
}

// loadNFS writes a large file and many small ones by one connection, and reads all of it back.
func loadNFS(address, name string, seed int64) error {
	client, err := rawnfs.Dial(address, patience)
	if err != nil {
		return err
	}
	defer client.Close()
	root, err := client.Mount("/")
	if err != nil {
		return err
	}
	dir, err := client.Mkdir(root, name)
	if err != nil {
		return err
	}
	for i := range loadFiles {
		f, err := client.Create(dir, fmt.Sprintf("file-%d", i))
		if err != nil {
			return err
		}
		if _, err := client.Write(f, 0, []byte(name), true); err != nil {
			return err
		}
	}
	big, err := client.Create(dir, "big")
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	rand.New(rand.NewSource(seed)).Read(block)
	for at := uint64(0); at < loadBytes; at += uint64(len(block)) {
		if _, err := client.Write(big, at, block, false); err != nil {
			return err
		}
	}
	if _, err := client.Commit(big); err != nil {
		return err
	}
	for at := uint64(0); at < loadBytes; at += uint64(len(block)) {
		got, _, err := client.Read(big, at, len(block))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, block) {
			return fmt.Errorf("%s has other bytes at %d", name, at)
		}
	}
	names, err := client.Readdir(dir)
	if err == nil && len(names) != loadFiles+1 {
		err = fmt.Errorf("%s has %d names", name, len(names))
	}
	return err
}

// loadNineP writes a large file by 9P and reads it back.
func loadNineP(address, name string, seed int64) (err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	client, err := p9.NewClient(conn, p9.WithMessageSize(1<<20))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	root, err := client.Attach("/")
	if err != nil {
		return err
	}
	file, _, _, err := root.Create(name, p9.ReadWrite, 0o644, 0, 0)
	if err != nil {
		return err
	}
	block, got := make([]byte, 1<<20), make([]byte, 1<<20)
	rand.New(rand.NewSource(seed)).Read(block)
	for at := int64(0); at < loadBytes; at += int64(len(block)) {
		if n, err := file.WriteAt(block, at); err != nil {
			return fmt.Errorf("%s: %d bytes at %d: %w", name, n, at, err)
		}
	}
	if err := file.FSync(); err != nil {
		return err
	}
	for at := int64(0); at < loadBytes; at += int64(len(block)) {
		if n, err := file.ReadAt(got, at); err != nil || !bytes.Equal(got[:n], block) {
			return fmt.Errorf("%s: %d bytes at %d: %w", name, n, at, err)
		}
	}
	return file.Close()
}
