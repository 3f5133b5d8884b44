package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Notifier tells the manager how the service is. nil tells nobody.
type Notifier struct {
	at       *net.UnixAddr
	watchdog time.Duration
	ready    atomic.Bool // it was said
}

// NewNotifier returns what tells the manager that started this process; nil if none wants to be told.
func NewNotifier() *Notifier {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	n := &Notifier{at: &net.UnixAddr{Name: path, Net: "unixgram"}}
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	pid := os.Getenv("WATCHDOG_PID")
	if err == nil && us > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(us) * time.Microsecond
	}
	return n
}

// Watchdog is how long the manager waits for a sign of life before it ends the service; 0 if it needs none.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// send tells the manager. Whether anybody hears it is the manager's affair.
func (n *Notifier) send(lines ...string) {
	if n == nil {
		return
	}
	c, err := net.DialUnix("unixgram", nil, n.at)
	if err != nil {
		return
	}
	defer c.Close() // nothing is lost with it
	_, _ = c.Write([]byte(strings.Join(lines, "\n")))
}

// status is a line of text for people.
func status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// Starting asks for more time to start in, and says what takes it.
func (n *Notifier) Starting(more time.Duration, text string) {
	n.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", more.Microseconds()), status(text))
}

// Ready says that clients are served.
func (n *Notifier) Ready(text string) {
	if n != nil {
		n.ready.Store(true)
		n.send("READY=1", status(text))
	}
}

// Reloading says that a reload has begun, and Reloaded that it has ended. One during a start is a part of that.
func (n *Notifier) Reloading() {
	if n == nil || !n.ready.Load() {
		return
	}
	n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()), status("reloading"))
}

// Reloaded ends what Reloading began.
func (n *Notifier) Reloaded(text string) {
	if n != nil && n.ready.Load() {
		n.Ready(text)
	}
}

// Stopping says that the service has begun to stop.
func (n *Notifier) Stopping() { n.send("STOPPING=1", status("stopping")) }

// Alive is the sign of life that a watchdog waits for.
func (n *Notifier) Alive() { n.send("WATCHDOG=1") }
