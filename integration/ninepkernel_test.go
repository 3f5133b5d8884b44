package integration

import (
	"fmt"
	"strings"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/server/ninetest"
)

// ninePOptions are the documented mount line's, where and how to connect apart.
const ninePOptions = "msize=1048576,access=user"

// mountNineP mounts the server on dir by 9P, and makes sure that it is a mount.
func (c client) mountNineP(t *testing.T, port int, dir, options string) {
	t.Helper()
	c.sh(t, "mkdir -p %s; mount -t 9p -o trans=tcp,version=9p2000.L,port=%d,%s %s %s", dir, port, options, c.host, dir)
	line := c.sh(t, "grep ' %s 9p ' /proc/mounts", dir)
	if !strings.Contains(line, fmt.Sprint("port=", port)) {
		t.Fatalf("mounted with other options: %s", line)
	}
	// What is shown is what both sides have agreed on.
	for option := range strings.SplitSeq(options, ",") {
		if strings.HasPrefix(option, "msize=") && !strings.Contains(line, option+",") {
			t.Fatalf("mounted with another size of messages than %s: %s", option, line)
		}
	}
}

// TestNinePKernel lets a Linux kernel mount a running server over 9P in several ways, and do the work of an ordinary user.
func TestNinePKernel(t *testing.T) {
	t.Parallel()
	ninePSteps(t, bootClientWith(t, ninePPrograms(t)))
}

// TestNinePNewerKernel is the same in the newer kernel.
func TestNinePNewerKernel(t *testing.T) {
	t.Parallel()
	ninePSteps(t, bootEmulatedForward(t, nil, nil, ninePPrograms(t)))
}

func ninePPrograms(t *testing.T) map[string]string {
	return harness.HostPrograms(t, "setfacl", "getfacl", "flock")
}

func ninePSteps(t *testing.T, c client) {
	server, port, socket := serveNineP(t)
	for _, way := range []struct {
		options string
		without string // steps that are left out
	}{
		{"msize=1048576,cache=none,access=any,uname=root", "tree"},
		{"msize=8192,cache=mmap,access=user", ""},
		// This client asks for nothing again that it has once seen, as its manual says: neither for link counts nor for blocks.
		{"msize=1048576,cache=loose,access=client,posixacl", "tree sparse hard"},
	} {
		t.Run(way.options, func(t *testing.T) {
			c.mountNineP(t, port, "/mnt", way.options)
			for _, step := range smallSteps {
				if word, _, _ := strings.Cut(step.name, " "); !strings.Contains(way.without, word) {
					t.Run(step.name, func(t *testing.T) { step.run(t, c) })
				}
			}
			t.Run("mappings", func(t *testing.T) { ninePMappings(t, c, server, way.options) })
			sum := c.sh(t, "guest big /mnt/big 2 7; sync; echo 3 >/proc/sys/vm/drop_caches")
			c.want(t, sum, "guest sha /mnt/big")
			c.sh(t, "rm -rf /mnt/*")
			c.sh(t, "umount /mnt")
		})
	}
	c.mountNineP(t, port, "/mnt", "msize=1048576,cache=none,access=client,posixacl")
	t.Run("access control lists", func(t *testing.T) { ninePACLs(t, c) })
	t.Run("users", func(t *testing.T) { ninePUsers(t, c) })
	t.Run("locks", func(t *testing.T) { ninePLocks(t, c, socket) })
	t.Run("NFS and 9P", func(t *testing.T) { ninePAndNFS(t, c, server.Port) })
	t.Run("server killed", func(t *testing.T) {
		c.sh(t, "mkdir /mnt/k; for i in $(seq 40); do echo $i >/mnt/k/$i; done")
		sum := c.sh(t, "guest sum /mnt/k")
		server.Kill()
		server.Start()
		c.mountNineP(t, port, "/mnt2", ninePOptions)
		c.want(t, sum, "guest sum /mnt2/k")
		c.sh(t, "umount /mnt2; umount -l /mnt")
	})
}

// ninePMappings writes files through shared mappings, and looks at the server by NFS for what has arrived. Without a cache there are no
// such mappings, and private ones of what is only read.
func ninePMappings(t *testing.T, c client, server *harness.Server, options string) {
	if strings.Contains(options, "cache=none") {
		c.fails(t, "mmap: invalid argument", "guest map /mnt/mapped none")
		return
	}
	target := harness.Mount(t, server.Addr(), 0)
	for how, text := range map[string]string{"": "synced", " nosync": "closed"} {
		c.sh(t, "guest map /mnt/mapped %s%s", text, how)
		if strings.Contains(options, "cache=loose") {
			c.sh(t, "sync") // closing a file brings nothing out
		}
		want := make([]byte, 64*4096)
		for _, page := range []int{0, 1, 17, 63} {
			copy(want[page*4096:], text)
		}
		if got := harness.ReadFile(t, target, "mapped"); string(got) != string(want) {
			t.Errorf("%s: %d bytes of another content at the server", text, len(got))
		}
	}
}

