package harness

import (
	"encoding/hex"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Attack runs one of the attackers of integration/attack, in a process of its own, until stop is called or the test ends: on an address, from an
// address of this machine, over a number of connections. file is the handle of a file, for NFS.
func Attack(t testing.TB, name, addr, from string, connections int, file string) (stop func()) {
	t.Helper()
	cmd := exec.Command(build(t, "attack", "./integration/attack"), name, addr, from, strconv.Itoa(connections), hex.EncodeToString([]byte(file)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := new(log)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("attack %s: %v\n%s", name, err, out)
		}
	})
	t.Cleanup(stop)
	return stop
}
