package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"pmemfs/server/control"
)

// TestReloadUnderLoad reloads again and again, with other exports, schedules, scrubs, quotas and levels of the log, by commands and by signals, beside
// clients that make, write, read and remove files all the time: none of their calls fails.
func TestReloadUnderLoad(t *testing.T) {
	dir := t.TempDir()
	file, image := filepath.Join(dir, "f.toml"), filepath.Join(dir, "fs.img")
	turns := []string{
		"[[export]]\nname = '/'\nsquash = 'none'\n",
		"log_level = 'error'\nscrub_every = '1ms'\n[[export]]\nname = '/'\nsquash = 'none'\n[[export]]\nname = '/docs'\n[[quota]]\nuser = '4711'\nfiles = 1000\n",
		"log_format = 'json'\nscrub_rate = '1MiB'\n[[export]]\nname = '/'\nsquash = 'none'\n[[snapshots]]\nevery = '1h'\nkeep = {last = 1}\n",
	}
	write(t, file, turns[0])
	s := serve(t, image, "--size", "64MiB", "--config", file)
	var stop atomic.Bool
	worked, failed := make(chan struct{}, 1), make(chan struct{}, 2)
	var clients sync.WaitGroup
	for n := range 2 {
		target := s.mount()
		clients.Go(func() {
			for turn := 0; !stop.Load(); turn++ {
				name, content := fmt.Sprintf("/file-%d-%d", n, turn), bytes.Repeat([]byte{byte(turn)}, 5000)
				f, err := target.OpenFile(name, 0o644)
				if err == nil {
					_, err = f.Write(content)
				}
				if err == nil {
					err = f.Close()
				}
				if err == nil {
					f, err = target.Open(name)
				}
				var got []byte
				if err == nil {
					got, err = io.ReadAll(f)
				}
				if err == nil {
					err = target.Remove(name)
				}
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
					failed <- struct{}{}
					return
				}
				select {
				case worked <- struct{}{}:
				default:
				}
			}
		})
	}
	reloads := 30
	for n := range reloads {
		select { // between two reloads there is work
		case <-worked:
		case <-failed:
			t.FailNow()
		}
		write(t, file, turns[(n+1)%len(turns)])
		if n%5 == 0 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		}
		want(t, 0, "reload", image)
	}
	// Two at once go one after the other, and both have the same outcome.
	var both sync.WaitGroup
	for range 4 {
		both.Go(func() { want(t, 0, "reload", image) })
	}
	both.Wait()
	stop.Store(true)
	clients.Wait()
	s.stop()
	if strings.Count(s.out.String(), "exports reloaded") < reloads/3 { // the level of the log leaves out some
		t.Errorf("the log says\n%s", s.out)
	}
	want(t, 0, "check", image)
}

// TestReloadSeveral reloads a server of two images: each keeps to what the file says of it, and what one would allow by a line that is lost changes neither.
func TestReloadSeveral(t *testing.T) {
	t.Chdir(t.TempDir())
	const a, b = "[[image]]\npath = 'a.img'\nsize = '64MiB'\n[[image.export]]\nname = '/'\n", "[[image]]\npath = 'b.img'\nsize = '64MiB'\n[[image.export]]\nname = '/b'\nsubtree = '/'\n"
	write(t, "f.toml", a+b+"[image.limits]\nwaiters = 100\n")
	s := serve(t, "--config", "f.toml")
	write(t, "f.toml", a+"[[image.snapshots]]\nevery = '1h'\nkeep = {last = 1}\n"+b+"squash = 'all'\n[image.limits]\nwaiters = 200\n")
	stdout, _ := want(t, 0, "reload", "b.img")
	const applied = "applied: a.img: snapshots \"auto-\" is new: every=1h\napplied: b.img: export \"/b\" squash is all; it was root\napplied: b.img: limits.waiters is 200; it was 100\n"
	for _, line := range strings.SplitAfter(applied, "\n") {
		if !strings.Contains(stdout, line) {
			t.Errorf("it does not say %q:\n%s", line, stdout)
		}
	}
	if stdout, _ := want(t, 0, "reload", "a.img"); stdout != "reloaded: nothing has changed\n" {
		t.Errorf("again: %s", stdout)
	}
	write(t, "f.toml", a+b)
	if _, stderr := want(t, 1, "reload", "a.img"); !strings.Contains(stderr, `export "/b" would allow more than before`) {
		t.Errorf("a line is lost: %s", stderr)
	}
	write(t, "f.toml", b+"squash = 'all'\n[[image]]\npath = 'c.img'\n[[image.export]]\nname = '/c'\nsubtree = '/'\n")
	if stdout, _ := want(t, 0, "reload", "b.img"); !strings.Contains(stdout, "at the next start: ") || !strings.Contains(stdout, "c.img") || !strings.Contains(stdout, "a.img") {
		t.Errorf("another image: %s", stdout)
	}
	if stdout, _ := want(t, 0, "config", "show", "a.img"); strings.Contains(stdout, "c.img") || !strings.Contains(stdout, "a.img") {
		t.Errorf("what is in force: %s", stdout)
	}
	s.stop()
	want(t, 0, "check", "a.img")
	want(t, 0, "check", "b.img")
}

// TestReloadTokens: the configuration of a server is told at the admin port, and a reload takes the token there.
func TestReloadTokens(t *testing.T) {
	dir := t.TempDir()
	file, image, token := filepath.Join(dir, "f.toml"), filepath.Join(dir, "fs.img"), filepath.Join(dir, "token")
	write(t, file, "[[export]]\nname = '/'\n")
	write(t, token, "a-word-that-nobody-guesses\n")
	t.Setenv("PMEMFS_TRACE_ENDPOINT", "http://user:hidden@127.0.0.1:1")
	s := serve(t, image, "--size", "64MiB", "--config", file, "--admin", "127.0.0.1:0", "--admin-token", token)
	stdout, _ := want(t, 0, "status", image, "--json")
	_, rest, _ := strings.Cut(stdout, `"admin": "`)
	at, _, _ := strings.Cut(rest, `"`)
	if _, stderr := want(t, 1, "reload", "--admin", at); !strings.Contains(stderr, "token") {
		t.Errorf("without the token: %s", stderr)
	}
	if stdout, _ := want(t, 0, "reload", "--admin", at, "--admin-token", token); stdout != "reloaded: nothing has changed\n" {
		t.Errorf("with the token: %s", stdout)
	}
	if stdout, _ := want(t, 0, "config", "show", image); strings.Contains(stdout, "a-word") || strings.Contains(stdout, "hidden@") || !strings.Contains(stdout, "http://user:xxxxx@127.0.0.1:1") || !strings.Contains(stdout, token) {
		t.Errorf("the token is shown, or its file not:\n%s", stdout)
	}
	s.stop()
}

// TestDescribe: what is in force is told with the table of each key.
func TestDescribe(t *testing.T) {
	from, err := newServeFlags().sources(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, now, err := from.load()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range describe("f", now.Items()).Values {
		if v == (control.ConfigurationValue{}) || v.Value == "" || v.From != "default" {
			t.Errorf("%+v", v)
		}
		seen[v.Table] = true
	}
	for _, table := range []string{"server", "image", "export", "limits"} {
		if !seen[table] {
			t.Errorf("no key of %s", table)
		}
	}
}

// TestReloadEarly asks for a reload when the admin port answers and the server is not known yet: it is refused in order.
func TestReloadEarly(t *testing.T) {
	s := &steering{}
	if _, err := s.reload(); err != errStarting {
		t.Errorf("reloaded: %v", err)
	}
}
