package testpart

import "testing"

// TestLeft looks that a test is left out in the builds that it is to leave, and runs in all others.
func TestLeft(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(testing.TB)
		left  bool
	}{"race": {NotRace, race}, "race, faults": {NotRaceFault, race}, "invariants": {NotInvariants, invariants}} {
		ran := false
		t.Run(name, func(t *testing.T) {
			c.leave(t)
			ran = true
		})
		if ran == c.left {
			t.Errorf("%s: the test ran: %v", name, ran)
		}
	}
}
