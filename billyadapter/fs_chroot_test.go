package billyadapter_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/util"

	"pmemfs/billyadapter"
)

func chroot(t *testing.T, f *billyadapter.FS, path string) *billyadapter.FS {
	t.Helper()
	c, err := f.Chroot(path)
	must(t, err)
	return c.(*billyadapter.FS)
}

// TestChrootEscapes tries every door out of a chroot: all must be shut, and nothing outside may change.
func TestChrootEscapes(t *testing.T) {
	f := newFS(t)
	must(t, util.WriteFile(f, "secret", []byte("outside"), 0o644))
	must(t, f.MkdirAll("jail/sub", 0o755))
	links := map[string]string{
		"up": "..", "up2": "../..", "far": "../../../../secret", "rel": "sub/../../secret",
		"sub/up": "../..", "chain": "up/secret", "dot": "./../secret", "slashes": "..//secret",
	}
	for name, target := range links {
		must(t, f.Symlink(target, "jail/"+name))
	}
	jail := chroot(t, f, "jail")
	paths := []string{"..", "../secret", "/../secret", "a/../../secret", "sub/../../secret",
		"up/secret", "up2/secret", "far", "rel", "sub/up/secret", "chain", "dot", "slashes"}
	for _, p := range paths {
		if _, err := jail.Stat(p); !errors.Is(err, billy.ErrCrossedBoundary) {
			t.Errorf("stat %q: %v", p, err)
		}
		if _, err := jail.Open(p); err == nil {
			t.Errorf("open %q: succeeded", p)
		}
		if file, err := jail.OpenFile(p, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o666); err == nil {
			t.Errorf("create %q: succeeded as %q", p, file.Name())
		}
		if err := jail.Chmod(p, 0); err == nil {
			t.Errorf("chmod %q: succeeded", p)
		}
	}
	for _, p := range []string{"../x", "up/x", "sub/up/x"} {
		for op, err := range map[string]error{
			"rename":  jail.Rename("sub", p),
			"symlink": jail.Symlink("t", p),
			"link":    jail.Link("up", p),
			"mkdir":   jail.MkdirAll(p, 0o755),
			"mknod":   jail.Mknod(p, fs.ModeNamedPipe, 0, 0),
		} {
			if !errors.Is(err, billy.ErrCrossedBoundary) {
				t.Errorf("%s %q: %v", op, p, err)
			}
		}
	}
	got, err := util.ReadFile(f, "secret")
	if err != nil || string(got) != "outside" {
		t.Fatalf("the file outside now reads %q, %v", got, err)
	}
	if _, err := f.Stat("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("something was made outside: %v", err)
	}
}

func TestAbsoluteLinkStaysInside(t *testing.T) {
	f := newFS(t)
	must(t, util.WriteFile(f, "etc/passwd", []byte("host"), 0o644))
	must(t, util.WriteFile(f, "jail/etc/passwd", []byte("jail"), 0o644))
	must(t, f.Symlink("/etc/passwd", "jail/link"))
	got, err := util.ReadFile(chroot(t, f, "jail"), "link")
	if err != nil || string(got) != "jail" {
		t.Fatalf("read %q, %v", got, err)
	}
	if _, err := f.Chroot("jail/link"); err == nil {
		t.Fatal("a file became a root")
	}
}

func TestLinkLoop(t *testing.T) {
	f := newFS(t)
	must(t, f.Symlink("b", "a"))
	must(t, f.Symlink("a", "b"))
	if _, err := f.Stat("a"); !errors.Is(err, syscall.ELOOP) {
		t.Fatalf("a loop gave %v", err)
	}
	must(t, util.WriteFile(f, "l40", []byte("x"), 0o644))
	for i := 39; i >= 0; i-- {
		must(t, f.Symlink(fmt.Sprintf("l%d", i+1), fmt.Sprintf("l%d", i)))
	}
	if _, err := f.Stat("l0"); err != nil {
		t.Fatalf("40 links: %v", err)
	}
	must(t, f.Symlink("l0", "l"))
	if _, err := f.Stat("l"); !errors.Is(err, syscall.ELOOP) {
		t.Fatalf("41 links: %v", err)
	}
}

// TestChrootUnderRename moves directories in and out of a chroot while others walk through it with "..".
func TestChrootUnderRename(t *testing.T) {
	f := newFS(t)
	must(t, f.MkdirAll("jail/a/b", 0o755))
	must(t, f.MkdirAll("out", 0o755))
	must(t, util.WriteFile(f, "canary", []byte("x"), 0o644))
	must(t, f.Symlink("../../canary", "jail/a/b/link"))
	jail := chroot(t, f, "jail")
	var movers, walkers sync.WaitGroup
	stop := make(chan struct{})
	movers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := f.Rename("jail/a", "out/a"); err != nil {
				t.Errorf("move out: %v", err)
				return
			}
			if err := f.Rename("out/a", "jail/a"); err != nil {
				t.Errorf("move in: %v", err)
				return
			}
		}
	})
	for range 3 {
		walkers.Go(func() {
			for range 2000 {
				// Inside, the link leads to jail/canary, which does not exist. It must never find the one outside.
				if info, err := jail.Stat("a/b/link"); err == nil {
					t.Errorf("reached %s outside", info.Name())
					return
				}
			}
		})
	}
	walkers.Wait()
	close(stop)
	movers.Wait()
}

func TestChrootLifetime(t *testing.T) {
	f := newFS(t)
	c := chroot(t, f, "later")
	if _, err := c.ReadDir("/"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a root that is not there: %v", err)
	}
	if _, err := f.Stat("later"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("looking made it: %v", err)
	}
	must(t, util.WriteFile(c, "one", nil, 0o644))
	must(t, f.Rename("later", "moved"))
	must(t, util.WriteFile(c, "two", nil, 0o644))
	if _, err := f.Stat("moved/two"); err != nil {
		t.Fatalf("the root did not follow its rename: %v", err)
	}
	must(t, util.RemoveAll(f, "moved"))
	must(t, util.WriteFile(c, "three", nil, 0o644))
	if _, err := f.Stat("later/three"); err != nil {
		t.Fatalf("the root did not come back by its path: %v", err)
	}
}
