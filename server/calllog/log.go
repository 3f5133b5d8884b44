package calllog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

const (
	// queueMost bounds what waits to be written, in bytes.
	queueMost = 4 << 20
	// tellEvery is how often the server's log is told of lines that were lost.
	tellEvery = time.Minute
	// closeLimit is how long what waits may take at the end.
	closeLimit = time.Second
	// oldMost bounds files that are open and not written to any more.
	oldMost = 4
)

// Stdout is the path of standard output.
const Stdout = "-"

// Config is what a Log needs.
type Config struct {
	Path    string // of a file, to which is appended; or Stdout
	Sample  uint64 // one of so many calls has a line; 0 is 1
	Traffic *traffic.Table
	Logger  *slog.Logger // that is told of lines that were lost; nil for none
}

// Log is an access log: an rpc.Observer.
type Log struct {
	path    string
	sample  uint64
	traffic *traffic.Table
	log     *slog.Logger
	calls   atomic.Uint64 // observed
	written atomic.Uint64 // lines
	lost    atomic.Uint64
	wake    chan struct{} // has an element when there is something to write
	stop    chan struct{}
	done    chan struct{} // closed when nothing is written any more

	mu      sync.Mutex
	waiting []byte
	lines   uint64 // in waiting
	spare   []byte
	to      io.Writer   // what is written to; a file unless it is standard output
	old     []io.Writer // what was, and is to be closed
}

// Open begins a log.
//
// Errors: those of opening the file.
func Open(c Config) (*Log, error) {
	l := &Log{
		path: c.Path, sample: max(c.Sample, 1), traffic: c.Traffic, log: cmp.Or(c.Logger, slog.New(slog.DiscardHandler)),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), to: os.Stdout,
	}
	if c.Path != Stdout {
		f, err := open(c.Path)
		if err != nil {
			return nil, err
		}
		l.to = f
	}
	safego.Go("access log", l.run)
	return l, nil
}

// open opens the file of a log. What it says of users is not everybody's business. It does not wait for a pipe to be read: that is an error.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return f, nil
}

// Reopen goes on in a file of the same path, so that the old one can be moved away before.
//
// Errors: those of opening the file, and that the one before the last still hangs; then nothing has changed.
func (l *Log) Reopen() error {
	if l.path == Stdout {
		return nil
	}
	f, err := open(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.old) >= oldMost {
		return errors.Join(errors.New("access log: what was written to before does not take what it was given"), f.Close())
	}
	l.old, l.to = append(l.old, l.to), f
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// Answered implements rpc.Observer.
func (l *Log) Answered(r *rpc.Request, o *rpc.Observed) {
	if l.sample > 1 && l.calls.Add(1)%l.sample != 0 {
		return
	}
	now := time.Now()
	l.mu.Lock()
	if len(l.waiting) >= queueMost {
		l.mu.Unlock()
		l.lost.Add(1)
		return
	}
	l.waiting = l.appendLine(l.waiting, r, o, now)
	l.lines++
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Lines is how many lines were written, and how many were lost as they found no room or could not be written.
func (l *Log) Lines() (written, lost uint64) { return l.written.Load(), l.lost.Load() }

// Close writes what waits, for at most a second. Lines that come later are lost.
func (l *Log) Close() {
	close(l.stop)
	t := time.NewTimer(closeLimit)
	defer t.Stop()
	select {
	case <-l.done:
	case <-t.C:
	}
}

// run writes until Close is called and nothing is left.
func (l *Log) run() {
	defer close(l.done)
	t := time.NewTicker(tellEvery)
	defer t.Stop()
	for told, ending := uint64(0), false; !ending; {
		tell := false
		select {
		case <-l.wake:
		case <-t.C:
			tell = true
		case <-l.stop:
			tell, ending = true, true
		}
		l.write()
		if lost := l.lost.Load(); tell && lost != told {
			l.log.Warn("lines of the access log were lost: nobody took them, or they could not be written", "lines", lost-told)
			told = lost
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeFile(l.to)
}

// write writes what waits, and closes the files that are not written to any more.
func (l *Log) write() {
	l.mu.Lock()
	p, lines, to, old := l.waiting, l.lines, l.to, l.old
	l.waiting, l.spare, l.lines, l.old = l.spare[:0], nil, 0, nil
	l.mu.Unlock()
	for _, w := range old {
		l.closeFile(w)
	}
	if len(p) > 0 {
		if _, err := to.Write(p); err != nil {
			l.lost.Add(lines)
		} else {
			l.written.Add(lines)
		}
	}
	l.mu.Lock()
	l.spare = p[:0]
	l.mu.Unlock()
}

// closeFile closes what was written to, unless it is standard output.
func (l *Log) closeFile(w io.Writer) {
	if f, ok := w.(*os.File); ok && f != os.Stdout {
		if err := f.Close(); err != nil {
			l.log.Warn("closing the access log", "error", err)
		}
	}
}
