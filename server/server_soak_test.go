package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/export"
	"pmemfs/server/rpc"
)

// TestSoak goes on for as long as one variable says, and does the same again with another's seed; which of several clients is first is up to the
// machine.
const (
	soakVariable = "TEST_PMEMFS_SOAK"      // a duration; without it, each client has soakConns connections
	seedVariable = "TEST_PMEMFS_SOAK_SEED" // what a failure prints
	soakClients  = 8
	soakConns    = 40
)

// TestSoak has clients call whatever they like by NFS, MOUNT, NLM and NSM, whole, in halves and in fragments, and go at any moment, while another one
// works beside them. That one is served, nothing panics, the image is in order, and no memory stays taken.
func TestSoak(t *testing.T) {
	seed, long := rand.Uint64(), time.Duration(0)
	var err error
	if v := os.Getenv(seedVariable); v != "" {
		seed, err = strconv.ParseUint(v, 10, 64)
	}
	if v := os.Getenv(soakVariable); v != "" && err == nil {
		long, err = time.ParseDuration(v)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s=%d", seedVariable, seed)
	before := safego.Panics()
	images := []ImageConfig{{Path: filepath.Join(t.TempDir(), "a")}, {Path: filepath.Join(t.TempDir(), "b")}}
	for n := range images {
		x := export.Default()
		x.Name = soakExports[n]
		images[n].New, images[n].Exports = NewImage{Size: 64 << 20}, []export.Export{x}
	}
	s, err := Open(Config{Images: images, NFS: "127.0.0.1:0", Memory: rpc.BudgetMin,
		Limits: rpc.Limits{Yield: 50 * time.Millisecond, Partial: time.Second, Connections: 64}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	k := &soaker{addr: s.Addr().String(), waits: func() int { return s.images[0].eng.LockUsage().Waits + s.images[1].eng.LockUsage().Waits }}
	k.soak(t, seed, long)
	if n := safego.Panics() - before; n > 0 {
		t.Errorf("%d panics", n)
	}
	stop()
	if err := <-ended; err != nil {
		stacks := make([]byte, 1<<20)
		t.Fatalf("%v\n%s", err, stacks[:runtime.Stack(stacks, true)])
	}
	if n := s.budget.Held(); n != 0 {
		t.Errorf("%d bytes are still taken", n)
	}
	for _, i := range images {
		report, err := pmemfs.Check(i.Path, pmemfs.CheckOptions{})
		if err != nil || len(report.Faults) > 0 {
			t.Errorf("check of %s: %v, %v", i.Path, report.Faults, err)
		}
	}
	t.Logf("%d connections, %d calls, up to %d that wait for a lock", k.connections, k.calls, k.waited)
	if long > 0 && k.waited == 0 {
		t.Error("nobody has waited for a lock")
	}
}

// soakExports are the exports of the images, one of each.
var soakExports = [...]string{"/", "/b"}

// soaker is the clients together.
type soaker struct {
	addr   string
	waits  func() int // that are under way
	waited int        // the most that were seen

	mu                 sync.Mutex
	connections, calls int
}

// create makes the file that everybody reads, writes and locks, and returns its handle.
func (k *soaker) create(root []byte) (file []byte, err error) {
	conn, err := k.dial("127.0.0.1")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	e := rpc.NewEncoder(nil)
	e.Opaque(root)
	e.Opaque([]byte("file"))
	for _, v := range []uint32{0, 1, 0o666, 0, 0, 0, 0, 0} { // UNCHECKED, a mode and nothing else
		e.Uint32(v)
	}
	results, err := rpc.CallStream(context.Background(), conn, &rpc.OutCall{Prog: 100003, Vers: 3, Proc: 8, Args: e.Bytes()})
	if err != nil {
		return nil, err
	}
	d := rpc.NewDecoder(results)
	status, has := d.Uint32(), d.Bool()
	if file = d.Opaque(64); status != 0 || !has || !d.OK() {
		return nil, fmt.Errorf("CREATE: %d, % x", status, results)
	}
	return file, nil
}

func (k *soaker) soak(t *testing.T, seed uint64, long time.Duration) {
	end := time.Now().Add(long)
	var places []place
	for _, name := range soakExports {
		root, err := k.mount("127.0.0.1", name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := k.create(root)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place{root, file})
	}
	var wild, calm sync.WaitGroup
	for w := range uint64(soakClients) {
		wild.Go(func() {
			for i := uint64(0); !t.Failed() && (i < soakConns || time.Now().Before(end)); i++ {
				k.client(&caller{rand.New(rand.NewPCG(seed, w<<32|i)), places})
			}
		})
	}
	done := make(chan struct{})
	calm.Go(func() {
		for n := 0; ; n++ {
			if _, err := k.mount("127.0.0.9", soakExports[n%len(soakExports)]); err != nil {
				t.Errorf("the client that behaves: %v", err)
				return
			}
			k.waited = max(k.waited, k.waits())
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	wild.Wait()
	close(done)
	calm.Wait()
}

// soakPatience is what only a hang takes: the machine may be busy with other things.
const soakPatience = 3 * time.Minute

// dial connects from an address.
func (k *soaker) dial(from string) (*net.TCPConn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: soakPatience}
	conn, err := dialer.Dial("tcp", k.addr)
	if err != nil {
		return nil, err
	}
	tc := conn.(*net.TCPConn)
	// A port that stays taken for a minute is one less for other tests.
	return tc, errors.Join(tc.SetLinger(0), tc.SetDeadline(time.Now().Add(soakPatience)))
}

// mount returns the handle of an export's directory.
func (k *soaker) mount(from, name string) (root []byte, err error) {
	conn, err := k.dial(from)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	e := rpc.NewEncoder(nil)
	e.Opaque([]byte(name))
	results, err := rpc.CallStream(context.Background(), conn, &rpc.OutCall{Prog: 100005, Vers: 3, Proc: 1, Args: e.Bytes()})
	if err != nil {
		return nil, err
	}
	d := rpc.NewDecoder(results)
	status := d.Uint32()
	if root = d.Opaque(64); status != 0 || !d.OK() {
		return nil, fmt.Errorf("MNT: %d, % x", status, results)
	}
	return root, nil
}

// client is one connection of a wild one.
func (k *soaker) client(c *caller) {
	conn, err := k.dial(fmt.Sprintf("127.0.1.%d", 1+c.IntN(20)))
	if err != nil {
		return // refused, as there are many
	}
	defer conn.Close()
	calls := c.IntN(40)
	listens := c.IntN(3) > 0
	if listens {
		go func() { _, _ = io.Copy(io.Discard, conn) }()
	}
	for range calls {
		if _, err := conn.Write(c.record()); err != nil {
			break
		}
	}
	k.mu.Lock()
	k.connections++
	k.calls += calls
	k.mu.Unlock()
	switch c.IntN(3) {
	case 0:
		time.Sleep(time.Duration(c.IntN(20)) * time.Millisecond)
	case 1:
		_ = conn.CloseWrite()
	}
}

// caller makes up calls.
type caller struct {
	*rand.Rand
	places []place
}

// place is what there is in one image.
type place struct{ root, file []byte }

// in draws an image.
func (c *caller) in() place { return c.places[c.IntN(len(c.places))] }

// record is a call on its way: mostly whole, sometimes in fragments, cut, or changed.
func (c *caller) record() []byte {
	b := c.call()
	switch c.IntN(12) {
	case 0: // half of it
		return append(binary.BigEndian.AppendUint32(nil, 1<<31|uint32(2*len(b))), b...)
	case 1: // fragments
		at := c.IntN(len(b) + 1)
		first := append(binary.BigEndian.AppendUint32(nil, uint32(at)), b[:at]...)
		return append(binary.BigEndian.AppendUint32(first, 1<<31|uint32(len(b)-at)), b[at:]...)
	case 2: // other bytes
		for range 1 + c.IntN(8) {
			b[c.IntN(len(b))] ^= byte(1 << c.IntN(8))
		}
	case 3: // fewer
		b = b[:c.IntN(len(b)+1)]
	}
	return append(binary.BigEndian.AppendUint32(nil, 1<<31|uint32(len(b))), b...)
}

// call is a call of one of the programs.
func (c *caller) call() []byte {
	e := rpc.NewEncoder(nil)
	head := func(prog, vers, proc uint32) {
		for _, v := range []uint32{c.Uint32N(50), 0, rpc.Version, prog, vers, proc, 0, 0, 0, 0} {
			e.Uint32(v)
		}
	}
	switch c.IntN(5) {
	case 0:
		version, proc := []uint32{1, 3, 4, 4, 4}[c.IntN(5)], c.Uint32N(25)
		if c.IntN(2) == 0 {
			proc = 2 + c.Uint32N(3) // LOCK, CANCEL, UNLOCK
		}
		head(100021, version, proc)
		c.lock(e, version, proc)
	case 1:
		head(100005, 1+c.Uint32N(3), c.Uint32N(6))
		e.Opaque([]byte("/"))
	case 2:
		head(100024, 1, c.Uint32N(7))
		e.Opaque([]byte("host"))
		e.Uint32(c.Uint32())
	default:
		proc := c.Uint32N(22)
		head(100003, 3, proc)
		c.nfs(e, proc)
	}
	return e.Bytes()
}

// nfs is the arguments of a procedure of NFS, by their general form.
func (c *caller) nfs(e *rpc.Encoder, proc uint32) {
	if c.IntN(2) == 0 {
		e.Opaque(c.in().root)
	} else {
		e.Opaque(c.in().file)
	}
	name := []byte{'f', 'a' + byte(c.IntN(8))}
	switch proc {
	case 6: // READ
		e.Uint64(c.Uint64N(1 << 20))
		e.Uint32(c.Uint32N(2 << 20))
	case 7: // WRITE
		data := make([]byte, 1<<c.IntN(19))
		e.Uint64(c.Uint64N(1 << 20))
		e.Uint32(uint32(len(data)))
		e.Uint32(c.Uint32N(3))
		e.Opaque(data)
	case 8, 9: // CREATE, MKDIR
		e.Opaque(name)
		for range 7 {
			e.Uint32(0)
		}
	case 14, 15: // RENAME, LINK
		e.Opaque(name)
		e.Opaque(c.in().root)
		e.Opaque([]byte("other"))
	case 16, 17: // READDIR, READDIRPLUS
		e.Uint64(0)
		e.Uint64(0)
		e.Uint32(c.Uint32N(1 << 17))
		e.Uint32(c.Uint32N(1 << 17))
	default:
		e.Opaque(name)
	}
}

// lock is the arguments of a procedure of NLM, or of its asynchronous form: those of LOCK for all that has no others.
func (c *caller) lock(e *rpc.Encoder, version, proc uint32) {
	if proc > 5 && proc < 11 {
		proc -= 5
	}
	e.Opaque([]byte{byte(c.IntN(4))}) // cookie
	if proc != 1 && proc != 4 {
		e.Bool(c.IntN(4) > 0) // to wait
	}
	if proc != 4 {
		e.Bool(c.IntN(2) == 0) // exclusive
	}
	e.Opaque([]byte("host"))
	e.Opaque(c.in().file)
	e.Opaque([]byte{byte(c.IntN(4))})
	e.Uint32(c.Uint32N(4))
	for range 2 {
		if version == 4 {
			e.Uint32(0)
		}
		e.Uint32(c.Uint32N(8))
	}
	if proc != 1 && proc != 3 && proc != 4 {
		e.Bool(false)
		e.Uint32(0)
	}
}
