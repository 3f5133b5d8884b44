package systemd

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the time since an instant that all processes have in common.
func monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0 // there is such a clock wherever there is a manager
	}
	return time.Duration(now.Nano())
}
