package integration

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
	"pmemfs/server/rpc"
)

// graceTime is how long a server may take to be used again after its start, with time to spare: its clients have to hear of it first.
const graceTime = 100 * time.Second

// stranger asks for bytes 10 to 19 of a file again and again, from no kernel that would wait for the end of a grace period, until the
// function that it returns is called. He must never get them.
func stranger(t *testing.T, server *harness.Server, file string) (stop func()) {
	t.Helper()
	client, err := rawnfs.Dial(server.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	root, err := client.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	fh, err := client.Lookup(root, filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	l := &lockd{t: t, server: netip.MustParseAddrPort(server.Addr()), fh: fh}
	ctx, cancel := context.WithCancel(t.Context())
	seen := map[uint32]int{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_, args := l.lockArgs(4, nlmLock, 1, false)
			// While the server is away there is no answer.
			if b, err := rpc.CallTCP(ctx, netip.Addr{}, l.server, &rpc.OutCall{Prog: progNLM, Vers: 4, Proc: nlmLock, Args: args}); err == nil {
				d := rpc.NewDecoder(b)
				d.Opaque(1024)
				seen[d.Uint32()]++
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() {
		t.Helper()
		cancel()
		wg.Wait()
		t.Logf("a stranger was told %d times that the lock is taken, and %d times to wait for the end of the grace period", seen[nlmStatDenied], seen[nlmStatGrace])
		if seen[nlmStatDenied] == 0 || len(seen) > 2 || len(seen) == 2 && seen[nlmStatGrace] == 0 {
			t.Errorf("statuses that a stranger was told: %v", seen)
		}
	}
}

// serverDies kills the server under two owners with locks and one who waits, and stops it in order. They keep what they have, and nobody
// else gets it, even if he asks before they could claim it. One of them has a lock in another image of the server too: to its kernel both are
// one host, which is heard to have been restarted once.
func serverDies(t *testing.T, server *harness.Server, x, y owner) {
	xs, ys := x.l.second(t), y.l.second(t)
	xs.do(t, "ok", "set w 0 20")
	x.do(t, "ok", "set w 0 20")
	x.do(t, "ok", "set r 1000 10")
	y.do(t, "ok", "set w 100 10")
	y.do(t, "ok", "set r 1000 20")
	waiter := x.l.own(t, "waiter", x.file)
	waiter.start(t, "wait w 100 10")
	waiter.waits(t, 200*time.Millisecond)
	for _, end := range []func(){server.Kill, server.Stop} {
		stop := stranger(t, server, x.file)
		end()
		server.Start()
		newcomer := y.l.own(t, "newcomer", y.file)
		newcomer.do(t, "EAGAIN", "set w 5 10")
		start := time.Now()
		newcomer.do(t, "ok", "set w 20 10") // which waits for the end of the grace period, in the kernel
		t.Logf("a newcomer's lock took %v", time.Since(start))
		newcomer.kill(t)
		stop()
		ys.do(t, "EAGAIN", "set w 5 10")
		ys.do(t, "ok", "set w 20 10") // when that image has no grace any more, either
		ys.do(t, "ok", "set u 20 10")
		y.do(t, "w 0 20", "test r 0 0")
		y.do(t, "EAGAIN", "set r 0 1")
		x.do(t, "EAGAIN", "set w 109 1")
		x.do(t, "EAGAIN", "set w 1000 1")
		waiter.waits(t, 0)
	}
	y.do(t, "ok", "set u 0 0")
	t.Logf("who waited over the restarts was granted the lock after %v", waiter.granted(t, graceTime))
	y.do(t, "EAGAIN", "set w 100 1")
	waiter.kill(t)
	for _, o := range []owner{xs, ys} {
		o.kill(t)
		o.l.unmount(t, "/mnt3")
	}
	x.do(t, "ok", "set w 0 0")
	x.do(t, "ok", "set u 0 0")
}

// sharedWork is how many transactions each of two clients commits, and how often the server is killed meanwhile.
func sharedWork() (transactions, kills int) {
	if os.Getenv(thoroughVariable) != "" {
		return 150, 10
	}
	return 40, 2
}

// databaseOfTwo has both clients commit transactions to one SQLite database while the server is killed. None may fail, and all
// that were committed must be there. Each client has another lock all the time: one that has none to claim, as between two transactions,
// cannot say so, and makes all wait until the grace period is over.
func databaseOfTwo(t *testing.T, server *harness.Server, x, y owner) {
	transactions, kills := sharedWork()
	a, b := x.l, y.l
	x.do(t, "ok", "set w 0 1")
	y.do(t, "ok", "set w 1 1")
	a.sh(t, `sqlite3 /mnt/db "PRAGMA journal_mode=DELETE; CREATE TABLE t(who TEXT, i INTEGER, data TEXT); CREATE TABLE sums(n INTEGER); INSERT INTO sums VALUES(0);"`)
	var jobs []*job
	for _, l := range []locker{a, b} {
		jobs = append(jobs, background(t, l.client, fmt.Sprintf(
			`for i in $(seq %d); do echo "BEGIN IMMEDIATE; INSERT INTO t VALUES('guest%d', $i, hex(randomblob(700))); UPDATE sums SET n = n + 1; COMMIT;"; `+
				`echo ".print ACK $i"; done | sqlite3 -bail -cmd '.timeout 100000' /mnt/db`, transactions, l.index)))
	}
	for i := range kills {
		for _, j := range jobs {
			j.waitLines(t, "ACK ", min(3+i*(transactions-10)/kills, transactions-2))
		}
		server.Kill()
		server.Start()
	}
	for _, j := range jobs {
		j.wait(t)
		if n := j.lines("ACK "); n != transactions {
			t.Errorf("one committed %d transactions, want %d", n, transactions)
		}
	}
	for _, l := range []locker{a, b} {
		l.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
		l.want(t, "ok", "sqlite3 /mnt/db 'PRAGMA integrity_check;'")
		l.want(t, fmt.Sprintf("%[1]d|%[1]d", 2*transactions), "sqlite3 /mnt/db 'SELECT count(*), (SELECT n FROM sums) FROM t;'")
		l.want(t, fmt.Sprintf("guest0|%[1]d|%[1]d guest1|%[1]d|%[1]d", transactions),
			"echo $(sqlite3 /mnt/db 'SELECT who, count(DISTINCT i), max(i) FROM t GROUP BY who ORDER BY who;')")
	}
	a.sh(t, "rm /mnt/db")
	y.do(t, "w 0 1", "test w 0 1")
	for _, o := range []owner{x, y} {
		o.do(t, "ok", "set u 0 0")
	}
}

// clientDies kills x's whole kernel and boots it again with what it had on its disk. It keeps its locks until it says, at that start, that it
// has forgotten them.
func clientDies(t *testing.T, x, y owner, restart func(memory string)) {
	x.do(t, "ok", "set w 0 10")
	x.do(t, "ok", "set r 50 10")
	y.do(t, "EAGAIN", "set w 0 10")
	memory := x.l.remembers(t)
	x.l.Kill()
	y.do(t, "EAGAIN", "set w 0 10")
	y.start(t, "wait w 0 100")
	y.waits(t, time.Second)
	restart(memory)
	t.Logf("the locks of a client that was killed were given away %v after it was back", y.granted(t, grantTime))
	y.do(t, "ok", "set u 0 0")
}
