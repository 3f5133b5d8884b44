package integration

import (
	"fmt"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// snapshotCountVariable is how many snapshots TestSnapshotSQLite makes, one a second.
const snapshotCountVariable = "TEST_PMEMFS_SNAPSHOT_COUNT"

// TestSnapshotSQLite has two kernels commit transactions to one database, by 9P, which has locks without further programs, while a snapshot is
// made every second. The database of each snapshot
// must be whole after SQLite has rolled back what was under way, and have every transaction that was acknowledged before the snapshot began.
func TestSnapshotSQLite(t *testing.T) {
	t.Parallel()
	server, port, _ := serveNineP(t)
	clients := []client{bootClientWith(t, harness.HostPrograms(t, "sqlite3")), bootClientWith(t, harness.HostPrograms(t, "sqlite3"))}
	for _, c := range clients {
		c.mountNineP(t, port, "/mnt", ninePOptions)
	}
	clients[0].sh(t, `sqlite3 /mnt/db "CREATE TABLE t(client INTEGER, id INTEGER, data TEXT); CREATE TABLE sums(n INTEGER); INSERT INTO sums VALUES(0);"`)
	var jobs []*job
	for i, c := range clients {
		jobs = append(jobs, background(t, c, fmt.Sprintf(`(i=0; while ! test -e /tmp/stop; do i=$((i+1)); sqlite3 -bail -cmd '.timeout 600000' /mnt/db `+
			`"BEGIN IMMEDIATE; INSERT INTO t VALUES(%d, $i, hex(randomblob(700))); UPDATE sums SET n = n + 1; COMMIT;" && echo ACK $i || exit 1; done)`, i)))
	}
	for _, j := range jobs {
		j.waitLines(t, "ACK ", 1)
	}
	var acked [][]int
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := range variable(t, snapshotCountVariable, 10) {
		<-tick.C
		acked = append(acked, []int{jobs[0].lines("ACK "), jobs[1].lines("ACK ")})
		harness.MustRun(t, t.TempDir(), "snapshot", "create", server.Image, fmt.Sprint("s", n))
	}
	for i, j := range jobs {
		clients[i].sh(t, "touch /tmp/stop")
		j.wait(t)
	}
	c := clients[0]
	for n, want := range acked {
		// SQLite rolls back what was under way, for which it has to write.
		c.sh(t, "rm -rf /tmp/s; mkdir /tmp/s; cp /mnt/.snapshots/s%d/db* /tmp/s/", n)
		rows := committed(t, c, "/tmp/s/db")
		for i := range want {
			if rows[i] < want[i] {
				t.Errorf("snapshot %d: %d transactions of client %d, %d were acknowledged before it", n, rows[i], i, want[i])
			}
		}
	}
	rows := committed(t, c, "/mnt/db")
	for i, j := range jobs {
		if got := j.lines("ACK "); rows[i] != got {
			t.Errorf("%d transactions of client %d, %d were acknowledged", rows[i], i, got)
		}
	}
	t.Logf("%d snapshots, %v transactions", len(acked), rows)
	for _, c := range clients {
		c.sh(t, "umount /mnt")
	}
}

// committed checks a database and that its transactions are all or nothing and without a gap, and returns how many each client has.
func committed(t *testing.T, c client, name string) []int {
	t.Helper()
	c.want(t, "ok", "sqlite3 %s 'PRAGMA integrity_check;'", name)
	c.want(t, "1", "sqlite3 %s 'SELECT count(*) = (SELECT n FROM sums) FROM t;'", name)
	var rows []int
	for i := range 2 {
		c.want(t, "1", "sqlite3 %s 'SELECT count(*) = ifnull(max(id), 0) FROM t WHERE client = %d;'", name, i)
		rows = append(rows, atoi(t, c.sh(t, "sqlite3 %s 'SELECT count(*) FROM t WHERE client = %d;'", name, i)))
	}
	return rows
}
