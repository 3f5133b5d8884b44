package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/qemu"
	"pmemfs/integration/rawnfs"
	"pmemfs/integration/vm"
)

// Environment variables of the kill loops.
const (
	killsVariable    = "TEST_PMEMFS_KILLS"     // of TestKillLoop; the emulated guest has one for each guestKillsEvery
	killSeedVariable = "TEST_PMEMFS_KILL_SEED" // what a failed run printed
)

// Kills of an ordinary run, and how many cost as much time as one of a guest.
const (
	killsDefault    = 200
	guestKillsEvery = 60
)

// TestKillLoop serves a file of the page cache's domain, kills the server with
// SIGKILL again and again in the middle of its users' calls, and sometimes
// again while it starts, and compares after each kill. Half of the kills are of
// an image with data checksums.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	kills, seed := killLoopSetting(t)
	t.Run("plain", func(t *testing.T) { killServed(t, (kills+1)/2, seed) })
	t.Run("data checksums", func(t *testing.T) { killServed(t, (kills+1)/2, seed, "--data-checksums") })
}

// killServed is the kill loop of a new image, made with more arguments for mkfs.
func killServed(t *testing.T, kills int, seed uint64, mkfs ...string) {
	image := filepath.Join(t.TempDir(), "fs.img")
	harness.MustRun(t, filepath.Dir(image), append([]string{"mkfs", image, "--size", "64MiB"}, mkfs...)...)
	server := harness.Serve(t, image, "--squash", "none")
	early := 0
	l := &killLoop{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1<<32)), addr: server.Addr(),
		after: time.Millisecond, within: 60 * time.Millisecond,
		kill: server.Kill,
	}
	l.start = func() {
		for l.rng.IntN(4) == 0 {
			early++
			server.KillStarting(time.Duration(l.rng.Int64N(int64(40 * time.Millisecond))))
		}
		server.Start()
	}
	l.run(kills)
	t.Logf("%d kills more while it started", early)
	server.Stop()
	harness.MustRun(t, filepath.Dir(image), "check", "--data", image)
}

// TestKillLoopNVDIMM is TestKillLoop for a server on a virtual NVDIMM inside an
// emulated PC. The PC itself is killed and booted again on the NVDIMM's file;
// the users are outside, so what they were told does not die with it.
func TestKillLoopNVDIMM(t *testing.T) {
	t.Parallel()
	kills, seed := killLoopSetting(t)
	memory, err := qemu.NewDevDAX(filepath.Join(t.TempDir(), "nvdimm"), qemu.MemoryController)
	if err != nil {
		t.Fatal(err)
	}
	forward := &qemu.Forward{HostPort: harness.FreePort(t), GuestPort: guestPort}
	const image = "/dev/dax0.0"
	var guest client
	serve := func() {
		guest = bootEmulatedForward(t, memory, forward, map[string]string{})
		guest.sh(t, "pmemfs info %s >/dev/null 2>&1 || pmemfs mkfs %s", image, image)
		startInGuest(t, guest, image, "--nfs %s:%d", vm.GuestAddr, guestPort)
	}
	serve()
	l := &killLoop{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1<<32)),
		addr:  fmt.Sprintf("127.0.0.1:%d", forward.HostPort),
		after: 100 * time.Millisecond, within: 1500 * time.Millisecond,
		kill: func() { guest.Kill() }, start: serve,
	}
	l.run(max(kills/guestKillsEvery, 1))
	endInGuest(t, guest, "TERM", "0")
	guest.sh(t, "pmemfs check %s", image)
}

// killLoopSetting returns the number of kills and the seed, and logs the line
// that repeats them.
func killLoopSetting(t *testing.T) (kills int, seed uint64) {
	t.Helper()
	kills, seed = killsDefault, rand.Uint64()
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil || kills < 1 {
			t.Fatalf("%s=%q: want a number of kills", killsVariable, text)
		}
	}
	if text := os.Getenv(killSeedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", killSeedVariable, err)
		}
	}
	t.Logf("replay: %s=%d %s=%d go test ./integration -count=1 -timeout=0 -run '^%s$' (the same calls and delays; where a kill falls among them is up to the machine)",
		killSeedVariable, seed, killsVariable, kills, t.Name())
	return kills, seed
}

// killLoop is a server that is killed under its users.
type killLoop struct {
	t             *testing.T
	seed          uint64
	rng           *rand.Rand
	addr          string
	after, within time.Duration // how long users work before a kill
	kill, start   func()

	workers []*worker
	killing atomic.Bool // the next broken connection is our doing
}

// run makes the users' files, and then lets them work, kills, starts and
// compares, so many times.
func (l *killLoop) run(kills int) {
	l.t.Helper()
	l.setUp()
	for done := range kills {
		l.incarnation()
		l.start()
		l.compare(done + 1)
	}
	acked, found, absent := 0, 0, 0
	for _, w := range l.workers {
		acked, found, absent = acked+w.acked, found+w.found, absent+w.absent
	}
	l.t.Logf("%d kills, %d acknowledged operations, all there; of those under way %d found, %d absent", kills, acked, found, absent)
	if acked < kills/10 { // a busy machine leaves little time between two kills
		l.t.Errorf("only %d acknowledged operations in %d incarnations of the server: this shows nothing", acked, kills)
	}
}

func (l *killLoop) setUp() {
	l.t.Helper()
	c := l.dial()
	defer c.Close()
	root, err := c.Mount("/")
	if err != nil {
		l.t.Fatal(err)
	}
	for id := range recordSizes {
		w, err := newWorker(c, root, id, l.seed)
		if err != nil {
			l.t.Fatal(err)
		}
		l.workers = append(l.workers, w)
	}
}

// incarnation lets the users work for a while and kills the server under them.
func (l *killLoop) incarnation() {
	l.t.Helper()
	ended := make(chan error, len(l.workers))
	for _, w := range l.workers {
		c := l.dial()
		go func() {
			defer c.Close()
			err := w.work(c)
			if errors.Is(err, rawnfs.ErrLost) && l.killing.Load() {
				err = nil
			}
			ended <- err
		}()
	}
	time.Sleep(l.after + time.Duration(l.rng.Int64N(int64(l.within-l.after))))
	l.killing.Store(true)
	l.kill()
	for range l.workers {
		if err := <-ended; err != nil {
			l.t.Error(err)
		}
	}
	l.killing.Store(false)
	if l.t.Failed() {
		l.t.FailNow()
	}
}

// compare lets each user look for what it was told.
func (l *killLoop) compare(kills int) {
	l.t.Helper()
	var all sync.WaitGroup
	for _, w := range l.workers {
		c := l.dial()
		all.Go(func() {
			defer c.Close()
			if err := w.recover(c); err != nil {
				l.t.Errorf("after kill %d: %v", kills, err)
			}
		})
	}
	all.Wait()
	if l.t.Failed() {
		l.t.FailNow()
	}
}

func (l *killLoop) dial() *rawnfs.Client {
	l.t.Helper()
	c, err := rawnfs.Dial(l.addr, patience)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}
