package crashtest

import (
	"flag"
	"sync"
	"testing"
	"time"
)

var replay = flag.String("crash.replay", "short:1", "the job that TestReplay runs")

// runJobs runs jobs and adds up what they tried.
func runJobs(t *testing.T, l Limits, jobs []Job) {
	var mu sync.Mutex
	var sum Stats
	from := time.Now()
	runs := 0
	for _, j := range jobs {
		s, err := j.Run(l)
		mu.Lock()
		sum.add(s)
		mu.Unlock()
		if s.Points > 0 {
			runs++
		}
		if err != nil {
			t.Errorf("%v: %.3000v", j, err)
		}
	}
	t.Logf("%d jobs, %d runs, %+v, %v", len(jobs), runs, sum, time.Since(from))
}

func TestReplay(t *testing.T) {
	j, err := ParseJob(*replay)
	if err != nil {
		t.Fatal(err)
	}
	runJobs(t, DefaultLimits, []Job{j})
}

func TestKinds(t *testing.T) {
	for k := range kinds {
		t.Run(k, func(t *testing.T) {
			t.Parallel()
			var js []Job
			for i := range uint64(6) {
				js = append(js, Job{k, i})
			}
			runJobs(t, DefaultLimits, js)
		})
	}
}
