package ninep

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/ninetest"
)

// TestSoak goes on for as long as one variable says, and does the same again with another's seed; which of several clients is first is up to the
// machine.
const (
	soakVariable = "TEST_PMEMFS_SOAK"      // a duration; without it, each client has soakConns connections
	seedVariable = "TEST_PMEMFS_SOAK_SEED" // what a failure prints
	soakClients  = 8
	soakConns    = 60
)

// TestSoak has clients send whatever they like, much of it flushes, and go at any moment, while another one works beside them: that one is served,
// every answer is one, nothing panics, and nothing is left of them.
func TestSoak(t *testing.T) {
	seed := rand.Uint64()
	if v := os.Getenv(seedVariable); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	var long time.Duration
	if v := os.Getenv(soakVariable); v != "" {
		var err error
		if long, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	for _, domain := range []pmemfs.Domain{pmemfs.DomainVolatile, pmemfs.DomainPageCache} {
		t.Run(domain.String(), func(t *testing.T) { soak(t, domain, seed, long/2) })
	}
}

func soak(t *testing.T, domain pmemfs.Domain, seed uint64, long time.Duration) {
	s := newStorm(t, domain)
	end := time.Now().Add(long)
	var clients, calm sync.WaitGroup
	for w := range uint64(soakClients) {
		clients.Go(func() {
			for i := uint64(0); !t.Failed() && (i < soakConns || time.Now().Before(end)); i++ {
				c := &seeded{rand.New(rand.NewPCG(seed, w<<32|i)), 1 << 30}
				if err := s.client(c, netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + c.IntN(200))})); err != nil {
					t.Errorf("client %d, connection %d: %v", w, i, err)
				}
			}
		})
	}
	var over atomic.Bool
	calm.Go(func() { s.beCalm(&over) })
	clients.Wait()
	over.Store(true)
	calm.Wait()
	t.Logf("%d connections, %d answers", s.conns.Load(), s.answers.Load())
}

// beCalm works as an ordinary client does until the others are through, once at least.
func (s *storm) beCalm(over *atomic.Bool) {
	var took []time.Duration
	c, err := ninetest.Dial("tcp", s.addr)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer c.Close()
	if err := c.Begin(65536, 0, "/", 0); err != nil {
		s.t.Error(err)
		return
	}
	for i := 0; i == 0 || !over.Load(); i++ {
		begun := time.Now()
		if err := work(c, i); err != nil {
			s.t.Errorf("work %d beside the others: %v", i, err)
			return
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	s.t.Logf("work beside the others: %d times, half of it within %v, the longest %v", len(took), took[len(took)/2], took[len(took)-1])
}

// work makes a file, writes, reads, locks and removes it.
func work(c *ninetest.Client, i int) error {
	name, text := fmt.Sprint("calm-", i), fmt.Appendf(nil, "content %d", i)
	if _, err := c.Walk(0, 1); err != nil {
		return err
	}
	if err := c.Create(1, name, 2, 0o600, 0); err != nil {
		return err
	}
	if n, err := c.Write(1, 0, text); err != nil || int(n) != len(text) {
		return fmt.Errorf("write: %d, %w", n, err)
	}
	if st, err := c.Lock(1, lockWrite, lockBlock, 0, 0, 1, "calm"); err != nil || st != lockGranted {
		return fmt.Errorf("lock: %d, %w", st, err)
	}
	if got, err := c.Read(1, 0, 100); err != nil || !bytes.Equal(got, text) {
		return fmt.Errorf("read: %q, %w", got, err)
	}
	if err := c.Do(ninetest.Unlinkat, uint32(0), name, uint32(0)); err != nil {
		return err
	}
	return c.Do(ninetest.Clunk, uint32(1))
}

// FuzzConnections has three clients at once do what the fuzzer says: requests of every kind, flushes of them, and ends of connections.
func FuzzConnections(f *testing.F) {
	testpart.NotRace(f)
	s := newStorm(f, pmemfs.DomainVolatile)
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		program := make([]byte, 600)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 10_000 {
			return
		}
		var wg sync.WaitGroup
		for i := range 3 {
			n := len(program) / (3 - i)
			part := &spelled{program[:n]}
			program = program[n:]
			wg.Go(func() {
				if err := s.client(part, netip.AddrFrom4([4]byte{127, 0, byte(1 + i), byte(1 + s.conns.Load()%200)})); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		s.sound(t)
	})
}
