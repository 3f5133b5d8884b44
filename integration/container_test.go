package integration

import (
	"fmt"
	"net"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// TestContainer builds the Dockerfile and runs the result as an ordinary user
// would. A kernel client mounts the container's export and writes; the
// container is removed; another one on the same volume has the data.
func TestContainer(t *testing.T) {
	containers := harness.NewContainers(t)
	containers.BuildImage("pmemfs")
	if user := containers.Podman("image", "inspect", "--format", "{{.User}}", "pmemfs"); user != "65532:65532" {
		t.Errorf("the image runs as %q, want an ordinary user", user)
	}

	c := bootClient(t)
	port := harness.FreePort(t)
	start := func(name string) {
		containers.Podman("run", "--detach", "--name", name, "--network", "host", "--volume", "pmemfs:/data",
			"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000",
			"pmemfs", "serve", "/data/pmemfs.img", "--size", "128MiB", "--squash", "none", "--nfs", fmt.Sprintf("127.0.0.1:%d", port))
		t.Cleanup(func() { containers.Podman("rm", "--force", "--ignore", name) })
		waitForPort(t, port, func() string { return containers.Podman("logs", name) })
	}

	start("first")
	c.mount(t, port, "/mnt", "")
	c.sh(t, "guest tree /tmp/tree 7; cp -a /tmp/tree /mnt/tree")
	sum := c.sh(t, "guest sum /mnt/tree")
	c.unmount(t, "/mnt")
	containers.Podman("stop", "--time", "20", "first")
	if status := containers.Podman("inspect", "--format", "{{.State.ExitCode}}", "first"); status != "0" {
		t.Errorf("the stopped container has exit status %s", status)
	}
	containers.Podman("rm", "first")

	start("second")
	c.mount(t, port, "/mnt", "")
	c.want(t, sum, "guest sum /mnt/tree")
	c.unmount(t, "/mnt")
	containers.Podman("rm", "--force", "--time", "20", "second")
	containers.Podman("run", "--rm", "--network", "none", "--volume", "pmemfs:/data",
		"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "pmemfs", "check", "/data/pmemfs.img")
}

// waitForPort waits until something on this machine accepts connections.
func waitForPort(t *testing.T, port int, explain func() string) {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(harness.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("nothing listens on %s\n%s", address, explain())
}
