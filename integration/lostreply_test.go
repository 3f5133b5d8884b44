package integration

import (
	"path/filepath"
	"testing"
	"time"

	"pmemfs/integration/harness"
)

// Procedures of NFS that must not be carried out twice (RFC 1813 section 3.3).
const (
	procCreate  = 8
	procMkdir   = 9
	procSymlink = 10
	procMknod   = 11
	procRemove  = 12
	procRmdir   = 13
	procRename  = 14
	procLink    = 15
)

// unheard is how long the server has for a call of which the client will not hear. A kernel waits far longer for the reply.
const unheard = 30 * time.Millisecond

// mortal is a server behind a relay.
type mortal struct {
	*harness.Server
	*harness.Relay
}

// TestRepliesLostWithServer has a kernel ask for things that must not be done twice. Each is done, but the reply is lost and the
// server killed; the kernel asks again, with the same call, a server that has only the image to know of the first time. The
// answer has to be that it was done.
func TestRepliesLostWithServer(t *testing.T) {
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	site := mortal{server, harness.StartRelay(t, server)}
	c := bootClient(t)
	c.mount(t, site.Relay.Port, "/mnt", "hard")
	for _, step := range []struct {
		name      string
		proc      uint32
		command   string
		want, see string
	}{
		{"CREATE", procCreate, "set -C; echo made >/mnt/f", "made", "cat /mnt/f"},
		{"MKDIR", procMkdir, "mkdir /mnt/d", "directory", "stat -c %F /mnt/d"},
		{"SYMLINK", procSymlink, "ln -s f /mnt/s", "f", "readlink /mnt/s"},
		{"MKNOD", procMknod, "mkfifo /mnt/p", "fifo", "stat -c %F /mnt/p"},
		{"LINK", procLink, "ln /mnt/f /mnt/g", "2", "stat -c %h /mnt/f"},
		{"RENAME", procRename, "mv /mnt/g /mnt/h", "d\nf\nh\np\ns", "ls -1 /mnt"},
		{"REMOVE", procRemove, "rm /mnt/h", "1", "stat -c %h /mnt/f"},
		{"RMDIR", procRmdir, "rmdir /mnt/d", "f\np\ns", "ls -1 /mnt"},
	} {
		t.Run(step.name, func(t *testing.T) {
			heard := site.MuteAt(step.proc)
			job := background(t, c, step.command)
			select {
			case <-heard:
			case <-time.After(writerTimeout):
				t.Fatal("the kernel has not sent the call")
			}
			time.Sleep(unheard)
			site.Kill()
			site.Start()
			job.wait(t)
			c.want(t, step.want, "%s", step.see)
		})
	}
	c.unmount(t, "/mnt")
}
