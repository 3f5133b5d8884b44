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
	first, err := rawnfs.Dial(server.Addr(), patience)
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

// TestOtherPrograms is asked by two programs behind one address, and by one that counts its calls from the same number each time that it is
// started, as embedded systems do. Their calls are alike, byte for byte, and none may be told that it has done what another one did.
func TestOtherPrograms(t *testing.T) {
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	dial := func() (*rawnfs.Client, rawnfs.Handle) {
		t.Helper()
		c := dialRaw(t, server.Addr())
		root, err := c.Mount("/")
		if err != nil {
			t.Fatal(err)
		}
		c.SetXID(1000)
		return c, root
	}
	t.Run("at once", func(t *testing.T) {
		first, root := dial()
		second, _ := dial()
		if _, _, err := first.As(0, 0).Mkdir(root, "lock", rawnfs.Sattr{}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, _, err := second.As(0, 0).Mkdir(root, "lock", rawnfs.Sattr{}); !errors.Is(err, rawnfs.Status(nfswire.ErrExist)) {
				t.Errorf("both have made the lock: %v", err)
			}
			second.SetXID(1000)
		}
		first.SetXID(1000)
		if _, _, err := first.As(0, 0).Mkdir(root, "lock", rawnfs.Sattr{}); err != nil {
			t.Errorf("the first does not hear again what it was answered: %v", err)
		}
	})
	again := func(t *testing.T) {
		t.Helper()
		c, root := dial()
		u := c.As(0, 0)
		made, _, err := u.Create(root, "f", rawnfs.CreateHow{Mode: nfswire.CreateGuarded})
		if err != nil {
			t.Fatal(err)
		}
		if h, err := u.Lookup(root, "f"); err != nil || h != made {
			t.Errorf("CREATE is answered OK, and the file is not there: %v", err)
		}
		if err := u.Remove(root, "f"); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Lookup(root, "f"); !errors.Is(err, rawnfs.Status(nfswire.ErrNoEnt)) {
			t.Errorf("REMOVE is answered OK, and the file is there: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Run("one after the other", func(t *testing.T) { again(t); again(t); again(t) })
	t.Run("after a kill", func(t *testing.T) {
		server.Kill()
		server.Start()
		again(t)
	})
	t.Run("after a stop", func(t *testing.T) {
		server.Stop()
		server.Start()
		again(t)
	})
}

// TestReconnectFromElsewhere loses a connection before the client has taken the answer, and repeats the call from another port, as many
// clients do: it hears what came of it.
func TestReconnectFromElsewhere(t *testing.T) {
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	setup := dialRaw(t, server.Addr())
	root, err := setup.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	u := setup.As(0, 0)
	big, _, err := u.Create(root, "big", rawnfs.CreateHow{})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Setattr(big, rawnfs.Sattr{Size: new(uint64(1 << 20))}, nil); err != nil {
		t.Fatal(err)
	}
	for name, resets := range map[string]bool{"reset": true, "closed": false} {
		t.Run(name, func(t *testing.T) {
			deaf, err := rawnfs.DialDeaf(server.Addr(), patience)
			if err != nil {
				t.Fatal(err)
			}
			// The answer to MKDIR does not arrive, since what comes before it has no room.
			if err := deaf.As(0, 0).SendRead(big, 0, 16<<10); err != nil {
				t.Fatal(err)
			}
			if err := deaf.As(0, 0).SendMkdir(root, name); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				if _, err := u.Lookup(root, name); err == nil {
					break
				} else if !errors.Is(err, rawnfs.Status(nfswire.ErrNoEnt)) || time.Now().After(deadline) {
					t.Fatalf("not carried out: %v", err)
				}
			}
			again, err := deaf.Elsewhere(server.Addr())
			if err != nil {
				t.Fatal(err)
			}
			end := deaf.Close
			if resets {
				end = deaf.Reset
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if _, _, err := again.As(0, 0).Mkdir(root, name, rawnfs.Sattr{}); err != nil {
				t.Errorf("repeated: %v", err)
			}
		})
	}
}
