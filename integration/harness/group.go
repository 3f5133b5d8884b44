package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Confined is a server that may use so many bytes of memory.
type Confined struct {
	*Server
	// Group is the folder of its control group. Where none can be made it is "", and the server is told what a group would have told it.
	Group string

	bytes int64
	most  int64 // of anonymous memory, as it was seen
}

// ServeConfined is Serve in a control group of so many bytes of memory, of version 1 or 2, as the machine has it. That takes root.
func ServeConfined(t testing.TB, bytes int64, image string, args ...string) *Confined {
	t.Helper()
	c := &Confined{bytes: bytes}
	s := &Server{Image: image, Host: "127.0.0.1", Port: FreePort(t), t: t, named: true, args: args, log: new(log)}
	group, err := makeGroup(bytes)
	if err == nil {
		c.Group, s.group = group, filepath.Join(group, "cgroup.procs")
		t.Cleanup(func() {
			// The kernel takes a moment to notice that the last process has ended.
			for deadline := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
				if err := os.Remove(group); err == nil || time.Now().After(deadline) {
					return
				}
			}
		})
		t.Logf("a control group of %d MiB: %s", bytes>>20, group)
	} else {
		t.Logf("no control group (%v): the server is told that it has %d MiB", err, bytes>>20)
		s.env = []string{fmt.Sprintf("GOMEMLIMIT=%d", bytes/4*3)}
		s.args = append([]string{"--memory", strconv.FormatInt(bytes/8*3, 10)}, args...)
	}
	c.Server = serve(s)
	return c
}

// Watch looks at the server's memory until stop is called, which returns the most that it had of its own, in bytes.
func (c *Confined) Watch() (stop func() int64) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			if n, err := c.Anonymous(); err == nil {
				c.most = max(c.most, n)
			}
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	return func() int64 {
		close(done)
		watching.Wait()
		return c.most
	}
}

// Anonymous is how much memory the server has that is in no file, in bytes.
func (s *Server) Anonymous() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, err := fmt.Sscanf(line, "RssAnon: %d kB", &kib); err == nil && n == 1 {
			return kib << 10, nil
		}
	}
	return 0, errors.New("no RssAnon")
}

// Descriptors is how many files and sockets the server has open.
func (s *Server) Descriptors() (int, error) {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return len(list), err
}

// groups are the folders in which control groups are made, of version 2 and 1, and the file with the limit.
var groups = []struct{ folder, limit string }{
	{"/sys/fs/cgroup", "memory.max"},
	{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
}

// makeGroup makes a control group with a limit.
func makeGroup(bytes int64) (string, error) {
	var failed error
	for _, g := range groups {
		group, err := os.MkdirTemp(g.folder, "pmemfs-test-*")
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		err = writeExisting(filepath.Join(group, g.limit), strconv.FormatInt(bytes, 10))
		if err == nil {
			return group, nil
		}
		failed = errors.Join(failed, err, os.Remove(group))
	}
	return "", failed
}

// writeExisting writes to a file that the kernel has made; where it has not, the folder is no control group.
func writeExisting(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
