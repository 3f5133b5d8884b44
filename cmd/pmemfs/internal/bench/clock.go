package bench

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// clock is how operations are timed: by elapsed time or, if it is true, by the processor time of this process.
type clock bool

// time runs f and returns how long it took.
func (c clock) time(f func() error) (time.Duration, error) {
	if !c {
		start := time.Now()
		err := f()
		return time.Since(start), err
	}
	before, err := processorTime()
	if err != nil {
		return 0, err
	}
	err = f()
	after, late := processorTime()
	return after - before, errors.Join(err, late)
}

// unit is what a nanosecond of the clock is.
func (c clock) unit() string {
	if c {
		return "processor ns"
	}
	return "ns"
}

// processorTime is the user and system time of this process.
func processorTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, os.NewSyscallError("getrusage", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
