//go:build !mutation

package mutation

// Enabled says whether rules can be taken away.
const Enabled = false

// Off says whether the rule is to be left out.
func (r Rule) Off() bool { return false }
