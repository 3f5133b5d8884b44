package serverbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// WantsEnclosure reports whether peers are to be measured that can only be started in namespaces of their own, and this
// process may make such.
func (o *Options) WantsEnclosure() bool {
	peers := slices.Contains(o.Targets, TargetMem) || slices.Contains(o.Targets, TargetVFS)
	return peers && !o.Enclosed && os.Geteuid() == 0
}

// Enclose runs this program once more with the arguments args, in mount and network namespaces of its own, and returns when it
// has ended. When ctx ends, it asks the program to end, which then leaves nothing behind.
func Enclose(ctx context.Context, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		Pdeathsig:    syscall.SIGKILL,
	}
	err = cmd.Run()
	if err := stopped(ctx); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("measuring in namespaces of its own: %w", err)
	}
	return nil
}

// furnish makes new namespaces fit for servers: a loopback device that is up and a /run that is nobody else's.
func furnish() error {
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount a tmpfs on /run: %w", err)
	}
	for _, dir := range []string{"/run/rpcbind", "/run/ganesha"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
	}
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return fmt.Errorf("loopback device: %w", err)
	}
	return nil
}
