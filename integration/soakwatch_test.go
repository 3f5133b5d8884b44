package integration

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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
	soakLatencyTimes    = 10      // a median may be so many times that of the first slice, on a machine that others use too
	soakLogMax          = 1 << 10 // bytes a second
)

// sample is how the server is after a slice of work, when nobody uses it.
type sample struct {
	life, slice int
	steps       int           // of all clients in the slice
	median, p99 time.Duration // of a step
	yard        time.Duration // of a durable write of the machine, meanwhile
	memory      int64         // bytes that are in no file
	descriptors int
	goroutines  int
	logged      int // bytes that the server has logged in the slice
	seconds     int // that the slice has had
}

// rests waits until the server is as it was after the first slice of its life, and fails if it does not become so.
func (s *soak) rests(life, slice int, whole time.Duration, took, yard []time.Duration) {
	s.t.Helper()
	logged := len(s.server.Output())
	now := sample{life: life, slice: slice, steps: len(took), logged: logged - s.loggedBefore, seconds: int(whole / time.Second)}
	slices.Sort(took)
	slices.Sort(yard)
	if len(took) > 0 && len(yard) > 0 {
		now.median, now.p99, now.yard = took[len(took)/2], took[len(took)*99/100], yard[len(yard)/2]
	}
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
		return fmt.Errorf("a call takes %.1f times as long as a durable write of the machine, and took %.1f times as long", now.slower(), before[0].slower())
	}
	return nil
}

// slower is how many times as long as a durable write of the machine itself a step takes, which is so on a busy machine too.
func (now *sample) slower() float64 {
	return float64(now.median) / float64(max(now.yard, 1))
}

// yardstick writes 4 KiB to a file and makes them durable, again and again, until it is stopped. It returns how long each time took.
func yardstick(dir string, stop <-chan struct{}) (took []time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "yardstick"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, 4096)
	for {
		select {
		case <-stop:
			return took, nil
		case <-time.After(10 * time.Millisecond):
		}
		begun := time.Now()
		if _, err := f.WriteAt(block, 0); err != nil {
			return took, err
		}
		if err := f.Sync(); err != nil {
			return took, err
		}
		took = append(took, time.Since(begun))
	}
}

// soakTable shows samples to a reader.
func soakTable(samples []sample) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%5s %5s %8s %10s %10s %10s %10s %5s %10s %8s\n", "life", "slice", "steps", "median", "p99", "yardstick", "memory", "fds", "goroutines", "logged")
	for _, x := range samples {
		fmt.Fprintf(&text, "%5d %5d %8d %10v %10v %10v %7d KiB %5d %10d %8d\n",
			x.life, x.slice, x.steps, x.median.Round(time.Microsecond), x.p99.Round(time.Microsecond), x.yard.Round(time.Microsecond), x.memory>>10, x.descriptors, x.goroutines, x.logged)
	}
	return text.String()
}
