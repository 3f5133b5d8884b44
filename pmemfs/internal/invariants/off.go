//go:build !invariants

package invariants

// Enabled is false in ordinary builds, so that the compiler drops the checks.
const Enabled = false
