package traffic

import (
	"math/bits"
	"time"
)

// Latencies are counted in buckets whose bounds are ten to a decade, from 100 ns to 10 s (Renard's series): each is about a quarter more than
// the one below. The bounds 1, 2 and 5 of each decade are among them, so that what Prometheus is told is exact.
const (
	boundCount  = 8*10 + 1
	bucketCount = boundCount + 1 // the last is for what takes longer
	boundLeast  = 100 * time.Nanosecond
)

// bounds are in nanoseconds; a bucket has what takes its bound and less.
var bounds [boundCount]uint64

// subBits is how many bits behind the leading one say in which bucket a number can be. There are more such classes than buckets, so
// there is one bound in a class at most.
const subBits = 3

// lowest is for each class the lowest bucket.
var lowest [64 << subBits]uint8

func init() {
	series := [...]uint64{100, 125, 160, 200, 250, 320, 400, 500, 640, 800}
	for i, unit := 0, uint64(1); i < boundCount; i++ {
		bounds[i] = series[i%len(series)] * unit
		if i%len(series) == len(series)-1 {
			unit *= 10
		}
	}
	b := 0
	for class := range lowest {
		low := classLow(class)
		for b < boundCount && low >= bounds[b] {
			b++
		}
		lowest[class] = uint8(b)
	}
}

// classOf is the class of a number: the place of its leading bit, and the subBits bits behind.
func classOf(v uint64) int {
	v = max(v, 1<<subBits) // the least numbers are in one class: no bound is near
	n := bits.Len64(v) - 1
	return n<<subBits | int(v>>(n-subBits))&(1<<subBits-1)
}

// classLow is the least number of a class.
func classLow(class int) uint64 {
	n := class >> subBits
	if n < subBits {
		return 0
	}
	return 1<<n | uint64(class&(1<<subBits-1))<<(n-subBits)
}

// bucketOf is the bucket of a latency in nanoseconds.
func bucketOf(ns int64) int {
	if ns <= 0 {
		return 0
	}
	v := uint64(ns) - 1 // which is below the bound if ns is not above
	b := int(lowest[classOf(v)])
	if b < boundCount && v >= bounds[b] {
		b++
	}
	return b
}

// quantile estimates the latency in seconds that a part q of calls did not exceed, from their buckets and the longest of them.
func quantile(buckets *[bucketCount]uint64, longest uint64, q float64) float64 {
	var n uint64
	for _, c := range buckets {
		n += c
	}
	if n == 0 {
		return 0
	}
	rank := q * float64(n)
	var below float64
	for i, c := range buckets {
		if c == 0 || below+float64(c) < rank {
			below += float64(c)
			continue
		}
		low, high := 0.0, float64(longest)
		if i > 0 {
			low = float64(bounds[i-1])
		}
		if i < boundCount {
			high = min(high, float64(bounds[i]))
		}
		return (low + (high-low)*(rank-below)/float64(c)) / 1e9
	}
	return seconds(longest)
}

func seconds(ns uint64) float64 { return float64(ns) / 1e9 }
