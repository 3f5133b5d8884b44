package serverbench

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// receiveBytes is how much is read at once: as large as stays in a processor's cache.
const receiveBytes = 256 << 10

// load is one cell on one server.
type load struct {
	addr     string
	row      *row
	from     *site // what the calls are about
	conns    int
	depth    int
	duration time.Duration
	// limits are the calls of each connection, which end the load in place of the duration; nil for none.
	limits []uint32
	// templates, if not nil, are what an echo is to answer; replies are then not looked into.
	templates []byte
	pid       int // of the server; 0 if it is not known
	// pinned says that both sides run on one processor: see gather.
	pinned bool
}

// run carries out a load and returns what the server did, and the connections for what they know. They are closed.
func (l *load) run() (sample, []*conn, error) {
	var s sample
	conns, err := l.open()
	defer func() {
		for _, c := range conns {
			err = errors.Join(err, unix.Close(c.fd))
		}
	}()
	if err != nil {
		return s, nil, err
	}
	workers := l.workers(conns)
	before, err := cpuOf(l.pid)
	if err != nil {
		return s, nil, err
	}
	start := time.Now()
	failures := make([]error, len(workers))
	var wg sync.WaitGroup
	for i, own := range workers {
		wg.Go(func() { failures[i] = l.work(own, start) })
	}
	wg.Wait()
	s.seconds = seconds(start)
	after, err := cpuOf(l.pid)
	if err := errors.Join(append(failures, err)...); err != nil {
		return s, nil, err
	}
	s.cpuMicros = float64(after-before) / 1e3
	for _, c := range conns {
		s.replies += c.replies
		s.bytes += c.bytes
	}
	s.kept = conns[0].kept
	s.ops = float64(s.replies)
	switch {
	case l.row.cycle:
		s.ops /= float64(len(conns[0].slots[0].calls))
	case l.row.bytes > 0:
		s.ops *= float64(conns[0].size) / float64(l.row.bytes)
	}
	return s, conns, nil
}

// open opens all connections with their calls built.
func (l *load) open() (conns []*conn, err error) {
	for i := range l.conns {
		fd, err := connect(l.addr)
		if err != nil {
			return conns, err
		}
		c := newConn(fd, l.row, make([]slot, l.depth))
		conns = append(conns, c)
		c.check = l.templates == nil
		switch {
		case !c.check:
			err = sendAll(fd, l.templates)
		case l.row.begin != nil:
			var most int
			most, err = l.row.begin(fd, l.from, i, l.depth)
			c.size = min(c.size, most)
		}
		if err != nil {
			return conns, err
		}
		for j := range c.slots {
			c.slots[j] = l.row.slot(l.from, i, j, c.size)
		}
		if l.limits != nil {
			c.limit = l.limits[i]
		}
	}
	if l.row.data == writing {
		l.from.cells++
		payload := content(conns[0].size, 0, l.from.cells+readSalt)
		for _, c := range conns {
			c.payload = payload
		}
	}
	return conns, nil
}

// workers spreads the connections over as many threads as leave the server the larger half of the machine.
func (l *load) workers(conns []*conn) [][]*conn {
	workers := make([][]*conn, min(len(conns), max(1, runtime.NumCPU()/2)))
	for i, c := range conns {
		workers[i%len(workers)] = append(workers[i%len(workers)], c)
	}
	return workers
}

// work drives connections from a thread of its own until their time or their calls are over, and all replies are there.
func (l *load) work(conns []*conn, start time.Time) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if l.pinned {
		undo, err := gather(l.pid)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, undo()) }()
	}
	return drive(conns, start.Add(l.duration), l.limits != nil)
}

func drive(conns []*conn, deadline time.Time, limited bool) error {
	buf := make([]byte, receiveBytes)
	again := true
	outstanding := 0
	for _, c := range conns {
		c.start()
		outstanding += c.busy
		if err := c.flush(); err != nil {
			return err
		}
	}
	ready, wait, done, err := waiting(conns)
	if err != nil {
		return err
	}
	for outstanding > 0 && err == nil {
		if err = wait(); err != nil {
			break
		}
		if again && !limited {
			again = time.Now().Before(deadline)
		}
		for _, i := range *ready {
			c := conns[i]
			before := c.busy
			if err = errors.Join(c.receive(buf, again), c.flush()); err != nil {
				break
			}
			outstanding += c.busy - before
		}
	}
	return errors.Join(err, done())
}

// waiting returns a way to wait until connections can be read, the numbers of which are then in ready. A single connection
// needs none: reading waits.
func waiting(conns []*conn) (ready *[]int, wait func() error, done func() error, err error) {
	found := make([]int, 1, len(conns))
	if len(conns) == 1 {
		nothing := func() error { return nil }
		return &found, nothing, nothing, nil
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, nil, nil, err
	}
	for i, c := range conns {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, c.fd, &ev); err != nil {
			return nil, nil, nil, errors.Join(err, unix.Close(ep))
		}
	}
	events := make([]unix.EpollEvent, len(conns))
	wait = func() error {
		found = found[:0]
		n, err := unix.EpollWait(ep, events, int(patience.Milliseconds()))
		if err == unix.EINTR {
			return nil
		}
		if err == nil && n == 0 {
			err = fmt.Errorf("no reply on any of %d connections for %s", len(conns), patience)
		}
		for _, ev := range events[:max(n, 0)] {
			found = append(found, int(ev.Fd))
		}
		return err
	}
	return &found, wait, func() error { return unix.Close(ep) }, nil
}

// cpuOf is the processor time that a process has used so far, in nanoseconds; 0 of one that is not known.
func cpuOf(pid int) (int64, error) {
	if pid == 0 {
		return 0, nil
	}
	// The clock of another process: clock_getcpuclockid(3) makes the number so.
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return ts.Nano(), nil
}
