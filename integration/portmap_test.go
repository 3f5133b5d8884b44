package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/lan"
)

// enclosed is lan.Enclosed, with the program that is tested built once; prepare may be nil.
func enclosed(t *testing.T, prepare func()) bool {
	t.Helper()
	return lan.Enclosed(t, func() {
		t.Setenv(harness.BinaryVariable, harness.Binary(t))
		if prepare != nil {
			prepare()
		}
	})
}

// ask runs a program that asks a portmapper, and returns what it printed.
func ask(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v (scripts/install.sh installs it)\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// listed demands lines that have all these words.
func listed(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		found := false
		for l := range strings.Lines(text) {
			found = found || strings.Contains(" "+strings.Join(strings.Fields(l), " ")+" ", " "+line+" ")
		}
		if !found {
			t.Errorf("no line with %q in:\n%s", line, text)
		}
	}
}

// TestPortmapTools: the tools that people have find everything by a server that is its own portmapper.
func TestPortmapTools(t *testing.T) {
	if !enclosed(t, nil) {
		return
	}
	server := harness.ServeAt(t, "127.0.0.1", 2049, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--portmap", ":111",
		"--export", "/,clients=127.0.0.1", "--export", "/docs=/,ro,clients=127.0.0.0/8")
	list := ask(t, "rpcinfo", "-p", "127.0.0.1")
	listed(t, list, "100000 2 tcp 111 portmapper", "100000 4 udp 111 portmapper", "100003 3 tcp 2049 nfs", "100005 3 tcp 2049 mountd",
		"100005 3 udp 2049 mountd", "100005 1 udp 2049 mountd")
	if strings.Contains(list, "3 udp 2049 nfs") {
		t.Errorf("NFS is not served over UDP:\n%s", list)
	}
	listed(t, ask(t, "rpcinfo", "-s", "127.0.0.1"), "100003 3 tcp nfs pmemfs", "100005 3,2,1 udp,tcp mountd pmemfs")
	listed(t, ask(t, "rpcinfo", "127.0.0.1"), "100003 3 tcp 127.0.0.1.8.1 nfs pmemfs")
	listed(t, ask(t, "rpcinfo", "-l", "127.0.0.1", "mountd", "3"), "100005 3 inet/udp/clts 127.0.0.1.8.1 mountd")
	listed(t, ask(t, "rpcinfo", "-T", "udp", "127.0.0.1", "mountd", "3"), "program 100005 version 3 ready and waiting")
	listed(t, ask(t, "rpcinfo", "-T", "tcp", "127.0.0.1", "nfs", "3"), "program 100003 version 3 ready and waiting")
	listed(t, ask(t, "rpcinfo", "-u", "127.0.0.1", "portmapper"), "program 100000 version 2 ready and waiting", "program 100000 version 4 ready and waiting")
	ask(t, "rpcinfo", "-m", "127.0.0.1")
	listed(t, ask(t, "showmount", "-e", "127.0.0.1"), "/ 127.0.0.1/32", "/docs 127.0.0.0/8")
	harness.Mount(t, server.Addr(), 0)
	listed(t, ask(t, "showmount", "-a", "127.0.0.1"), "127.0.0.1:/")
	if out, err := exec.Command("nfs-ls", "nfs://127.0.0.1/?version=3").CombinedOutput(); err != nil {
		t.Errorf("nfs-ls, which is told no port: %v\n%s", err, out)
	}
	out, err := exec.Command("rpcinfo", "-d", "100003", "3").CombinedOutput() // deletes, if one may
	if list := ask(t, "rpcinfo", "-p", "127.0.0.1"); !strings.Contains(list, "100003") {
		t.Errorf("somebody outside removed NFS: %v\n%s", err, out)
	}
}

