package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// containersAptLine is what a host without the container tools has to run.
const containersAptLine = "run: apt-get install -y buildah podman runc busybox-static"

// Containers is a private store of container images and volumes below one
// folder; nothing of it reaches the machine's own store. It needs root, or
// sudo that asks for no password.
type Containers struct {
	t   testing.TB
	dir string
}

// newContainers makes an empty store.
func newContainers(t testing.TB) *Containers {
	t.Helper()
	for _, tool := range []string{"buildah", "podman", "/usr/sbin/runc", "/bin/busybox"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; %s", err, containersAptLine)
		}
	}
	dir, err := os.MkdirTemp("", "pmemfs-c-")
	if err != nil {
		t.Fatal(err)
	}
	return &Containers{t: t, dir: dir}
}

// shared is the store with the module's image that ContainersWithImage makes once per process.
var shared struct {
	sync.Mutex
	dir string
}

// ContainersWithImage returns a store that has the module's image under the name pmemfs. All tests share it, so each has container and volume
// names of its own. Cleanup removes it.
func ContainersWithImage(t testing.TB) *Containers {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.dir == "" {
		c := newContainers(t)
		c.BuildImage("pmemfs")
		shared.dir = c.dir
	}
	return &Containers{t: t, dir: shared.dir}
}

// removeShared removes the store that tests share.
func removeShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.dir == "" {
		return nil
	}
	out, err := asRoot("rm", "-rf", shared.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Buildah runs buildah on the store and returns its standard output, trimmed.
func (c *Containers) Buildah(args ...string) string {
	c.t.Helper()
	return c.host("buildah", append(c.store(), args...)...)
}

// Podman runs podman on the store and returns its standard output, trimmed.
func (c *Containers) Podman(args ...string) string {
	c.t.Helper()
	global := c.global()
	// Where systemd does not run, podman has nobody to call health checks from time to time; a test does it.
	return c.host("env", append(append([]string{"DISABLE_HC_SYSTEMD=true", "podman"}, global...), args...)...)
}

// global is what podman is told before its command.
func (c *Containers) global() []string {
	return append(c.store(), "--cgroup-manager=cgroupfs", "--runtime", "/usr/sbin/runc")
}

// PodmanCommand is the command of a shell that runs podman on the store.
func (c *Containers) PodmanCommand() string {
	cmd := asRoot("env", append([]string{"DISABLE_HC_SYSTEMD=true", "podman"}, c.global()...)...)
	return strings.Join(cmd.Args, " ")
}

// Logs returns what a container has said, on standard output and standard error.
func (c *Containers) Logs(name string) string {
	c.t.Helper()
	out, err := asRoot("podman", append(c.store(), "logs", name)...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("podman logs %s: %v\n%s", name, err, out)
	}
	return string(out)
}

func (c *Containers) store() []string {
	return []string{"--storage-driver", "vfs", "--root", filepath.Join(c.dir, "root"), "--runroot", filepath.Join(c.dir, "run")}
}

// host runs a command as root and fails the test with what it said.
func (c *Containers) host(name string, args ...string) string {
	c.t.Helper()
	var stdout, stderr strings.Builder
	cmd := asRoot(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

func asRoot(name string, args ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		name, args = "sudo", append([]string{"-n", name}, args...)
	}
	return exec.Command(name, args...)
}

// BuildImage builds the module's Dockerfile under the name tag and downloads
// nothing. Its base, which no test may download, is stood in for by an image
// of this machine's own Go: a shell from busybox, with the toolchain, the
// downloaded modules and the build cache mounted.
func (c *Containers) BuildImage(tag string) {
	c.t.Helper()
	root := Root(c.t)
	download := exec.Command("go", "mod", "download")
	download.Dir = root
	if out, err := download.CombinedOutput(); err != nil {
		c.t.Fatalf("go mod download: %v\n%s", err, out)
	}
	c.makeBase()
	c.Buildah("bud", "--format", "docker", "--isolation", "chroot", "--pull=never",
		"--volume", goEnv(c.t, "GOROOT")+":/usr/local/go:ro",
		"--volume", filepath.Join(goEnv(c.t, "GOMODCACHE"), "cache", "download")+":/modules:ro",
		"--volume", goEnv(c.t, "GOCACHE")+":/cache:rw",
		"--tag", tag, root)
}

// makeBase makes golang:1.26 from scratch.
func (c *Containers) makeBase() {
	base := c.Buildah("from", "scratch")
	c.Buildah("copy", base, "/bin/busybox", "/bin/sh")
	c.Buildah("copy", base, "/bin/busybox", "/bin/mkdir")
	empty := filepath.Join(c.dir, "empty")
	if err := os.Mkdir(empty, 0o777); err != nil {
		c.t.Fatal(err)
	}
	c.Buildah("copy", base, empty, "/tmp")
	for _, env := range []string{
		"PATH=/usr/local/go/bin:/bin", "GOPATH=/go", "GOTOOLCHAIN=local", "GOFLAGS=-mod=readonly",
		"GOPROXY=file:///modules", "GOSUMDB=off", "GOCACHE=/cache", "HOME=/tmp",
	} {
		c.Buildah("config", "--env", env, base)
	}
	c.Buildah("commit", "--quiet", base, "golang:1.26")
	c.Buildah("rm", base)
}

func goEnv(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}
