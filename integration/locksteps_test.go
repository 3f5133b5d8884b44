package integration

import (
	"fmt"
	"testing"
	"time"
)

// owner is a process of a guest that locks one file.
type owner struct {
	l          locker
	name, file string
	asksAny    bool // its client, that of 9P, does not tell the server of which kind of lock it asks
}

// own starts a process that has a file open and locks it as it is told.
func (l locker) own(t *testing.T, name, file string) owner {
	t.Helper()
	l.sh(t, "rm -f /tmp/owner-%[1]s; guest owner %[1]s %[2]s >/tmp/owner-%[1]s.log 2>&1 & echo $! >/tmp/owner-%[1]s.pid; "+
		"while ! test -S /tmp/owner-%[1]s; do test -d /proc/$! || { cat /tmp/owner-%[1]s.log; exit 1; }; sleep 0.02; done", name, file)
	return owner{l: l, name: name, file: file}
}

// kill ends the process, which leaves its locks to the kernel.
func (o owner) kill(t *testing.T) {
	t.Helper()
	o.l.sh(t, "kill -9 $(cat /tmp/owner-%s.pid); while test -d /proc/$(cat /tmp/owner-%[1]s.pid); do sleep 0.02; done", o.name)
}

// do has the owner carry out a command, with an outcome that is demanded.
func (o owner) do(t *testing.T, want, command string, args ...any) {
	t.Helper()
	command = fmt.Sprintf(command, args...)
	if got := o.l.sh(t, "guest tell %s %s", o.name, command); got != want {
		t.Errorf("guest%d's %s: %s: %q, want %q", o.l.index, o.name, command, got, want)
	}
}

// start has the owner carry out a command that may wait.
func (o owner) start(t *testing.T, command string, args ...any) {
	t.Helper()
	o.l.sh(t, "rm -f /tmp/waits-%[1]s; guest tell %[1]s %[2]s >/tmp/waits-%[1]s 2>&1 &", o.name, fmt.Sprintf(command, args...))
}

// waits demands that what was started has not ended.
func (o owner) waits(t *testing.T, atLeast time.Duration) {
	t.Helper()
	time.Sleep(atLeast)
	if said := o.l.sh(t, "cat /tmp/waits-%s", o.name); said != "" {
		t.Errorf("guest%d's %s did not wait: %s", o.l.index, o.name, said)
	}
}

// granted waits until what was started has ended, which has to be well, and returns how long that took.
func (o owner) granted(t *testing.T, atMost time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	for said := ""; said != "ok"; time.Sleep(10 * time.Millisecond) {
		said = o.l.sh(t, "cat /tmp/waits-%s", o.name)
		if said != "" && said != "ok" || time.Since(start) > atMost {
			t.Fatalf("guest%d's %s waited %v: %q", o.l.index, o.name, time.Since(start), said)
		}
	}
	return time.Since(start)
}

// grantTime is how long a lock may take to reach a client that waits for it: less than the half a minute after which kernels
// ask again by themselves, as they do when no callback comes.
const grantTime = 20 * time.Second