// ninePACLs sets access control lists by a mount with posixacl, and has users run into them.
func ninePACLs(t *testing.T, c client) {
	const as = "guest as %d %d sh -c "
	c.sh(t, "mkdir -m 755 /mnt/acl; echo secret >/mnt/acl/f; chmod 600 /mnt/acl/f; setfacl -m u:1001:r /mnt/acl/f")
	c.want(t, "user::rw-,user:1001:r--,group::---,mask::r--,other::---", "echo $(getfacl -c -n -p /mnt/acl/f) | tr ' ' ,")
	c.want(t, "640", "stat -c %%a /mnt/acl/f")
	c.want(t, "secret", as+"'cat /mnt/acl/f'", 1001, 1001)
	c.fails(t, "Permission denied", as+"'cat /mnt/acl/f'", 1002, 1002)
	c.fails(t, "Permission denied", as+"'echo >>/mnt/acl/f'", 1001, 1001)
	c.sh(t, "mkdir /mnt/acl/d; setfacl -d -m u:1001:rwx /mnt/acl/d; umask 077; echo x >/mnt/acl/d/new")
	c.want(t, "user:1001:rwx #effective:rw-", "echo $(getfacl -c -n -p /mnt/acl/d/new | grep 1001)")
	c.sh(t, "setfacl -b /mnt/acl/f; rm -r /mnt/acl")
}

// ninePUsers has users make files, and keeps them out.
func ninePUsers(t *testing.T, c client) {
	c.sh(t, "mkdir -m 1777 /mnt/u")
	c.sh(t, "guest as 1001 1001 sh -c 'umask 027; echo mine >/mnt/u/f; mkdir /mnt/u/d; mkfifo /mnt/u/p'")
	c.want(t, "1001 1001 640", "stat -c '%%u %%g %%a' /mnt/u/f")
	c.want(t, "1001 1001 750", "stat -c '%%u %%g %%a' /mnt/u/d")
	c.fails(t, "Permission denied", "guest as 1002 1002 cat /mnt/u/f")
	c.fails(t, "not permitted", "guest as 1002 1002 rm -f /mnt/u/f")
	// Removed while open, it can be read and written.
	c.want(t, "mine\nmore", "exec 5<>/mnt/u/f 6</mnt/u/f; rm /mnt/u/f; cat <&5; echo more >&5; exec 5>&-; tail -n 1 <&6; exec 6<&-")
	c.sh(t, "rm -r /mnt/u")
}

// ninePLocks has a kernel and another client compete for locks.
func ninePLocks(t *testing.T, c client, socket string) {
	c.sh(t, "echo x >/mnt/locked")
	other, err := ninetest.Dial("unix", socket)
	if err == nil {
		err = other.Begin(8192, 0, "/", 0)
	}
	if err == nil {
		_, err = other.Walk(0, 1, "locked")
	}
	if err == nil {
		err = other.Open(1, 2)
	}
	if err != nil {
		t.Fatal(err)
	}
	lock := func(typ, want uint8) {
		t.Helper()
		if st, err := other.Lock(1, typ, 0, 0, 0, 1, "other"); err != nil || st != want {
			t.Errorf("lock: %d, %v, want %d", st, err, want)
		}
	}
	lock(1, 0)
	c.want(t, "1", "flock -n /mnt/locked true; echo $?")
	// This one waits until the other has gone. The guest's network may take its time to bring it the news.
	c.sh(t, "(flock /mnt/locked sh -c 'echo got >/tmp/got; until test -e /tmp/enough; do sleep 0.1; done') >/tmp/log 2>&1 &")
	c.sh(t, "sleep 1; test ! -e /tmp/got")
	lock(2, 0)
	c.want(t, "got", "for i in $(seq 200); do test -e /tmp/got && break; sleep 0.1; done; cat /tmp/log /tmp/got")
	lock(1, 1)
	c.sh(t, "touch /tmp/enough; flock /mnt/locked true; rm /mnt/locked")
	lock(1, 0) // the file is open and has no name
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

// ninePAndNFS changes one tree by both protocols, and looks at it by the other.
func ninePAndNFS(t *testing.T, c client, nfsPort int) {
	c.sh(t, "mkdir -p /nfs")
	c.mount(t, nfsPort, "/nfs", "noac")
	for from, to := range map[string]string{"/mnt": "/nfs", "/nfs": "/mnt"} {
		c.sh(t, "mkdir %s/both; echo one >%s/both/f", from, from)
		c.want(t, "one", "cat %s/both/f", to)
		c.sh(t, "echo two >>%s/both/f; mv %s/both/f %s/both/g; chmod 4711 %s/both/g", to, to, to, to)
		c.want(t, "one\ntwo", "cat %s/both/g", from)
		c.want(t, "4711 8", "stat -c '%%a %%s' %s/both/g", from)
		c.fails(t, "No such file", "cat %s/both/f", from)
		c.want(t, "two", "exec 5<%s/both/g; rm %s/both/g; tail -n 1 <&5", "/mnt", "/nfs")
		c.sh(t, "rmdir %s/both", from)
		c.fails(t, "No such file", "ls %s/both", to)
	}
	c.unmount(t, "/nfs")
}
