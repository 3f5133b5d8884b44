package pmem

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestLines checks how many lines Persist flushes, in every domain.
func TestLines(t *testing.T) {
	tests := []struct {
		ranges []Range
		lines  uint64
	}{
		{nil, 0},
		{[]Range{{0, 0}, {77, 0}}, 0},
		{[]Range{{0, 1}}, 1},
		{[]Range{{0, 64}}, 1},
		{[]Range{{63, 2}}, 2},
		{[]Range{{1, 64}}, 2},
		{[]Range{{0, 4096}}, 64},
		{[]Range{{100, 1}, {120, 1}}, 1},             // two in one line
		{[]Range{{120, 1}, {100, 1}}, 1},             // the other way round
		{[]Range{{0, 100}, {100, 100}}, 4},           // line 1 is shared
		{[]Range{{100, 100}, {0, 100}}, 4},           // the other way round
		{[]Range{{0, 8}, {64, 8}, {16, 8}}, 2},       // touching lines count as one run
		{[]Range{{0, 8}, {640, 8}, {1280, 8}}, 3},    // apart
		{[]Range{{0, 640}, {128, 64}, {600, 8}}, 10}, // within the one before
		{[]Range{{0, 8}, {0, 0}, {8, 8}}, 1},         // an empty one between
	}
	for _, d := range allDomains() {
		r := memory(t, 1<<16, d)
		for _, test := range tests {
			before := r.Counters()
			if err := r.Persist(testSite, test.ranges); err != nil {
				t.Fatal(err)
			}
			got := r.Counters().Sub(before)
			got.Syncs = 0
			if want := (Counters{Fences: 1, Lines: test.lines}); got != want {
				t.Errorf("%s: Persist(%v) counts %+v, want %+v", d, test.ranges, got, want)
			}
		}
	}
}

// TestLinesOfSortedRanges compares the count with that of a set of lines, for disjoint ranges in ascending and
// in descending order.
func TestLinesOfSortedRanges(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, seed))
	r := memory(t, 1<<16, Volatile)
	for round := range 5000 {
		var ranges []Range
		lines := map[int64]bool{}
		for off := rng.Int64N(200); off < 4000 && len(ranges) < 12; off += rng.Int64N(150) {
			n := rng.Int64N(200)
			ranges = append(ranges, Range{off, n})
			for i := off; i < off+n; i++ {
				lines[i/LineSize] = true
			}
			off += n
		}
		for range 2 {
			before := r.Counters()
			if err := r.Persist(testSite, ranges); err != nil {
				t.Fatal(err)
			}
			if got := r.Counters().Sub(before).Lines; got != uint64(len(lines)) {
				t.Fatalf("seed %d round %d: %d lines for %v, want %d", seed, round, got, ranges, len(lines))
			}
			slices.Reverse(ranges)
		}
	}
}

