package traffic

import (
	"testing"
	"time"
)

// TestBuckets looks around each bound, and at what is far from any.
func TestBuckets(t *testing.T) {
	for i, b := range bounds {
		if i > 0 && b <= bounds[i-1] {
			t.Fatalf("bound %d is %d after %d", i, b, bounds[i-1])
		}
		for d, want := range map[int64]int{-1: i, 0: i, 1: i + 1} {
			if got := bucketOf(int64(b) + d); got != want {
				t.Errorf("%d ns is in bucket %d, want %d", int64(b)+d, got, want)
			}
		}
	}
	for _, ns := range []int64{-5, 0, 1, 99} {
		if got := bucketOf(ns); got != 0 {
			t.Errorf("%d ns is in bucket %d", ns, got)
		}
	}
	if got := bucketOf(int64(time.Hour)); got != bucketCount-1 {
		t.Errorf("an hour is in bucket %d", got)
	}
	if least, most := time.Duration(bounds[0]), time.Duration(bounds[boundCount-1]); least != boundLeast || most != 10*time.Second {
		t.Errorf("bounds go from %v to %v", least, most)
	}
}

// TestQuantile asks for quantiles of evenly spread latencies.
func TestQuantile(t *testing.T) {
	var b [bucketCount]uint64
	const n = 100_000
	for i := int64(1); i <= n; i++ {
		b[bucketOf(i*1000)]++ // 1 us to 100 ms
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := q * n * 1e-6
		if got := quantile(&b, n*1000, q); got < want*0.97 || got > want*1.03 {
			t.Errorf("quantile %g is %g s, want %g", q, got, want)
		}
	}
	if got := quantile(new([bucketCount]uint64), 0, 0.5); got != 0 {
		t.Errorf("of no calls it is %g", got)
	}
}
