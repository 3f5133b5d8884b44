package crashtest

import (
	"fmt"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/pmem"
)

// TestReplay runs one job again, as an ordinary and as a long run do.
func TestReplay(t *testing.T) {
	j, err := ParseJob(*replay)
	if err != nil {
		t.Fatal(err)
	}
	runJobs(t, DefaultLimits, []Job{j})
	runJobs(t, LongLimits, []Job{j})
}

// TestShort tries all sequences of one and two operations, on an empty and on a prepared filesystem.
func TestShort(t *testing.T) {
	const shards = 8
	var mu sync.Mutex
	var sum Stats
	t.Run("shard", func(t *testing.T) {
		for shard := range uint64(shards) {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				var jobs []Job
				for i := shard; i < shortCount(); i += shards {
					jobs = append(jobs, Job{"short", i})
				}
				s := runJobs(t, DefaultLimits, jobs)
				mu.Lock()
				defer mu.Unlock()
				sum.add(s)
			})
		}
	})
	if t.Logf("in all: %v", sum); sum.Images < 10_000 {
		t.Errorf("only %d distinct images: the sequences do not do what they should", sum.Images)
	}
}

// seeds is how many jobs of each kind an ordinary test run does.
var seeds = map[string]uint64{
	"longer": 60, "mix": 6, "eadr": 1, "pages": 2, "full": 3, "extents": 2, "names": 2, "ring": 1, "restarts": 30, "phases": 12,
	"wait": 8, "format": 4, "writers": 6, "order": 4, "refused": 40, "unsure": 3, "growth": 4, "heal": 2, "reuse": 8, "stale": 4, "wrap": 6, "replace": 5, "values": 2, "tails": 3,
	"renames": 2, "edges": 3,
	"window": 1, "rest": 1, "entry": 1, "content": 1, "lost": 4, "repair": 6, "past": 11, "scrub": 2, "notes": 6, "torn": 6, "short": 1,
	"cut": 6, "single": 2, "exchange": 2, "trim": 6, "kill": 12, "mend": 12, "heads": 8,
	"quota": 8, "convert": 4, "accounts": 4, "slots": 1, "charged": 4,
	"snaps": 4, "reap": 3, "back": 2,
	"grow": 14, "growing": 16, "broken": 20,
}

// TestKinds tries some workloads of every kind.
func TestKinds(t *testing.T) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if seeds[kind] == 0 {
				t.Fatalf("no job of the kind %q is run", kind)
			}
			var jobs []Job
			for i := range seeds[kind] {
				jobs = append(jobs, Job{kind, i})
			}
			runJobs(t, DefaultLimits, jobs)
		})
	}
}

// TestWriters makes traces of several writers and tries none of their states: that is what the race detector is for.
func TestWriters(t *testing.T) {
	for seed := range uint64(12) {
		tr, err := writersTrace(seed)
		if err != nil {
			t.Fatal(err)
		}
		p := progress{make([]int, len(tr.writers)), make([]int, len(tr.writers))}
		for i := range tr.items {
			if tr.items[i].mark != 0 {
				p.take(&tr.items[i])
			}
		}
		for by, w := range tr.writers {
			if p.acked[by] != len(w.ops) {
				t.Errorf("seed %d: writer %d was told of %d operations of %d", seed, by, p.acked[by], len(w.ops))
			}
		}
	}
}

// passes names a job that comes by each fence.
var passes = map[string]string{
	"data: blocks of a large write": "mix:0", "format: bitmaps, inodes and first head": "format:0",
	"format: end of what was there": "format:0", "format: superblock": "format:0", "inode: zeros of a grown inode file": "growth:0",
	"journal: dirty lines of a checkpoint": "mix:0", "journal: head of a checkpoint": "mix:0", "journal: record": "mix:0",
	"media: superblock written again": "heal:0", "recovery: head of the new epoch": "restarts:1", "recovery: replayed lines": "restarts:1",
	"recovery: unfenced records":    "kill:0",
	"xattr: blocks of a long value": "mix:0",
	"repair: unfenced records":      "mend:0",
	"repair: replayed blocks":       "repair:0", "repair: heads without a window": "repair:1", "repair: record": "repair:5",
	"repair: blocks of a record": "repair:1", "repair: head behind a record": "repair:4", "repair: superblock": "repair:0",
	"scrub: superblock written anew": "scrub:0",
	"quota: slots of new accounts":   "accounts:0", "pmemfs: superblock with a feature": "convert:0",
	"grow: bitmaps of new groups": "grow:2", "grow: backup superblock": "grow:0", "grow: first superblock": "grow:0",
	"grow: superblock behind the end": "broken:0",
}

// TestFailpoints cuts the power before and after every fence there is.
func TestFailpoints(t *testing.T) {
	for _, p := range pmem.Failpoints() {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			j, err := ParseJob(passes[p.Site.String()])
			if err != nil {
				t.Fatalf("no job is known to come by: %v", err)
			}
			l := DefaultLimits
			l.At, l.Nested = &p, 0
			if s := runJobs(t, l, []Job{j}); s.Points == 0 {
				t.Errorf("%v does not come by", j)
			}
		})
	}
}
