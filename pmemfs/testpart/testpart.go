// Package testpart says in a test which parts of the test command leave it to the others. A name in a script would go stale
// when the test is renamed; a line in the test goes with it.
//
// The test command counts what is left to other parts, and fails for any other test that is skipped.
package testpart

import "testing"

// leave is how the message of a test begins that another part runs. scripts/test.sh looks for it.
const leave = "left to other parts: "

// NotRace leaves a test to the builds without the race detector. It is for tests that run in one goroutine, where the detector has nothing
// to find and takes ten times as long.
func NotRace(t testing.TB) {
	t.Helper()
	if race {
		t.Skip(leave + "runs in one goroutine")
	}
}

// NotRaceFault leaves a test to the builds without the race detector. It is for tests in which any load or store may fault: with the detector
// an atomic one is made by code that is not Go's, where a fault ends the process.
func NotRaceFault(t testing.TB) {
	t.Helper()
	if race {
		t.Skip(leave + "faults where the detector cannot have them")
	}
}

// NotInvariants leaves a test to the builds without internal invariants. It is for tests that open or repair images, which takes
// no locks beside anybody.
func NotInvariants(t testing.TB) {
	t.Helper()
	if invariants {
		t.Skip(leave + "takes no locks beside anybody")
	}
}
