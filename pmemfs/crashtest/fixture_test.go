package crashtest

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var replay = flag.String("crash.replay", "short:1", "the job that TestReplay runs, as a failure printed it")

// runJobs runs jobs and logs what they tried.
func runJobs(t *testing.T, l Limits, jobs []Job) Stats {
	t.Helper()
	var sum Stats
	from, runs := time.Now(), 0
	for _, j := range jobs {
		s, err := j.Run(l)
		sum.add(s)
		if s.Points > 0 {
			runs++
		}
		if err != nil {
			t.Errorf("%.3000v\n%s", err, replayLine(j))
		}
	}
	t.Logf("%d jobs, of which %d cut the power: %v; %v", len(jobs), runs, sum, time.Since(from).Round(time.Millisecond))
	return sum
}

func replayLine(j Job) string {
	return fmt.Sprintf("replay: go test ./pmemfs/crashtest -run TestReplay -v -args -crash.replay=%v", j)
}
