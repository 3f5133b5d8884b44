package integration

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/uml"
)

// TestProgramsUnderKills lets programs that people trust with their data work on a mount while the server is killed with SIGKILL
// and started again: tar, git and SQLite. They must not see an error, and what they made must be whole. Much of what they do
// must not be done twice (a rename, an exclusive create, a link, a removal), and is repeated by the kernel when the server dies
// between doing it and saying so. At each kill that is so: what the server says last does not arrive.
func TestProgramsUnderKills(t *testing.T) {
	t.Parallel()
	programs := harness.HostPrograms(t, "git", "sqlite3")
	programs["bin/guest"] = harness.Guest(t)
	guest, err := uml.Boot(t.TempDir(), programs)
	c := adopt(t, guest, err)
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "256MiB", "--squash", "none")
	site := mortal{server, harness.StartRelay(t, server)}
	c.mount(t, site.Relay.Port, "/mnt", "hard")
	t.Run("untar", func(t *testing.T) { untarUnderKills(t, c, site) })
	t.Run("git clone", func(t *testing.T) { cloneUnderKills(t, c, site) })
	t.Run("SQLite", func(t *testing.T) { sqliteUnderKills(t, c, site) })
	c.unmount(t, "/mnt")
}

func untarUnderKills(t *testing.T, c client, server mortal) {
	c.sh(t, "guest tree /tmp/tree 20260303; tar cf /tmp/tree.tar -C /tmp tree; mkdir /mnt/untar")
	job := background(t, c, "tar xvf /tmp/tree.tar -C /mnt/untar")
	for kills, proc := range []uint32{procSymlink, procMkdir} {
		job.waitLines(t, "", 40+kills*120)
		job.kill(t, server, proc)
	}
	job.wait(t)
	want := c.sh(t, "guest sum /tmp/tree")
	if !strings.Contains(want, "entries 313") {
		t.Fatalf("the sum of the tree is %q", want)
	}
	c.want(t, want, "guest sum /mnt/untar/tree")
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	c.want(t, want, "guest sum /mnt/untar/tree")
	c.sh(t, "rm -r /mnt/untar")
}

func cloneUnderKills(t *testing.T, c client, server mortal) {
	const git = "HOME=/tmp GIT_EXEC_PATH=/bin GIT_CONFIG_NOSYSTEM=1 git -c user.name=a -c user.email=a@b -c safe.directory='*' "
	c.sh(t, "mv /tmp/tree /tmp/source; %s init -q --template= /tmp/source; %s -C /tmp/source add .; %s -C /tmp/source commit -q -m first", git, git, git)
	job := background(t, c, fmt.Sprintf("echo AT clone; %s clone -q --template= --no-local --no-checkout --upload-pack='git upload-pack' /tmp/source /mnt/clone "+
		"&& echo AT checkout && %s -C /mnt/clone checkout -q && echo AT gc && %s -C /mnt/clone gc -q", git, git, git))
	for _, phase := range []string{"clone", "checkout", "gc"} {
		job.waitLines(t, "AT "+phase, 1)
		job.kill(t, server, procRename, procLink, procRemove)
	}
	job.wait(t)
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	c.sh(t, git+"-C /mnt/clone fsck --full --strict")
	// An index that knows nothing of the files makes git read them all.
	c.sh(t, git+"-C /mnt/clone read-tree HEAD")
	c.want(t, "", git+"-C /mnt/clone status --porcelain")
	c.want(t, c.sh(t, git+"-C /tmp/source rev-parse HEAD^{tree}"), git+"-C /mnt/clone rev-parse HEAD^{tree}")
	c.sh(t, "rm -r /mnt/clone")
}

const transactions = 120

