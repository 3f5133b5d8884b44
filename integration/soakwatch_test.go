package integration

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What may differ from one rest to the next: of the server's memory, what the collector of garbage has not given back; of its goroutines
// and descriptors, what is about to end.
const (
	soakMemorySlack     = 24 << 20
	soakGoroutinesSlack = 4
	soakDescriptorSlack = 2
	soakLatencyTimes    = 3       // what a call takes, in times of what it takes on a new server, may be so many times that of the first slice
	soakLogMax          = 1 << 10 // bytes a second
)

// sample is how the server is after a slice of work, when nobody uses it.
type sample struct {
	life, slice int
	steps       int           // of all clients in the slice
	median, p99 time.Duration // of a step
	nfs, young  time.Duration // median of a step over NFS, and of one on a new server meanwhile, on a busy machine too
	memory      int64         // bytes that are in no file
	descriptors int
	goroutines  int
	logged      int // bytes that the server has logged in the slice
	seconds     int // that the slice has had
}

// rests waits until the server is as it was after the first slice of its life, and fails if it does not become so.
func (s *soak) rests(life, slice int, whole time.Duration, w worked) {
	s.t.Helper()
	logged := len(s.server.Output())
	now := sample{life: life, slice: slice, steps: len(w.all), logged: logged - s.loggedBefore, seconds: int(whole / time.Second)}
	if len(w.nfs) == 0 || len(w.young) == 0 {
		s.t.Fatalf("%d steps over NFS, and %d on a new server: that says nothing", len(w.nfs), len(w.young))
	}
	now.median, now.p99 = percentile(w.all, 50), percentile(w.all, 99)
	now.nfs, now.young = percentile(w.nfs, 50), percentile(w.young, 50)
	var problem error
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		if problem = s.look(&now); problem == nil {
			problem = now.compare(s.samples)
		}
		if problem == nil || time.Now().After(deadline) {
			break
		}
	}
	s.samples = append(s.samples, now)
	s.loggedBefore = len(s.server.Output())
	if problem != nil {
		s.t.Fatalf("%v\n%s", problem, soakTable(s.samples))
	}
}

// look fills in what the server has.
func (s *soak) look(now *sample) (err error) {
	if now.memory, err = s.server.Anonymous(); err != nil {
		return err
	}
	if now.descriptors, err = s.server.Descriptors(); err != nil {
		return err
	}
	now.goroutines, err = s.goroutines()
	return err
}

// goroutines asks the server's metrics.
func (s *soak) goroutines() (int, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	reply, err := client.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	for lines := bufio.NewScanner(reply.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(text)
		}
	}
	return 0, fmt.Errorf("the metrics have no go_goroutines: %s", reply.Status)
}

// compare returns an error if a sample is worse than the first one, or than the first of its life.
func (now *sample) compare(before []sample) error {
	if len(before) == 0 {
		return nil
	}
	first := before[0]
	if i := slices.IndexFunc(before, func(b sample) bool { return b.life == now.life }); i >= 0 {
		first = before[i]
	}
	switch {
	case now.memory > before[0].memory+soakMemorySlack:
		return fmt.Errorf("memory has grown from %d to %d bytes", before[0].memory, now.memory)
	case now.descriptors > first.descriptors+soakDescriptorSlack:
		return fmt.Errorf("descriptors have become more: %d, and were %d", now.descriptors, first.descriptors)
	case now.goroutines > first.goroutines+soakGoroutinesSlack:
		return fmt.Errorf("goroutines have become more: %d, and were %d", now.goroutines, first.goroutines)
	case now.logged > soakLogMax*(16+now.seconds): // a start takes more
		return fmt.Errorf("%d bytes were logged in %d seconds", now.logged, now.seconds)
	case now.slower() > soakLatencyTimes*before[0].slower():
		return fmt.Errorf("a call takes %.1f times as long as on a new server, and took %.1f times as long", now.slower(), before[0].slower())
	}
	return nil
}

// slower is how many times as long as on a new server a step takes.
func (now *sample) slower() float64 { return float64(now.nfs) / float64(max(now.young, 1)) }

// percentile is the time that so many of a hundred steps stay below. It sorts them.
func percentile(took []time.Duration, percent int) time.Duration {
	slices.Sort(took)
	return took[len(took)*percent/100]
}

// soakTable shows samples to a reader.
func soakTable(samples []sample) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%5s %5s %8s %10s %10s %10s %10s %11s %5s %10s %8s\n", "life", "slice", "steps", "median", "p99", "NFS", "new server", "memory", "fds", "goroutines", "logged")
	for _, x := range samples {
		fmt.Fprintf(&text, "%5d %5d %8d %10v %10v %10v %10v %7d KiB %5d %10d %8d\n",
			x.life, x.slice, x.steps, x.median.Round(time.Microsecond), x.p99.Round(time.Microsecond), x.nfs.Round(time.Microsecond), x.young.Round(time.Microsecond), x.memory>>10, x.descriptors, x.goroutines, x.logged)
	}
	return text.String()
}
