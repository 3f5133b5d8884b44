//go:build locktimes

package bench

import (
	"math"
	"testing"
)

func TestLocksCeiling(t *testing.T) {
	for _, c := range []struct {
		ns, serial float64
		n          int
		want       float64
	}{
		{1000, 0, 1, 1e6}, {1000, 0, 16, 16e6}, {1000, 100, 1, 1e6}, {1000, 1000, 64, 1e6}, {1000, 100, 16, 6.4e6},
	} {
		if got := ceiling(c.ns, c.serial, c.n); math.Abs(got-c.want) > 1 {
			t.Errorf("%+v: %v", c, got)
		}
	}
	// However many there are, no more than one after the other have what all share.
	if got := ceiling(1000, 50, 1<<20); got > 1e9/50 {
		t.Errorf("a million processors: %v", got)
	}
}
