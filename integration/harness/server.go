package harness

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is one `pmemfs serve` on a port, usually of 127.0.0.1, that is its own for
// the whole test, also between a Kill and the next Start.
type Server struct {
	Image string
	Host  string
	Port  int

	t     testing.TB
	named bool // the image is on the command line, not left to the default
	args  []string
	env   []string
	group string // file by which a process joins a control group; "" for none
	cmd   *exec.Cmd
	end   chan error
	log   *log
}

// Serve starts a server on image, which it makes if it is missing, and waits
// until it accepts connections. When the test ends the server is stopped in
// order and its image must pass `pmemfs check`.
func Serve(t testing.TB, image string, args ...string) *Server {
	t.Helper()
	return ServeAt(t, "127.0.0.1", FreePort(t), image, args...)
}

// ServeAt is Serve on an address of choice.
func ServeAt(t testing.TB, host string, port int, image string, args ...string) *Server {
	t.Helper()
	return serve(&Server{Image: image, Host: host, Port: port, t: t, named: true, args: args, log: new(log)})
}

// ServeDefault is Serve without naming an image: the server is to take
// pmemfs.img in the folder dir, where it runs.
func ServeDefault(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	return serve(&Server{Image: filepath.Join(dir, "pmemfs.img"), Host: "127.0.0.1", Port: FreePort(t), t: t, args: args, log: new(log)})
}

// ServeConfig is ServeAt of the images, one or more, that a configuration file names. All are checked when the test ends; the first is Server.Image.
func ServeConfig(t testing.TB, host string, port int, file string, images []string, args ...string) *Server {
	t.Helper()
	for _, image := range images[1:] {
		t.Cleanup(func() { Check(t, image) })
	}
	return serve(&Server{Image: images[0], Host: host, Port: port, t: t, args: append([]string{"--config", file}, args...), log: new(log)})
}

func serve(s *Server) *Server {
	t := s.t
	t.Helper()
	s.Start()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.Stop()
		}
		Check(t, s.Image)
		if t.Failed() {
			t.Logf("server's output:\n%s", s.log)
		}
	})
	return s
}

// FreePort returns a TCP port of 127.0.0.1 on which nothing listens.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Local is the address of a port of 127.0.0.1.
func Local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Addr returns the host and port the server listens on.
func (s *Server) Addr() string {
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// Output returns all that the server has printed so far, over all its starts.
func (s *Server) Output() string { return s.log.String() }

// Start starts a stopped or killed server again, on the same image and port.
func (s *Server) Start() {
	s.t.Helper()
	s.launch()
	s.waitReady()
}

// StartWith is Start with more arguments, this time.
func (s *Server) StartWith(args ...string) {
	s.t.Helper()
	usual := s.args
	s.args = append(usual[:len(usual):len(usual)], args...)
	s.Start()
	s.args = usual
}

// KillStarting starts a stopped or killed server and kills it again after a
// while, whatever it has come to: still recovering, or ready.
func (s *Server) KillStarting(after time.Duration) {
	s.t.Helper()
	s.launch()
	time.Sleep(after)
	s.Kill()
}

// launch starts the process.
func (s *Server) launch() {
	s.t.Helper()
	args := []string{"serve"}
	if s.named {
		args = append(args, s.Image)
	}
	args = append(append(args, "--nfs", s.Addr()), s.args...)
	cmd := exec.Command(Binary(s.t), args...)
	if s.group != "" {
		// The shell joins the group and becomes the server.
		cmd = exec.Command("/bin/sh", append([]string{"-c", `echo $$ > "$0" && exec "$@"`, s.group, Binary(s.t)}, args...)...)
	}
	cmd.Env = append(Environ(), s.env...)
	if !slices.Contains(s.args, "--admin") && !slices.Contains(s.args, "--config") {
		cmd.Env = append(cmd.Env, "PMEMFS_ADMIN=off") // of which there is one port for all servers of a machine
	}
	cmd.Dir = filepath.Dir(s.Image)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	// Whatever ends the test process must not leave a server behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.cmd, s.end = cmd, make(chan error, 1)
	go func() { s.end <- cmd.Wait() }()
}

func (s *Server) waitReady() {
	s.t.Helper()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		select {
		case err := <-s.end:
			s.cmd = nil
			s.t.Fatalf("the server ended at once: %v\n%s", err, s.log)
		default:
		}
		if answers(s.Addr()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.Kill()
	s.t.Fatalf("the server does not answer on %s\n%s", s.Addr(), s.log)
}

// answers reports whether a server answers NULL of NFS (RFC 1813 section 3.3.0): it listens before it has opened its image.
func answers(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		return false
	}
	call := []byte{0x80, 0, 0, 40}
	for _, word := range [...]uint32{1, 0, 2, programNFS, 3, 0, 0, 0, 0, 0} {
		call = binary.BigEndian.AppendUint32(call, word)
	}
	if _, err := conn.Write(call); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, make([]byte, 28))
	return err == nil
}

// Kill ends the server with SIGKILL: no unmount, no last write.
func (s *Server) Kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatalf("kill: %v\n%s", err, s.log)
	}
	<-s.end // "signal: killed", as asked
	s.cmd = nil
}

// Signal sends the server a signal that does not end it.
func (s *Server) Signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatalf("%v: %v\n%s", signal, err, s.log)
	}
}

// WaitOutput waits until the server has printed a text n times.
func (s *Server) WaitOutput(text string, n int) {
	s.t.Helper()
	for deadline := time.Now().Add(Patience); strings.Count(s.Output(), text) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the server has not said %q %d times:\n%s", text, n, s.log)
		}
	}
}

// Stop ends the server as Ctrl-C does and demands that it unmounts and exits
// with status 0.
func (s *Server) Stop() {
	s.t.Helper()
	s.StopWith(syscall.SIGINT)
}

// StopWith is Stop by another signal that has to end the server in order.
func (s *Server) StopWith(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Errorf("%v: %v\n%s", signal, err, s.log)
	}
	select {
	case err := <-s.end:
		if err != nil {
			s.t.Errorf("the server ended with %v\n%s", err, s.log)
		}
	case <-time.After(Patience):
		s.t.Errorf("the server did not end within %v of %v\n%s", Patience, signal, s.log)
		s.Kill()
	}
	s.cmd = nil
}

// StopComplaining is Stop for a server that has to say that something is wrong: by its exit status, and in words.
func (s *Server) StopComplaining(text string) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatalf("stop: %v\n%s", err, s.log)
	}
	select {
	case err := <-s.end:
		if err == nil || !strings.Contains(s.Output(), text) {
			s.t.Errorf("the server ended with %v, and should have said %q\n%s", err, text, s.log)
		}
	case <-time.After(Patience):
		s.t.Errorf("the server did not end within %v\n%s", Patience, s.log)
		s.Kill()
	}
	s.cmd = nil
}

// log is a buffer that one process fills while the test reads.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

var _ fmt.Stringer = (*log)(nil)