// TestLinesThrough checks what WriteThrough and ZeroThrough count: one fence, whole lines past the cache, edges flushed.
func TestLinesThrough(t *testing.T) {
	tests := []struct {
		ranges         []Range
		lines, ntLines uint64
	}{
		{nil, 0, 0},
		{[]Range{{0, NonTemporalMin - 1}}, NonTemporalMin / 64, 0},
		{[]Range{{0, NonTemporalMin}}, 0, NonTemporalMin / 64},
		{[]Range{{0, 4096}}, 0, 64},
		{[]Range{{0, 4097}}, 1, 64},
		{[]Range{{1, 4096}}, 2, 63},
		{[]Range{{63, 4098}}, 2, 64},
		{[]Range{{0, 4100}, {4100, 4100}}, 2, 64 + 63}, // they share a line
		{[]Range{{0, 8}, {8, 8}, {4096, 4096}}, 1, 64},
	}
	for _, d := range allDomains() {
		r := memory(t, 1<<16, d)
		for _, test := range tests {
			var segs []Segment
			var bytes uint64
			for _, g := range test.ranges {
				segs = append(segs, Segment{g.Off, make([]byte, g.Len)})
				bytes += uint64(g.Len)
			}
			want := Counters{Fences: 1, Lines: test.lines, NTLines: test.ntLines, BytesThrough: bytes}
			for _, call := range []func() (Durable, error){
				func() (Durable, error) { return r.WriteThrough(testThrough, segs) },
				func() (Durable, error) { return r.ZeroThrough(testThrough, test.ranges) },
			} {
				before := r.Counters()
				if err := proof(call()); err != nil {
					t.Fatal(err)
				}
				got := r.Counters().Sub(before)
				got.Syncs = 0
				if got != want {
					t.Errorf("%s: %v counts %+v, want %+v", d, test.ranges, got, want)
				}
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	src := make([]byte, 8192)
	for _, d := range allDomains() {
		r := memory(t, 1<<20, d)
		n := testing.AllocsPerRun(100, func() {
			if err := r.Persist(testSite, []Range{{0, 100}, {4096, 64}, {8192, 1}, {20000, 1}, {40000, 1}, {80000, 1}}); err != nil {
				t.Error(err)
			}
			if err := proof(r.WriteThrough(testThrough, []Segment{{100, src}, {20000, src[:100]}})); err != nil {
				t.Error(err)
			}
			if err := proof(r.ZeroThrough(testThrough, []Range{{100, 5000}})); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations per commit, want 0", d, n)
		}
	}
}

func TestHook(t *testing.T) {
	cut := errors.New("power cut")
	for _, d := range allDomains() {
		r := memory(t, 1<<16, d)
		var seen []Range
		var result error
		r.SetPersistHook(Before(func(g Range) error { seen = append(seen, g); return result }))
		calls := func() [3]error {
			_, werr := r.WriteThrough(testThrough, []Segment{{5000, make([]byte, 10)}, {100, make([]byte, 5)}})
			_, zerr := r.ZeroThrough(testThrough, []Range{{64, 64}})
			return [3]error{r.Persist(testSite, []Range{{700, 1}, {0, 0}, {300, 20}}), werr, zerr}
		}
		if errs := calls(); errs != [3]error{} {
			t.Errorf("%s: %v with a hook that lets pass", d, errs)
		}
		if want := []Range{{100, 4910}, {64, 64}, {300, 401}}; !slices.Equal(seen, want) {
			t.Errorf("%s: hook saw %v, want %v", d, seen, want)
		}
		result = cut
		before := r.Counters()
		if errs := calls(); errs != [3]error{cut, cut, cut} {
			t.Errorf("%s: %v with a failing hook", d, errs)
		}
		if c := r.Counters().Sub(before); c.Fences != 3 || c.Syncs != 0 {
			t.Errorf("%s: counters %+v with a failing hook, want 3 fences and no sync", d, c)
		}
		r.SetPersistHook(nil)
		if errs := calls(); errs != [3]error{} || len(seen) != 6 {
			t.Errorf("%s: %v, hook called %d times after it was removed", d, errs, len(seen)-6)
		}
	}
}

// TestSyncs counts the system calls of the page-cache domain on a real file.
func TestSyncs(t *testing.T) {
	const far = 2 * msyncGap
	tests := []struct {
		ranges []Range
		syncs  uint64
	}{
		{nil, 0},
		{[]Range{{77, 0}}, 0},
		{[]Range{{77, 1}}, 1},
		{[]Range{{0, 1}, {msyncGap, 1}}, 1},                             // close
		{[]Range{{0, 1}, {far, 1}}, 2},                                  // far apart
		{[]Range{{far, 1}, {0, 1}}, 2},                                  // the other way round
		{[]Range{{0, 1}, {far, 1}, {msyncGap, 1}}, 1},                   // what is between joins them
		{[]Range{{0, 1}, {far, 1}, {2 * far, 1}}, 1},                    // too many
		{[]Range{{0, 1}, {far, 1}, {2 * far, 1}, {far - 5000, 1}}, 1},   // remain too many
		{[]Range{{5, 5}, {100, 1 << 17}, {far + 1, 4096}, {far, 1}}, 2}, // overlap
	}
	for _, durability := range []Durability{Power, Process} {
		r := image(t, 3*far+17, Options{Durability: durability, Domain: PageCache})
		for _, test := range tests {
			before := r.Counters()
			if err := r.Persist(testSite, test.ranges); err != nil {
				t.Fatal(err)
			}
			want := test.syncs
			if durability == Process {
				want = 0
			}
			if got := r.Counters().Sub(before); got.Syncs != want || got.Fences != 1 {
				t.Errorf("%s: Persist(%v) counts %+v, want %d syncs", durability, test.ranges, got, want)
			}
		}
		if err := proof(r.WriteThrough(testThrough, []Segment{{3 * far, make([]byte, 17)}})); err != nil {
			t.Errorf("last partial page: %v", err)
		}
	}
}

// TestSyncFailure: after one failed msync nothing on this region is durable any more.
func TestSyncFailure(t *testing.T) {
	r := image(t, 1<<20, Options{Domain: PageCache})
	mem := r.mem
	r.mem = mem[1:] // the system refuses an unaligned address
	ranges := []Range{{0, 1}}
	if err := r.Persist(testSite, ranges); !errors.Is(err, ErrSync) {
		t.Errorf("Persist of what cannot be synchronised: %v, want ErrSync", err)
	}
	r.mem = mem
	before := r.Counters()
	_, werr := r.WriteThrough(testThrough, []Segment{{0, []byte("x")}})
	_, zerr := r.ZeroThrough(testThrough, []Range{{0, 1}})
	for _, err := range []error{r.Persist(testSite, ranges), werr, zerr} {
		if !errors.Is(err, ErrSync) || !strings.HasPrefix(err.Error(), r.Path()) {
			t.Errorf("after a failed sync: %v, want ErrSync and the path", err)
		}
	}
	if r.Counters() != before {
		t.Error("something was still tried after a failed sync")
	}
}
