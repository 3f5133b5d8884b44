package serverbench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server that was started, or one that runs already.
type process struct {
	cmd  *exec.Cmd // nil of one that runs already
	addr string
	end  chan error
	log  *tail
}

// startTime is how long a server may take until it accepts connections.
const startTime = 2 * time.Minute

// start runs a program and waits until something listens on addr.
func start(addr, program string, args ...string) (*process, error) {
	return startIn("", addr, program, args...)
}

// startIn is start in a folder, where a program that crashes when it is stopped leaves its core, as diod does.
func startIn(dir, addr, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), addr: addr, end: make(chan error, 1), log: new(tail)}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// Whatever ends this process must not leave a server behind.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.end <- p.cmd.Wait() }()
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-p.end:
			p.end <- err
			return nil, fmt.Errorf("%s ended at once: %w: %s", filepath.Base(program), err, p.log.last())
		default:
		}
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return p, conn.Close()
		}
	}
	return nil, errors.Join(fmt.Errorf("%s does not listen on %s: %s", filepath.Base(program), addr, p.log.last()), p.stop())
}

// explain adds to an error that the server has ended, if it has.
func (p *process) explain(err error) error {
	if p.cmd == nil {
		return err
	}
	select {
	case end := <-p.end:
		p.end <- end
		return fmt.Errorf("%w: the server has ended: %v: %s", err, end, p.log.last())
	case <-time.After(100 * time.Millisecond):
		return err
	}
}

// says waits until a server has printed a text among its last lines.
func (p *process) says(text string) error {
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if p.log.contains(text) {
			return nil
		}
	}
	return p.explain(fmt.Errorf("%s does not say that it is ready", p.cmd.Path))
}

// stop ends a server, by force if it takes too long.
func (p *process) stop() error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.end: // how it ends does not matter any more
		return nil
	case <-time.After(5 * time.Second):
	}
	err := p.cmd.Process.Kill()
	<-p.end
	return err
}

// pid is the process's number, 0 for one that runs already: it may be a kernel.
func (p *process) pid() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// freeAddr is an address of this machine on which nothing listens.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// portOf is the port of an address made by freeAddr.
func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// memoryOf is the resident memory of a process, in bytes.
func memoryOf(pid int) (int64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

// tail keeps the end of what a process prints.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 4 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes {
		t.buf = t.buf[:copy(t.buf, t.buf[len(t.buf)-tailBytes:])]
	}
	return len(p), nil
}

func (t *tail) contains(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.buf, []byte(text))
}

// last is the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := bytes.TrimSpace(t.buf)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}