// TestRpcbind: a server registers with the rpcbind of the machine, replaces what a killed one left, and withdraws at its end.
func TestRpcbind(t *testing.T) {
	if !enclosed(t, nil) {
		return
	}
	rpcbind := startRpcbind(t)
	image := filepath.Join(t.TempDir(), "fs.img")
	server := harness.ServeAt(t, "127.0.0.1", 12049, image, "--size", "64MiB", "--register")
	all := []string{"100003 3 tcp 12049 nfs", "100005 3 tcp 12049 mountd", "100005 1 udp 12049 mountd"}
	server.WaitOutput("registered with rpcbind", 1)
	listed(t, ask(t, "rpcinfo", "-p", "127.0.0.1"), all...)
	listed(t, ask(t, "showmount", "-e", "127.0.0.1"), "/ (everyone)")
	other := harness.Run(t, t.TempDir(), "serve", filepath.Join(t.TempDir(), "other.img"), "--size", "64MiB", "--nfs", "127.0.0.1:13049", "--register")
	if other.Status == 0 || !strings.Contains(other.Stderr, "another server is registered") {
		t.Errorf("a second server: %+v", other)
	}
	server.Kill()
	server.Port = 14049
	server.Start()
	server.WaitOutput("registered with rpcbind", 2)
	list := ask(t, "rpcinfo", "-p", "127.0.0.1")
	listed(t, list, "100003 3 tcp 14049 nfs", "100005 3 udp 14049 mountd")
	if strings.Contains(list, "12049") {
		t.Errorf("the dead are still listed:\n%s", list)
	}
	server.Stop()
	if list := ask(t, "rpcinfo", "-p", "127.0.0.1"); strings.Contains(list, "049") || !strings.Contains(list, "portmapper") {
		t.Errorf("after the end:\n%s", list)
	}
	t.Run("statd", func(t *testing.T) { besideStatd(t, server) })
	// Without its socket there is only TCP, where it takes registrations from privileged ports, and knows no IPv6.
	if err := os.Remove("/run/rpcbind.sock"); err != nil {
		t.Fatal(err)
	}
	server.Start()
	server.WaitOutput("registered with rpcbind", 4)
	listed(t, ask(t, "rpcinfo", "-p", "127.0.0.1"), "100003 3 tcp 14049 nfs", "100005 3 udp 14049 mountd")
	server.Stop()
	if list := ask(t, "rpcinfo", "-p", "127.0.0.1"); strings.Contains(list, "049") {
		t.Errorf("after the end:\n%s", list)
	}
	busy := harness.Run(t, t.TempDir(), "serve", image, "--nfs", "127.0.0.1:12049", "--portmap", ":111")
	if busy.Status == 0 || !strings.Contains(busy.Stderr, "use --register") {
		t.Errorf("a portmapper beside rpcbind: %+v", busy)
	}
	rpcbind()
	none := harness.Run(t, t.TempDir(), "serve", image, "--nfs", "127.0.0.1:12049", "--register")
	if none.Status == 0 || !strings.Contains(none.Stderr, "cannot register with rpcbind") {
		t.Errorf("without an rpcbind: %+v", none)
	}
}

// besideStatd starts the server where a kernel client's own status monitor runs: the one for locks cannot be registered with rpcbind then.
func besideStatd(t *testing.T, server *harness.Server) {
	dir := t.TempDir()
	for _, name := range []string{"sm", "sm.bak"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	statd := exec.Command("rpc.statd", "--foreground", "--no-notify", "--state-directory-path", dir)
	if err := statd.Start(); err != nil {
		t.Fatalf("%v (scripts/install.sh installs it)", err)
	}
	defer func() {
		if err := statd.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := statd.Wait(); err == nil {
			t.Error("rpc.statd ended by itself")
		}
	}()
	for deadline := time.Now().Add(harness.Patience); exec.Command("rpcinfo", "-T", "udp", "127.0.0.1", "status", "1").Run() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("rpc.statd does not answer")
		}
	}
	refused := harness.Run(t, t.TempDir(), "serve", server.Image, "--nfs", "127.0.0.1:14049", "--register")
	if refused.Status == 0 || !strings.Contains(refused.Stderr, "rpc.statd") {
		t.Errorf("beside rpc.statd: %+v", refused)
	}
	list := ask(t, "rpcinfo", "-p", "127.0.0.1")
	if strings.Contains(list, "14049") || !strings.Contains(list, "100024") {
		t.Errorf("after a refusal:\n%s", list)
	}
	server.StartWith("--no-locks")
	server.WaitOutput("registered with rpcbind", 3)
	listed(t, ask(t, "rpcinfo", "-p", "127.0.0.1"), "100003 3 tcp 14049 nfs")
	server.Stop()
}

// startRpcbind starts the machine's rpcbind in the namespaces of the test, and returns what ends it.
func startRpcbind(t *testing.T) (stop func()) {
	t.Helper()
	cmd := exec.Command("rpcbind", "-f")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (scripts/install.sh installs it)", err)
	}
	for deadline := time.Now().Add(harness.Patience); exec.Command("rpcinfo", "-p", "127.0.0.1").Run() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("rpcbind does not answer")
		}
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("rpcbind ended by itself")
		}
	}
	t.Cleanup(stop)
	return stop
}
