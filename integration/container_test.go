package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

// small are the limits of containers here: where no container may raise them, podman's own are refused.
var small = []string{"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"}

// startContainer runs the module's image in the background until the test ends.
func startContainer(t *testing.T, containers *harness.Containers, name string, port int, args ...string) {
	t.Helper()
	containers.Podman(slices.Concat([]string{"run", "--detach", "--name", name}, small, args)...)
	t.Cleanup(func() { containers.Podman("rm", "--force", "--ignore", "--volumes", name) })
	waitForPort(t, port, func() string { return containers.Logs(name) })
}

// stopContainer stops a container, which has to end by itself, and in order.
func stopContainer(t *testing.T, containers *harness.Containers, name string) {
	t.Helper()
	containers.Podman("stop", "--time", "20", name)
	if state := containers.Podman("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", name); state != "0 false" {
		t.Errorf("the stopped container has exit status and lack of memory %s\n%s", state, containers.Logs(name))
	}
	containers.Podman("rm", name)
}

// TestContainer runs what the Dockerfile makes as an ordinary user
// would. A kernel client mounts the container's export and writes; the
// container is removed; another one on the same volume has the data.
func TestContainer(t *testing.T) {
	t.Parallel()
	containers := harness.ContainersWithImage(t)
	if user := containers.Podman("image", "inspect", "--format", "{{.User}}", "pmemfs"); user != "65532:0" {
		t.Errorf("the image runs as %q, want an ordinary user", user)
	}

	c := bootClient(t)
	port, admin := harness.FreePort(t), harness.Local(harness.FreePort(t))
	start := func(name string) {
		startContainer(t, containers, name, port, "--read-only", "--network", "host", "--volume", "kernel:/data", "pmemfs",
			"serve", "--size", "128MiB", "--squash", "none", "--nfs", harness.Local(port), "--admin", admin)
	}

	start("first")
	c.mount(t, port, "/mnt", "")
	c.sh(t, "guest tree /tmp/tree 7; cp -a /tmp/tree /mnt/tree")
	sum := c.sh(t, "guest sum /mnt/tree")
	c.unmount(t, "/mnt")
	stopContainer(t, containers, "first")

	start("second")
	c.mount(t, port, "/mnt", "")
	c.want(t, sum, "guest sum /mnt/tree")
	c.unmount(t, "/mnt")
	stopContainer(t, containers, "second")
	containers.Podman(slices.Concat([]string{"run", "--rm", "--network", "none", "--volume", "kernel:/data"}, small, []string{"pmemfs", "check", "/data/pmemfs.img"})...)
}

// TestContainerUsers runs the image as itself, as a user of somebody's choice, and as OpenShift does, on a root directory that cannot be written.
// Variables say what it serves. The health check is that of the image.
func TestContainerUsers(t *testing.T) {
	t.Parallel()
	for name, user := range map[string][]string{"itself": nil, "other": {"--user", "1000"}, "openshift": {"--user", "1000680000:0"}} {
		t.Run(name, func(t *testing.T) {
			containers := harness.ContainersWithImage(t)
			port := harness.FreePort(t)
			args := slices.Concat(user, []string{"--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host",
				"--volume", name + ":/data", "--env", "PMEMFS_NFS=" + harness.Local(port), "--env", "PMEMFS_SIZE=64MiB",
				"--env", "PMEMFS_ADMIN=" + harness.Local(harness.FreePort(t)), "pmemfs"})
			startContainer(t, containers, name, port, args...)
			client, err := rawnfs.Dial(harness.Local(port), patience)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			root, err := client.Mount("/")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Create(root, "f"); err != nil {
				t.Errorf("a client that writes to the root directory: %v", err)
			}
			containers.Podman("healthcheck", "run", name)
			if health := containers.Podman("inspect", "--format", "{{.State.Health.Status}}", name); health != "healthy" {
				t.Errorf("the container is %s", health)
			}
			stopContainer(t, containers, name)
		})
	}
}

// runDocumentedContainer runs a documented container until it serves. A network of its own takes the place of the host's, whose ports others may have.
func runDocumentedContainer(t *testing.T, dir string, args []string) {
	t.Helper()
	containers := harness.ContainersWithImage(t)
	name := "documented-" + strconv.Itoa(harness.FreePort(t))
	for i, arg := range args {
		switch {
		case arg == "host" && args[i-1] == "--network":
			args[i] = "none"
		case strings.HasPrefix(arg, "pmemfs:"):
			args[i] = name + strings.TrimPrefix(arg, "pmemfs")
		case strings.HasPrefix(arg, "./"):
			file, _, _ := strings.Cut(arg, ":")
			if err := os.WriteFile(filepath.Join(dir, file), []byte("image = \"/data/pmemfs.img\"\nsize = \"64MiB\"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			args[i] = filepath.Join(dir, arg)
		}
	}
	containers.Podman(slices.Concat([]string{"run", "--detach", "--name", name}, small, args)...)
	t.Cleanup(func() { containers.Podman("rm", "--force", "--volumes", "--time", "20", name) })
	waitForLog(t, containers, name)
	containers.Podman("healthcheck", "run", name)
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
