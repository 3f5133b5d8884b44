package integration

import (
	"fmt"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// mountNineP mounts the server on dir by 9P, and makes sure that it is a mount.
func (c client) mountNineP(t *testing.T, port int, dir, options string) {
	t.Helper()
	c.sh(t, "mount -t 9p -o trans=tcp,version=9p2000.L,port=%d,%s %s %s", port, options, c.host, dir)
	if line := c.sh(t, "grep ' %s 9p ' /proc/mounts", dir); !strings.Contains(line, fmt.Sprint("port=", port)) {
		t.Fatalf("mounted with other options: %s", line)
	}
}

// TestNinePKernel lets a Linux kernel mount a running server over 9P in several ways, and do the work of an ordinary user.
func TestNinePKernel(t *testing.T) {
	t.Parallel()
	server, port, _ := serveNineP(t)
	c := bootClientWith(t, harness.HostPrograms(t, "setfacl", "getfacl"))
	for _, options := range []string{
		"msize=1048576,cache=none,access=any,uname=root",
		"msize=8192,cache=mmap,access=user",
		"msize=1048576,cache=loose,access=client,posixacl",
	} {
		t.Run(options, func(t *testing.T) {
			c.mountNineP(t, port, "/mnt", options)
			runSteps(t, c, smallSteps)
			c.sh(t, "rm -rf /mnt/*")
			c.sh(t, "umount /mnt")
		})
	}
	_ = server
}
