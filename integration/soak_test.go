package integration

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

// Environment variables of the soak.
const (
	soakVariable     = "TEST_PMEMFS_SOAK"      // how long it takes, such as 1h
	soakSeedVariable = "TEST_PMEMFS_SOAK_SEED" // what a failed run printed
)

// A soak is a row of incarnations of the server. Each serves slices of mixed work, after which everything must be as after the first one,
// and ends in kills.
const (
	soakDefault    = 5 * time.Minute
	soakLives      = 4
	soakSlices     = 3
	soakKills      = 8 // one after the other, at the end of each life
	soakNFSClients = 3
	soakNineP      = 2
)

// TestSoak serves clients of NFS and 9P that know what they have been told, while an operator makes snapshots, sets quotas, scrubs, reloads
// and asks, and kills the server now and then. Nothing acknowledged is lost, and memory, descriptors, goroutines, the log and the time of a
// call stay what they were.
func TestSoak(t *testing.T) {
	whole, seed := soakDefault, rand.Uint64()
	var err error
	if text := os.Getenv(soakVariable); text != "" {
		if whole, err = time.ParseDuration(text); err != nil || whole < soakLives*soakSlices*time.Second {
			t.Fatalf("%s=%q: want a time of %d seconds or more", soakVariable, text, soakLives*soakSlices)
		}
	}
	if text := os.Getenv(soakSeedVariable); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", soakSeedVariable, err)
		}
	}
	t.Logf("replay: %s=%d %s=%v go test ./integration -count=1 -timeout=0 -run '^TestSoak$' -v", soakSeedVariable, seed, soakVariable, whole)
	newSoak(t, seed).run(whole)
}

// soak is a server, and who uses it.
type soak struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	server  *harness.Server
	admin   string
	nine    string // address of 9P
	clients []soakClient
	young   *harness.Server // another one, which is new in each slice: what a call takes on this machine now
	op      operator
	killing atomic.Bool // a broken connection is our doing
	died    bool        // no client has connected since the last kill
	samples []sample

	loggedBefore int // bytes
}

// soakClient is a user of the server with files of its own, and one change under way at a time.
type soakClient interface {
	// connect begins a connection. After a kill it compares what is there with what was acknowledged.
	connect(killed bool) error
	// step does one thing, of which it knows the outcome.
	step() error
	close()
	// counts returns how many steps were acknowledged.
	counts() int
}

func newSoak(t *testing.T, seed uint64) *soak {
	t.Helper()
	s := &soak{t: t, rng: rand.New(rand.NewPCG(seed, 1<<33)), dir: t.TempDir(), admin: harness.Local(harness.FreePort(t)), nine: harness.Local(harness.FreePort(t))}
	image, file := filepath.Join(s.dir, "fs.img"), filepath.Join(s.dir, "pmemfs.toml")
	s.op = operator{t: t, dir: s.dir, image: image, file: file, admin: s.admin, nine: s.nine}
	s.op.configure()
	s.server = harness.ServeConfig(t, "127.0.0.1", harness.FreePort(t), file, []string{image})
	s.young = harness.Serve(t, filepath.Join(s.dir, "young.img"), "--size", "64MiB", "--squash", "none")
	for id := range soakNFSClients {
		c, err := newSoakNFS(s.server.Addr(), id, seed)
		if err != nil {
			t.Fatal(err)
		}
		s.clients = append(s.clients, c)
	}
	for id := range soakNineP {
		c, err := newSoakNine(s.nine, 100+id, seed)
		if err != nil {
			t.Fatal(err)
		}
		s.clients = append(s.clients, c)
	}
	return s
}

// run is the whole soak.
func (s *soak) run(whole time.Duration) {
	slice := whole / (soakLives * soakSlices)
	for life := range soakLives {
		for n := range soakSlices {
			s.rests(life, n, slice, s.work(slice))
		}
		for range soakKills {
			s.killed()
		}
	}
	s.op.cleanUp()
	s.server.Stop()
	harness.MustRun(s.t, s.dir, "check", "--data", s.op.image)
	acked := 0
	for _, c := range s.clients {
		acked += c.counts()
	}
	s.t.Logf("%d acknowledged operations, %d kills, %d things an operator did:\n%s", acked, soakLives*soakKills, s.op.done, soakTable(s.samples))
	if acked < int(whole/time.Second) {
		s.t.Errorf("only %d acknowledged operations in %v: this shows nothing", acked, whole)
	}
}

// worked is how long each step took in a slice: of all clients, of those of NFS, and of the one of NFS that has a new server.
type worked struct{ all, nfs, young []time.Duration }

// work lets the clients and the operator work for a while.
func (s *soak) work(slice time.Duration) (w worked) {
	s.t.Helper()
	young := s.rejuvenate()
	var mu sync.Mutex
	var all sync.WaitGroup
	errs := make(chan error, len(s.clients)+2)
	stop := make(chan struct{})
	for _, c := range s.clients {
		all.Go(func() {
			took, err := workSoak(c, s.died, stop)
			mu.Lock()
			defer mu.Unlock()
			w.all = append(w.all, took...)
			if _, ok := c.(*soakNFS); ok {
				w.nfs = append(w.nfs, took...)
			}
			errs <- err
		})
	}
	all.Go(func() {
		took, err := workSoak(young, false, stop)
		w.young = took
		errs <- err
	})
	all.Go(func() { errs <- s.op.work(stop) })
	time.Sleep(slice)
	close(stop)
	all.Wait()
	s.noErrors(errs, len(s.clients)+2)
	s.died = false
	return w
}

// rejuvenate replaces the young server by one with a new image. It returns a client of it.
func (s *soak) rejuvenate() soakClient {
	s.t.Helper()
	s.young.Stop()
	if err := os.Remove(s.young.Image); err != nil {
		s.t.Fatal(err)
	}
	s.young.Start()
	c, err := newSoakNFS(s.young.Addr(), 0, s.rng.Uint64())
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// workSoak lets one client work until it is stopped.
func workSoak(c soakClient, died bool, stop <-chan struct{}) (took []time.Duration, err error) {
	if err := c.connect(died); err != nil {
		return nil, err
	}
	defer c.close()
	for {
		select {
		case <-stop:
			return took, nil
		case <-time.After(time.Millisecond): // a load that leaves the machine to others
		}
		begun := time.Now()
		if err := c.step(); err != nil {
			return took, err
		}
		took = append(took, time.Since(begun))
	}
}

// killed lets the clients work for a moment, kills the server under them, and starts it again. What they were told is compared when they
// connect.
func (s *soak) killed() {
	s.t.Helper()
	errs := make(chan error, len(s.clients))
	for _, c := range s.clients {
		go func() {
			_, err := workSoak(c, s.died, nil)
			if s.killing.Load() && lost(err) {
				err = nil
			}
			errs <- err
		}()
	}
	time.Sleep(time.Duration(s.rng.Int64N(int64(300 * time.Millisecond))))
	s.killing.Store(true)
	s.server.Kill()
	s.noErrors(errs, len(s.clients))
	s.killing.Store(false)
	s.died = true
	s.server.Start()
}

// lost reports whether an error is that of a connection that the server's end has cut, or refused.
func lost(err error) bool {
	var network *net.OpError
	return errors.Is(err, rawnfs.ErrLost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// noErrors ends the test unless all of n errors are nil.
func (s *soak) noErrors(errs <-chan error, n int) {
	s.t.Helper()
	for range n {
		if err := <-errs; err != nil {
			s.t.Error(err)
		}
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}