// lockSteps has x lock against y, owners of one file on two kernels, and leaves no lock.
func lockSteps(t *testing.T, x, y owner) {
	none := func(t *testing.T) {
		t.Helper()
		x.do(t, "ok", "set u 0 0")
		y.do(t, "ok", "set u 0 0")
	}
	for _, step := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"exclusive", func(t *testing.T) {
			x.do(t, "ok", "set w 0 10")
			y.do(t, "EAGAIN", "set w 0 10")
			y.do(t, "EAGAIN", "set r 9 1")
			y.do(t, "w 0 10", "test r 5 1")
			y.do(t, "free", "test w 10 0")
			y.do(t, "ok", "set w 10 10")
			x.do(t, "EAGAIN", "set w 0 11")
			x.do(t, "ok", "set w 0 10")
		}},
		{"shared", func(t *testing.T) {
			x.do(t, "ok", "set r 0 100")
			y.do(t, "ok", "set r 50 100")
			y.do(t, "EAGAIN", "set w 50 10")
			y.do(t, map[bool]string{false: "free", true: "r 0 100"}[y.asksAny], "test r 0 0")
			y.do(t, "r 0 100", "test w 0 0")
			x.do(t, "EAGAIN", "set w 0 60")
			x.do(t, "ok", "set w 0 50")
		}},
		{"split and merge", func(t *testing.T) {
			x.do(t, "ok", "set w 0 100")
			x.do(t, "ok", "set u 40 20")
			y.do(t, "w 0 40", "test w 0 0")
			y.do(t, "w 60 40", "test w 40 0")
			y.do(t, "ok", "set w 40 20")
			y.do(t, "EAGAIN", "set w 39 1")
			y.do(t, "EAGAIN", "set w 60 1")
			y.do(t, "ok", "set u 40 20")
			x.do(t, "ok", "set w 40 20")
			y.do(t, "w 0 100", "test w 0 0")
			x.do(t, "ok", "set r 20 20")
			y.do(t, "ok", "set r 25 5")
			x.do(t, "EAGAIN", "set w 0 100")
			y.do(t, "EAGAIN", "set r 19 1")
		}},
		{"upgrade and downgrade", func(t *testing.T) {
			x.do(t, "ok", "set r 0 10")
			x.do(t, "ok", "set w 0 10")
			y.do(t, "EAGAIN", "set r 0 10")
			x.do(t, "ok", "set r 0 10")
			y.do(t, "ok", "set r 0 10")
		}},
		{"64 bits", func(t *testing.T) {
			const far = 1 << 62
			x.do(t, "ok", "set w %d %d", int64(far), 1<<20)
			y.do(t, "EAGAIN", "set w %d 1", int64(far)+1<<20-1)
			y.do(t, "ok", "set w %d 1", int64(far)+1<<20)
			y.do(t, fmt.Sprintf("w %d %d", int64(far), 1<<20), "test r %d 0", int64(far)-1)
			x.do(t, "ok", "set w 5000000000 1000")
			y.do(t, "EAGAIN", "set w 5000000999 1")
			y.do(t, "ok", "set w 705032704 1") // the same in 32 bits
			x.do(t, "EAGAIN", "set w 0 0")
			x.do(t, "ok", "set w %d 0", int64(1<<63-1)) // the last byte that there is
			y.do(t, "EAGAIN", "set w %d 0", int64(far)+1<<21)
		}},
		{"wait", func(t *testing.T) { waitSteps(t, x, y) }},
		{"flock", func(t *testing.T) { flockSteps(t, x, y) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.run(t)
			none(t)
		})
	}
}

// waitSteps has each wait for the other, and one give up waiting.
func waitSteps(t *testing.T, x, y owner) {
	for _, pair := range [][2]owner{{x, y}, {y, x}} {
		holder, waiter := pair[0], pair[1]
		holder.do(t, "ok", "set w 0 10")
		waiter.start(t, "wait w 5 10")
		waiter.waits(t, 200*time.Millisecond)
		holder.do(t, "ok", "set u 0 6")
		waiter.waits(t, 200*time.Millisecond) // for the rest
		holder.do(t, "ok", "set u 6 4")
		t.Logf("guest%d was granted its lock after %v", waiter.l.index, waiter.granted(t, grantTime))
		holder.do(t, "w 5 10", "test w 0 0")
		waiter.do(t, "ok", "set u 0 0")
	}
	quitter := y.l.own(t, "quitter", y.file)
	x.do(t, "ok", "set w 0 10")
	quitter.start(t, "wait w 0 10")
	quitter.waits(t, 300*time.Millisecond)
	quitter.kill(t)
	x.do(t, "ok", "set u 0 10")
	x.do(t, "ok", "set w 0 10") // which nobody waits for any more
	dying := y.l.own(t, "dying", y.file)
	dying.do(t, "ok", "set w 100 10")
	x.start(t, "wait w 100 10")
	x.waits(t, 200*time.Millisecond)
	dying.kill(t)
	x.granted(t, grantTime)
}

// flockSteps lock whole files by flock, which the clients turn into ranges.
func flockSteps(t *testing.T, x, y owner) {
	x.do(t, "ok", "flock sh")
	y.do(t, "ok", "flock sh")
	x.do(t, "EAGAIN", "flock ex")
	y.do(t, "ok", "flock un")
	x.do(t, "ok", "flock ex")
	y.do(t, "EAGAIN", "flock sh")
	y.start(t, "flockwait ex")
	y.waits(t, 200*time.Millisecond)
	x.do(t, "ok", "flock un")
	y.granted(t, grantTime)
	x.do(t, "EAGAIN", "flock sh")
	y.do(t, "ok", "flock un")
	x.do(t, "ok", "flock un")
}
