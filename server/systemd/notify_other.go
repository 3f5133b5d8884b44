//go:build !linux

package systemd

import "time"

// monotonic is for systems that have no such manager.
func monotonic() time.Duration { return 0 }
