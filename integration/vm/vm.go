// Package vm talks to small guests: a Linux kernel whose initramfs holds
// busybox, some modules and the programs under test. Packages above it boot one.
//
// The guest is a shell that obeys the host. It reads commands from its control
// line and answers each with an explicit status line, so that silence is
// never taken for success. Its console is the kernel's log, which is
// shown when something fails.
//
// Concurrency: one goroutine runs commands on a VM at a time. Watch callbacks
// are called from the VM's own reader, one at a time, while commands run.
// Nothing in a guest survives it.
package vm

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// HostAddr is the host's 127.0.0.1 as the guest sees it through its user-mode
// network, in User-mode Linux and in QEMU.
const HostAddr = "10.0.2.2"

// GuestAddr is the guest's own address there, which init.sh gives it.
const GuestAddr = "10.0.2.15"

// Link puts a guest on a network of the host, where it can be called, in place of one of its own.
type Link struct {
	Tap     string // the device on the host
	Address string // the guest's, with the length of the prefix
	Name    string // the guest's, by which servers know it
}

// Parameters are for the kernel's command line, where init.sh finds them.
func (l *Link) Parameters() []string {
	return []string{"guestaddr=" + l.Address, "guestname=" + l.Name}
}

// ErrTimeout is returned when the guest did not answer in time. The guest has
// then been killed.
var ErrTimeout = errors.New("vm: the guest did not answer in time")

// ErrStopped is returned when the guest ended before it answered.
var ErrStopped = errors.New("vm: the guest is gone")

// VM is one running guest.
type VM struct {
	// Release is the guest's kernel, as uname -r says it.
	Release string

	cmd     *exec.Cmd
	control *os.File // commands to the guest
	console *syncBuffer
	lines   chan string // what the guest says on the control line
	exited  chan struct{}
	nextID  int

	mu    sync.Mutex
	watch func(line string) bool
}

// Launch starts cmd, which has to run a guest, and waits until the guest takes
// commands. plug gives the child its ends of the control line. What the child
// prints otherwise is the guest's console. An error carries the console.
func Launch(cmd *exec.Cmd, plug func(cmd *exec.Cmd, in, out *os.File)) (*VM, error) {
	vm := &VM{
		console: new(syncBuffer),
		lines:   make(chan string, 1024),
		exited:  make(chan struct{}),
	}
	if err := vm.start(cmd, plug); err != nil {
		return nil, err
	}
	select {
	case line := <-vm.lines:
		release, ok := strings.CutPrefix(line, "@@READY ")
		if !ok {
			vm.Kill()
			return nil, fmt.Errorf("vm: first line of the guest is %q\n%s", line, vm.Console())
		}
		vm.Release = release
		return vm, nil
	case <-vm.exited:
		return nil, fmt.Errorf("%w during boot\n%s", ErrStopped, vm.Console())
	case <-time.After(patience):
		vm.Kill()
		return nil, fmt.Errorf("%w during boot\n%s", ErrTimeout, vm.Console())
	}
}

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 5 * time.Minute

// start runs the child with a pair of pipes for the control line.
func (vm *VM) start(cmd *exec.Cmd, plug func(cmd *exec.Cmd, in, out *os.File)) error {
	guestIn, hostOut, err := os.Pipe()
	if err != nil {
		return err
	}
	hostIn, guestOut, err := os.Pipe()
	if err != nil {
		return err
	}
	vm.control = hostOut

	cmd.Stdout, cmd.Stderr = vm.console, vm.console
	plug(cmd, guestIn, guestOut)
	// A process group of its own: helpers and the kernel's threads end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	vm.cmd = cmd
	// The child has its own copies; ours would keep the pipes open for ever.
	if err := errors.Join(guestIn.Close(), guestOut.Close()); err != nil {
		return err
	}
	go vm.read(hostIn)
	go func() {
		// The status is the kernel's; what matters is that it has ended.
		vm.console.note(cmd.Wait())
		close(vm.exited)
	}()
	return nil
}

// read passes the guest's lines to the watcher, or else to who waits for an
// answer. It ends with the guest.
func (vm *VM) read(from *os.File) {
	defer from.Close()
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		vm.mu.Lock()
		watch := vm.watch
		vm.mu.Unlock()
		if watch != nil && watch(line) {
			continue
		}
		select {
		case vm.lines <- line:
		case <-vm.exited:
			return
		}
	}
	vm.console.note(lines.Err())
}

// Watch makes f see every further line first; f returns true to keep a line
// from the command that is running. It serves background programs of the
// guest that report to /dev/host. A nil f ends it.
func (vm *VM) Watch(f func(line string) bool) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	vm.watch = f
}

// Run runs one shell command line in the guest and returns what it printed,
// on both outputs, and its exit status. The command must not contain a line
// break. After ErrTimeout the guest is dead.
func (vm *VM) Run(timeout time.Duration, command string) (output string, status int, err error) {
	if strings.Contains(command, "\n") {
		return "", 0, fmt.Errorf("vm: line break in command %q", command)
	}
	vm.nextID++
	end := fmt.Sprintf("@@END %d ", vm.nextID)
	if _, err := fmt.Fprintf(vm.control, "%d %s\n", vm.nextID, command); err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrStopped, err)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	var out strings.Builder
	for {
		select {
		case line := <-vm.lines:
			// A program may end without a line break; the status follows it.
			if before, text, ok := strings.Cut(line, end); ok {
				out.WriteString(before)
				status, err := strconv.Atoi(text)
				return out.String(), status, err
			}
			out.WriteString(line)
			out.WriteByte('\n')
		case <-vm.exited:
			return out.String(), 0, fmt.Errorf("%w while it ran %q\n%s", ErrStopped, command, vm.Console())
		case <-timer.C:
			vm.Kill()
			return out.String(), 0, fmt.Errorf("%w (%s, %q)\n%s", ErrTimeout, timeout, command, vm.Console())
		}
	}
}

// Shutdown powers the guest off in order and waits for it. Calling it on a
// guest that has ended does nothing.
func (vm *VM) Shutdown() error {
	select {
	case <-vm.exited:
		return nil
	default:
	}
	// A serial line has no end, so the guest is told. It may end before it has
	// read all.
	vm.nextID++
	if _, err := fmt.Fprintf(vm.control, "%d poweroff -f\n", vm.nextID); err != nil {
		vm.console.note(err)
	}
	vm.console.note(vm.control.Close())
	select {
	case <-vm.exited:
		return nil
	case <-time.After(patience):
		vm.Kill()
		return fmt.Errorf("%w to power off\n%s", ErrTimeout, vm.Console())
	}
}

// Kill ends the guest at once, with its helpers, and waits for it.
func (vm *VM) Kill() {
	// A failure means that the group has already ended.
	vm.console.note(syscall.Kill(-vm.cmd.Process.Pid, syscall.SIGKILL))
	<-vm.exited
}

// Console returns the kernel's log so far.
func (vm *VM) Console() string { return vm.console.String() }

// syncBuffer is a bytes.Buffer for one writer and any readers.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*syncBuffer)(nil)

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// note appends an error, if there is one, to the log that failures show.
func (b *syncBuffer) note(err error) {
	if err != nil {
		fmt.Fprintf(b, "[host] %v\n", err)
	}
}
