// Package lan gives a test a machine of its own as far as addresses go: namespaces in which every port is free and /run is
// empty, and a network to which kernels can be attached. There are guests that have to be called back, which the networks that
// emulators make for themselves cannot do.
//
// Concurrency: the functions are called by one test, and change its whole process. Nothing outlives the process.
package lan

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Addresses of the test's own process on the network that Bridge makes. The last means something on that network only.
const (
	ServerAddr      = "10.77.0.1"
	ServerAddr6     = "fd77::1"
	ServerLinkLocal = "fe80::77"
)

// GuestAddr is the address that the i-th guest, from 0, should have there.
func GuestAddr(i int) string { return "10.77.0." + strconv.Itoa(2+i) }

// GuestNetwork is GuestAddr with the length of the network's prefix.
func GuestNetwork(i int) string { return GuestAddr(i) + "/24" }

// GuestNetwork6 is an IPv6 address that the i-th guest may have, with the length of the prefix.
func GuestNetwork6(i int) string { return "fd77::" + strconv.Itoa(2+i) + "/64" }

// Tap is the name of the i-th guest's device on this side.
func Tap(i int) string { return "tap" + strconv.Itoa(i) }

// enclosed names the environment variable that tells the test which runs in the namespaces that it does.
const enclosed = "TEST_PMEMFS_ENCLOSED"

// Enclosed runs the test that calls it once more, in network and mount namespaces of its own, and reports false when that has ended; in
// there it reports true. prepare does before what needs the network of this machine. It needs root, or namespaces of users.
func Enclosed(t *testing.T, prepare func()) bool {
	t.Helper()
	if os.Getenv(enclosed) == t.Name() {
		furnish(t)
		return true
	}
	if prepare != nil {
		prepare()
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v=true", "-test.count=1"}
	if deadline, ok := t.Deadline(); ok {
		args = append(args, "-test.timeout="+time.Until(deadline).String())
	}
	cmd := exec.Command(self, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), enclosed+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	err = cmd.Run()
	if err != nil {
		t.Fatalf("in namespaces of its own: %v\n%s", err, &out)
	}
	if !bytes.Contains(out.Bytes(), []byte("--- PASS: "+t.Name())) {
		t.Fatalf("in namespaces of its own it did not run\n%s", &out)
	}
	t.Logf("in namespaces of its own:\n%s", &out)
	return false
}

// furnish makes new namespaces fit for servers: a loopback device that is up, and a /run that is nobody else's.
func furnish(t *testing.T) {
	t.Helper()
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		t.Fatalf("mount a tmpfs on /run: %v", err)
	}
	ip(t, "link set lo up")
}

// Bridge makes a network that has this machine as ServerAddr, and room for guests at Tap.
func Bridge(t *testing.T, guests int) {
	t.Helper()
	ip(t, "link add lan type bridge")
	ip(t, "addr add "+ServerAddr+"/24 dev lan")
	ip(t, "addr add "+ServerAddr6+"/64 dev lan nodad")
	ip(t, "addr add "+ServerLinkLocal+"/64 dev lan nodad")
	ip(t, "link set lan up")
	for i := range guests {
		ip(t, fmt.Sprintf("tuntap add %s mode tap", Tap(i)))
		ip(t, fmt.Sprintf("link set %s master lan", Tap(i)))
		ip(t, fmt.Sprintf("link set %s up", Tap(i)))
	}
}

// ip runs the command of that name.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", "ip "+args).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s(scripts/install.sh installs it)", args, err, out)
	}
}
