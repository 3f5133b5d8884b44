package integration

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
	"pmemfs/server/nfswire"
)

// onceCall is a call that must not be carried out twice. ask returns what it names, if it makes something.
type onceCall struct {
	name string
	ask  func(u *rawnfs.User, root rawnfs.Handle) (rawnfs.Handle, error)
}

// onceCalls build on each other, in this order.
var onceCalls = []onceCall{
	{"MKDIR", func(u *rawnfs.User, root rawnfs.Handle) (rawnfs.Handle, error) {
		h, _, err := u.Mkdir(root, "d", rawnfs.Sattr{})
		return h, err
	}},
	{"CREATE", func(u *rawnfs.User, root rawnfs.Handle) (rawnfs.Handle, error) {
		h, _, err := u.Create(root, "f", rawnfs.CreateHow{Mode: nfswire.CreateGuarded})
		return h, err
	}},
	{"SYMLINK", func(u *rawnfs.User, root rawnfs.Handle) (rawnfs.Handle, error) {
		h, _, err := u.Symlink(root, "s", "target", rawnfs.Sattr{})
		return h, err
	}},
	{"MKNOD", func(u *rawnfs.User, root rawnfs.Handle) (rawnfs.Handle, error) {
		h, _, err := u.Mknod(root, "p", nfswire.TypeFIFO, 0, 0, rawnfs.Sattr{})
		return h, err
	}},
	{"RENAME", func(u *rawnfs.User, root rawnfs.Handle) (rawnfs.Handle, error) {
		return "", u.Rename(root, "f", root, "g")
	}},
	{"REMOVE", func(u *rawnfs.User, root rawnfs.Handle) (rawnfs.Handle, error) { return "", u.Remove(root, "g") }},
	{"RMDIR", func(u *rawnfs.User, root rawnfs.Handle) (rawnfs.Handle, error) { return "", u.Rmdir(root, "d") }},
}

// TestRepeatedAcrossKills asks for something, has the answer, kills the server before, so to say, the client has seen it, and
// asks again: every server says what the first one said. One of the servers is stopped in order, and with one call one idles as
// long as it takes to forget what it has in its journal's window.
func TestRepeatedAcrossKills(t *testing.T) {
	const idle = 2500 * time.Millisecond // more than twice what an idle journal waits before it empties its window
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	first, err := rawnfs.Dial(server.Addr(), 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	root, err := first.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	restarts := []struct {
		name string
		do   func()
	}{
		{"kill", server.Kill},
		{"second kill", server.Kill},
		{"stop", server.Stop},
	}
	for _, call := range onceCalls {
		t.Run(call.name, func(t *testing.T) {
			made, err := call.ask(first.As(0, 0), root)
			if err != nil {
				t.Fatal(err)
			}
			asker := first
			for _, r := range restarts {
				if call.name == "REMOVE" && r.name == "kill" {
					time.Sleep(idle)
				}
				r.do()
				server.Start()
				again, err := asker.Repeating(server.Addr())
				if err != nil {
					t.Fatal(err)
				}
				if got, err := call.ask(again.As(0, 0), root); err != nil || got != made {
					t.Errorf("repeated after %s: %v, the same file: %v", r.name, err, got == made)
				}
				if err := asker.Close(); err != nil {
					t.Error(err)
				}
				asker = again
			}
			first = asker
		})
		if t.Failed() {
			break
		}
	}
	// Who asks anew is told how things are.
	_, err = first.As(0, 0).Lookup(root, "d")
	var s rawnfs.Status
	if !errors.As(err, &s) || nfswire.Status(s) != nfswire.ErrNoEnt {
		t.Errorf("a removed directory: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}