// sqliteUnderKills commits transactions one after the other, and looks at the database in the end and as each kill left it.
func sqliteUnderKills(t *testing.T, c client, server mortal) {
	c.sh(t, `sqlite3 /mnt/db "CREATE TABLE t(id INTEGER PRIMARY KEY, data TEXT); CREATE TABLE sums(n INTEGER); INSERT INTO sums VALUES(0);"`)
	job := background(t, c, fmt.Sprintf(`for i in $(seq %d); do echo "BEGIN; INSERT INTO t VALUES($i, hex(randomblob(700))); UPDATE sums SET n = n + 1; COMMIT;"; `+
		`echo ".print ACK $i"; done | sqlite3 -bail /mnt/db`, transactions))
	type crash struct {
		image string
		acked int
	}
	var crashes []crash
	dir := t.TempDir()
	for i := range 2 {
		job.waitLines(t, "ACK ", 30+i*40)
		job.stop(t, server, procRemove)
		image := filepath.Join(dir, fmt.Sprintf("crash-%d.img", i))
		if out, err := exec.Command("cp", "--sparse=always", server.Image, image).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v\n%s", err, out)
		}
		crashes = append(crashes, crash{image, job.lines("ACK ")})
		server.Start()
	}
	job.wait(t)
	if n := job.lines("ACK "); n != transactions {
		t.Errorf("%d transactions were committed, want %d", n, transactions)
	}
	c.sh(t, "echo 3 >/proc/sys/vm/drop_caches")
	rows := databaseWhole(t, c, "/mnt/db")
	if rows != transactions {
		t.Errorf("%d rows, want %d", rows, transactions)
	}
	for _, crash := range crashes {
		second := harness.Serve(t, crash.image, "--squash", "none")
		c.mount(t, second.Port, "/mnt2", "")
		if rows := databaseWhole(t, c, "/mnt2/db"); rows < crash.acked {
			t.Errorf("%d rows in %s, %d were committed before the kill", rows, filepath.Base(crash.image), crash.acked)
		}
		c.unmount(t, "/mnt2")
	}
	c.sh(t, "rm /mnt/db")
}

// databaseWhole checks a database and that its transactions are all or nothing and without a gap, and returns how many there are.
func databaseWhole(t *testing.T, c client, name string) int {
	t.Helper()
	c.want(t, "ok", "sqlite3 %s 'PRAGMA integrity_check;'", name)
	c.want(t, "1", "sqlite3 %s 'SELECT count(*) = ifnull(max(id), 0) AND count(*) = (SELECT n FROM sums) FROM t;'", name)
	return atoi(t, c.sh(t, "sqlite3 %s 'SELECT count(*) FROM t;'", name))
}

// job is a command that runs in the guest while the server is killed.
type job struct {
	c    client
	mu   sync.Mutex
	said []string

	ended  bool
	status string
}

// background starts a command, of which all output is kept.
func background(t *testing.T, c client, command string) *job {
	t.Helper()
	j := &job{c: c}
	c.Watch(func(line string) bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		if strings.HasPrefix(line, "@@END ") {
			return false // of the command that started this one
		}
		if status, ok := strings.CutPrefix(line, "ENDED "); ok {
			j.ended, j.status = true, status
		} else {
			j.said = append(j.said, line)
		}
		return true
	})
	c.sh(t, "(%s; echo ENDED $?) >/dev/host 2>&1 </dev/null &", command)
	return j
}

// lines is how many lines have begun with a text so far.
func (j *job) lines(prefix string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, line := range j.said {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func (j *job) state() (ended bool, status, said string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended, j.status, strings.Join(j.said[max(0, len(j.said)-20):], "\n")
}

// waitLines waits until so many lines have begun with a text. The job must not end before.
func (j *job) waitLines(t *testing.T, prefix string, n int) {
	t.Helper()
	for deadline := time.Now().Add(writerTimeout); j.lines(prefix) < n; time.Sleep(2 * time.Millisecond) {
		if ended, status, said := j.state(); ended || time.Now().After(deadline) {
			t.Fatalf("%d lines with %q, want %d; ended %t with status %q:\n%s", j.lines(prefix), prefix, n, ended, status, said)
		}
	}
}

// stop kills the server when it has carried out a call of one of some procedures, and the client has not heard of it.
func (j *job) stop(t *testing.T, server mortal, procs ...uint32) {
	t.Helper()
	heard := server.MuteAt(procs...)
	select {
	case <-heard:
	case <-time.After(writerTimeout):
	}
	if ended, status, said := j.state(); ended {
		t.Fatalf("the job ended without a call of procedures %v, with status %s:\n%s", procs, status, said)
	}
	time.Sleep(unheard)
	server.Kill()
}

// kill kills the server like stop and starts it again.
func (j *job) kill(t *testing.T, server mortal, procs ...uint32) {
	t.Helper()
	j.stop(t, server, procs...)
	server.Start()
}

// wait waits until the job has ended, which it has to do well.
func (j *job) wait(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(writerTimeout); ; time.Sleep(10 * time.Millisecond) {
		ended, status, said := j.state()
		if ended && status == "0" {
			j.c.Watch(nil)
			return
		}
		if ended || time.Now().After(deadline) {
			t.Fatalf("ended %t with status %q:\n%s", ended, status, said)
		}
	}
}
