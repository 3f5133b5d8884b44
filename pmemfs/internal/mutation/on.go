//go:build mutation

package mutation

import "sync/atomic"

// Enabled says whether rules can be taken away.
const Enabled = true

var off atomic.Uint32

// Off says whether the rule is to be left out.
func (r Rule) Off() bool { return off.Load() == uint32(r) }

// Set takes a rule away while f runs.
func (r Rule) Set(f func()) {
	off.Store(uint32(r))
	defer off.Store(uint32(none))
	f()
}
