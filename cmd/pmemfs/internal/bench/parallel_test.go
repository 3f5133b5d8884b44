package bench

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
)

func TestTogether(t *testing.T) {
	var done [4]atomic.Int64
	took, err := together(4, func(g int) int { return g * 10 }, func(g, i int) error {
		if int64(i) != done[g].Load() {
			t.Errorf("goroutine %d does %d", g, i)
		}
		done[g].Add(1)
		return nil
	})
	if err != nil || took <= 0 {
		t.Fatal(took, err)
	}
	for g := range done {
		if n := done[g].Load(); n != int64(g*10) {
			t.Errorf("goroutine %d did %d", g, n)
		}
	}
	broken := errors.New("broken")
	if _, err := together(2, func(int) int { return 2 }, func(g, i int) error {
		if g == 1 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("an operation that fails: %v", err)
	}
}

func TestValidParallel(t *testing.T) {
	if got, err := validParallel([]int{4, 2, 4}); err != nil || !slices.Equal(got, []int{1, 2, 4}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []int{0, -1, ParallelMax + 1} {
		if _, err := validParallel([]int{bad}); err == nil {
			t.Errorf("%d goroutines", bad)
		}
	}
}
