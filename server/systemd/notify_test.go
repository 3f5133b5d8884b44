package systemd

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestNotifier listens as the manager does.
func TestNotifier(t *testing.T) {
	path := t.TempDir() + "/notify"
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "4000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	n := NewNotifier()
	if n.Watchdog() != 4*time.Second {
		t.Errorf("the watchdog waits %v", n.Watchdog())
	}
	for _, c := range []struct {
		tell func()
		want string
	}{
		{func() { n.Starting(time.Second, "a\nb") }, "EXTEND_TIMEOUT_USEC=1000000\nSTATUS=a b"},
		{func() { n.Reloading(); n.Reloaded("early"); n.Ready("x") }, "READY=1\nSTATUS=x"},
		{n.Reloading, "RELOADING=1\nMONOTONIC_USEC="},
		{func() { n.Reloaded("y") }, "READY=1\nSTATUS=y"},
		{n.Alive, "WATCHDOG=1"},
		{n.Stopping, "STOPPING=1\nSTATUS=stopping"},
	} {
		c.tell()
		buf := make([]byte, 1000)
		k, err := l.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:k]), c.want) {
			t.Errorf("%q, %v, expected %q", buf[:k], err, c.want)
		}
	}
}

// TestNoManager tells nobody, and waits for nobody.
func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := NewNotifier()
	n.Ready("x")
	n.Alive()
	if n.Watchdog() != 0 {
		t.Error("there is a watchdog")
	}
	t.Setenv("NOTIFY_SOCKET", t.TempDir()+"/gone")
	t.Setenv("WATCHDOG_USEC", "4000000")
	t.Setenv("WATCHDOG_PID", "1")
	if n := NewNotifier(); n.Watchdog() != 0 {
		t.Error("the watchdog of another process is taken for ours")
	} else {
		n.Ready("x")
	}
}
