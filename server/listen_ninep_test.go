package server_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pmemfs/server"
	"pmemfs/server/ninetest"
)

// TestNineP serves 9P on TCP and on a socket, beside NFS; a server that is killed leaves a socket that is in nobody's way.
func TestNineP(t *testing.T) {
	dir := t.TempDir()
	image, socket := filepath.Join(dir, "image"), filepath.Join(dir, "socket")
	c := config(image)
	c.NineP = []string{":0", "unix:" + socket}
	c.Images[0].Exports[0].Squash = 2
	for round := range 2 {
		s, err := server.Open(c)
		must(t, err)
		at := s.NineP()
		if len(at) != 2 || !strings.HasPrefix(at[0], "127.0.0.1:") || at[1] != socket {
			t.Fatalf("9P at %q", at)
		}
		if st, err := os.Stat(socket); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v", st.Mode(), err)
		}
		stop := run(t, s)
		for i, network := range []string{"tcp", "unix"} {
			client, err := ninetest.Dial(network, at[i])
			must(t, err)
			must(t, client.Begin(1<<20, 0, "/", 0))
			_, err = client.Walk(0, 1, network)
			if round == 0 {
				if !errors.Is(err, syscall.ENOENT) {
					t.Error(err)
				}
				_, err = client.Walk(0, 1)
				must(t, err)
				must(t, client.Create(1, network, 2, 0o644, 0))
				_, err = client.Write(1, 0, []byte(network))
			} else if err == nil {
				must(t, client.Open(1, 0))
			}
			must(t, err)
			if data, err := client.Read(1, 0, 100); err != nil || string(data) != network {
				t.Errorf("%s: %q, %v", network, data, err)
			}
			defer client.Close() // it is there when the server stops
		}
		other := config(filepath.Join(dir, "other"))
		other.NineP = c.NineP
		if s, err := server.Open(other); err == nil {
			t.Error("two servers on one socket")
			must(t, s.Close())
		} else if !errors.Is(err, syscall.EADDRINUSE) {
			t.Error(err)
		}
		stop()
		checkClean(t, image)
		leaveSocket(t, socket)
	}
	for _, address := range []string{"unix:", "nowhere", "host:port:port"} {
		c.NineP = []string{address}
		if s, err := server.Open(c); err == nil {
			t.Errorf("%q is no address", address)
			must(t, s.Close())
		}
	}
}

// leaveSocket makes a socket on which nobody listens.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	must(t, syscall.Close(fd))
}

// TestNinePMountLine checks what users paste.
func TestNinePMountLine(t *testing.T) {
	for at, want := range map[string]string{
		"127.0.0.1:564": "sudo mount -t 9p -o trans=tcp,port=564,version=9p2000.L,msize=1048576,access=user,aname=/docs 127.0.0.1 /mnt",
		"/run/s":        "sudo mount -t 9p -o trans=unix,version=9p2000.L,msize=1048576,access=user,aname=/docs /run/s /mnt",
	} {
		if got := server.NinePMountLine(at, "/docs"); got != want {
			t.Errorf("%s: %s", at, got)
		}
	}
}
