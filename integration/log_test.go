package integration

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
	"pmemfs/server/nfswire"
)

// piped is a server whose log goes to a pipe of the test's.
type piped struct {
	*exec.Cmd
	addr string
	log  *os.File // the end to read from
}

// servePiped starts a server that lets only 127.0.0.1 mount.
func servePiped(t *testing.T, args ...string) *piped {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	port := harness.FreePort(t)
	p := &piped{addr: harness.Local(port), log: r}
	image := filepath.Join(t.TempDir(), "fs.img")
	p.Cmd = exec.Command(harness.Binary(t), append([]string{"serve", image, "--size", "64MiB", "--squash", "none", "--nfs", p.addr, "--clients", "127.0.0.1"}, args...)...)
	p.Cmd.Env = harness.Environ()
	p.Stderr, p.Stdout = w, w
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if c, err := rawnfs.Dial(p.addr, patience); err == nil {
			c.Close()
			return p
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not start")
		}
	}
}

// stop ends the server in order, and demands that it does.
func (p *piped) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("stopped: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the server does not stop")
	}
}

// flood asks for mounts that are refused, from another address, with names that take four times their length in a log.
func flood(t *testing.T, addr string, n int) {
	t.Helper()
	c, err := rawnfs.DialFrom("127.0.0.66", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	name := "/" + strings.Repeat("\x01", 1000)
	for range n {
		if _, err := c.Mount(name); !errors.Is(err, rawnfs.Status(nfswire.ErrAcces)) {
			t.Fatalf("a stranger's mount: %v", err)
		}
	}
}

// works mounts and changes something, as a client does that is let in.
func works(t *testing.T, addr, name string) {
	t.Helper()
	c := dialRaw(t, addr)
	root, err := c.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.As(0, 0).Mkdir(root, name, rawnfs.Sattr{}); err != nil {
		t.Fatal(err)
	}
}

// TestLogIsNoDependency takes the reader of a server's log away, and lets it stall, while strangers make the server log.
func TestLogIsNoDependency(t *testing.T) {
	const calls = 3000
	t.Run("gone", func(t *testing.T) {
		p := servePiped(t)
		if err := p.log.Close(); err != nil {
			t.Fatal(err)
		}
		flood(t, p.addr, calls)
		works(t, p.addr, "d")
		p.stop(t)
	})
	t.Run("stalled", func(t *testing.T) {
		p := servePiped(t)
		flood(t, p.addr, calls)
		works(t, p.addr, "d")
		p.stop(t)
	})
	t.Run("read", func(t *testing.T) {
		p := servePiped(t)
		var size atomic.Int64
		text := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(p.log) // ends with the server
			size.Store(int64(len(all)))
			text <- all
		}()
		flood(t, p.addr, calls)
		works(t, p.addr, "d")
		p.stop(t)
		all := string(<-text)
		if size.Load() > 64<<10 {
			t.Errorf("%d calls of a stranger make %d bytes of log", calls, size.Load())
		}
		for _, want := range []string{"mount refused", "lines were left out", "msg=mount ", "stopped"} {
			if !strings.Contains(all, want) {
				t.Errorf("the log lacks %q:\n%s", want, all)
			}
		}
		if n := strings.Count(all, `\x01`); n > 64*40 {
			t.Errorf("a stranger's string is there %d times", n)
		}
	})
}
