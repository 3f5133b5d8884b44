//go:build crashlong

package crashtest

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	lasting = flag.Duration("crash.for", time.Hour, "how long TestLong goes on, counted over all runs with one progress file")
	file    = flag.String("crash.progress", "", "where TestLong keeps how far it is, to go on from there; empty for nowhere")
	seed    = flag.Uint64("crash.seed", 1, "seed of the first job of each kind")
	workers = flag.Int("crash.workers", 2, "jobs at once")
)

// state is how far a long run is.
type state struct {
	Seed   uint64
	Next   uint64 // number of the next job
	Spent  time.Duration
	Stats  Stats
	Failed []string // jobs that found something
}

// TestLong runs jobs of all kinds, one after the other, until its time is over.
func TestLong(t *testing.T) {
	s := state{Seed: *seed}
	if *file != "" {
		b, err := os.ReadFile(*file)
		if err == nil {
			err = json.Unmarshal(b, &s)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	list := slices.Sorted(maps.Keys(kinds))
	var mu sync.Mutex
	before, from, told := s.Spent, time.Now(), time.Now()
	work := func() {
		for {
			mu.Lock()
			i := s.Next
			s.Next++
			over := s.Spent >= *lasting
			mu.Unlock()
			if over {
				return
			}
			j := Job{list[i%uint64(len(list))], s.Seed + i/uint64(len(list))}
			if j.Kind == "short" {
				j.Seed = j.Seed * 7 % (2 * shortCount()) // all of them come, in another order
			}
			sum, err := j.Run(LongLimits)
			mu.Lock()
			s.Stats.add(sum)
			s.Spent = before + time.Since(from)
			if err != nil {
				s.Failed = append(s.Failed, j.String())
				t.Errorf("%.3000v\n%s", err, replayLine(j))
			}
			if time.Since(told) > 10*time.Second {
				told = time.Now()
				keep(t, &s)
			}
			mu.Unlock()
		}
	}
	var all sync.WaitGroup
	for range *workers {
		all.Go(work)
	}
	all.Wait()
	keep(t, &s)
	t.Logf("%d jobs in %v: %v; failed: %v", s.Next, s.Spent.Round(time.Second), s.Stats, s.Failed)
}

// keep says how far the run is and writes it down.
func keep(t *testing.T, s *state) {
	fmt.Printf("%v: %d jobs, %v, %d failed\n", s.Spent.Round(time.Second), s.Next, s.Stats, len(s.Failed))
	if *file == "" {
		return
	}
	b, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(*file+".new", b, 0o644)
	}
	if err == nil {
		err = os.Rename(*file+".new", *file)
	}
	if err != nil {
		t.Error(err)
	}
}
