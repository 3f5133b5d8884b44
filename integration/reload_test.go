package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

const (
	statusNoEnt = rawnfs.Status(2)
	statusAcces = rawnfs.Status(13)
	statusROFS  = rawnfs.Status(30)
)

// reloading is a server with a configuration file and a client that never reconnects.
type reloading struct {
	t      *testing.T
	file   string
	server *harness.Server
	client *rawnfs.Client
}

const wholeExport = `
[[export]]
name = "/"
squash = "none"
`

func newReloading(t *testing.T, exports string) *reloading {
	t.Helper()
	r := &reloading{t: t, file: filepath.Join(t.TempDir(), "pmemfs.toml")}
	r.write(exports)
	r.server = harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--config", r.file)
	client, err := rawnfs.Dial(r.server.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	r.client = client
	return r
}

func (r *reloading) write(exports string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(exports), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// reload gives the server another file and waits until it has said a text once more.
func (r *reloading) reload(exports, said string) {
	r.t.Helper()
	before := strings.Count(r.server.Output(), said)
	r.write(exports)
	r.server.Signal(syscall.SIGHUP)
	r.server.WaitOutput(said, before+1)
}

func (r *reloading) mount(path string, want error) rawnfs.Handle {
	r.t.Helper()
	h, err := r.client.Mount(path)
	if !errors.Is(err, want) {
		r.t.Fatalf("MNT %s: %v, want %v", path, err, want)
	}
	return h
}

func (r *reloading) create(dir rawnfs.Handle, name string, want error) {
	r.t.Helper()
	if _, err := r.client.Create(dir, name); !errors.Is(err, want) {
		r.t.Fatalf("CREATE %s: %v, want %v", name, err, want)
	}
}

// TestReload adds, removes and changes exports under a client whose connection stays, by SIGHUP to the real server.
func TestReload(t *testing.T) {
	const docs, old, readOnly = "\n[[export]]\nname = '/docs'\n", "\n[[export]]\nname = '/old'\n", "read_only = true\n"
	const reloaded = "exports reloaded"
	r := newReloading(t, wholeExport+old)
	r.server.WaitOutput("cannot be mounted until it is made", 1)
	root := r.mount("/", nil)
	r.mount("/old", statusNoEnt)
	for _, name := range []string{"docs", "old"} {
		if _, err := r.client.Mkdir(root, name); err != nil {
			t.Fatal(err)
		}
	}
	gone := r.mount("/old", nil)
	r.create(root, "before", nil)

	r.reload(wholeExport+docs+readOnly, reloaded)
	shown := r.mount("/docs", nil)
	r.create(shown, "file", statusROFS)
	r.create(gone, "file", rawnfs.Stale)
	r.create(root, "after", nil)

	r.reload(wholeExport+docs, "would allow more than before") // a line that is lost allows nothing
	r.create(shown, "file", statusROFS)
	r.reload(wholeExport+docs+"read_only = false", reloaded)
	r.create(shown, "file", statusAcces) // root is nobody there, by default

	r.reload(wholeExport+docs+"squash = 'none'", reloaded)
	r.create(shown, "file", nil)

	r.reload(wholeExport+docs+"squash = 'everybody'", "export.squash: squash is root, all or none")
	r.reload(wholeExport+docs+docs, "two exports are named")
	r.reload("", "names no export any more")
	r.create(shown, "more", nil)

	r.reload("nfs = '127.0.0.1:1'\ngrace = '1s'\n"+wholeExport+old+"squash = 'none'", "cannot change while serving")
	r.server.WaitOutput(reloaded, 4)
	r.create(gone, "again", nil)
	r.create(shown, "gone", rawnfs.Stale)
	r.create(root, "last", nil)
}

// TestReloadAccessLog moves the access log away, as logrotate does, without a configuration file.
func TestReloadAccessLog(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "access.log")
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--access-log", log)
	client, err := rawnfs.Dial(server.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	has := func(path, text string) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b), text) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s has no %s: %s", path, text, b)
			}
		}
	}
	root, err := client.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	has(log, `"procedure":"MNT"`)
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	server.Signal(syscall.SIGHUP)
	server.WaitOutput("the access log goes on in a new file", 1)
	if _, err := client.Getattr(root); err != nil {
		t.Fatal(err)
	}
	has(log, `"procedure":"GETATTR"`)
	if said := "not reloaded"; strings.Contains(server.Output(), said) {
		t.Errorf("the log says %q", said)
	}
}
