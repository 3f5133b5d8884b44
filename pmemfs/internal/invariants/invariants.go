// Package invariants holds checks that only builds with the invariants tag make: `go test -tags invariants`. A failed
// check is a bug in pmemfs, never bad input, and panics.
package invariants

import "fmt"

// Check panics with a formatted message when ok is false, in builds with the invariants tag.
func Check(ok bool, format string, args ...any) {
	if Enabled && !ok {
		panic("invariant broken: " + fmt.Sprintf(format, args...))
	}
}
