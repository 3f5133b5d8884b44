package bench

import (
	"errors"
	"testing"
	"time"
)

// TestClocks: what waits takes time that passes, and hardly any of a processor.
func TestClocks(t *testing.T) {
	const pause = 200 * time.Millisecond
	wait := func() error { time.Sleep(pause); return nil }
	elapsed, err := clock(false).time(wait)
	if err != nil || elapsed < pause {
		t.Errorf("%v elapsed, %v", elapsed, err)
	}
	used, err := clock(true).time(wait)
	if err != nil || used >= pause {
		t.Errorf("%v of a processor, %v", used, err)
	}
	broken := errors.New("broken")
	for _, c := range []clock{false, true} {
		if _, err := c.time(func() error { return broken }); !errors.Is(err, broken) {
			t.Error(err)
		}
	}
}
