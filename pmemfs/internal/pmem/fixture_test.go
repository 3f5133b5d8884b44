package pmem

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// helpers are what this test binary does when it is started again by a test, in a process of its own. Each
// gets the path that the test named and returns what went wrong.
var helpers = map[string]func(path string) error{}

const helperVar, helperPathVar = "PMEM_TEST_HELPER", "PMEM_TEST_PATH"

func TestMain(m *testing.M) {
	name := os.Getenv(helperVar)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := helpers[name](os.Getenv(helperPathVar)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// helper returns the command that runs a helper.
func helper(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), helperVar+"="+name, helperPathVar+"="+path)
	return cmd
}

// runHelper runs a helper's command and fails the test with what it prints.
func runHelper(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("helper process: %v\n%s", err, out)
	}
}

// allDomains are the domains that this CPU can run.
func allDomains() (usable []Domain) {
	for d := Volatile; d <= EADR; d++ {
		if d.usable() == nil {
			usable = append(usable, d)
		}
	}
	return usable
}

// memory opens a region of anonymous memory for one test.
func memory(t testing.TB, size int64, d Domain) *Region {
	t.Helper()
	r, err := NewMemory(size, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, r) })
	return r
}

// image makes a file and opens it for one test.
func image(t testing.TB, size int64, o Options) *Region {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := CreateFile(path, size, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, path, o)
}

func mustOpen(t testing.TB, path string, o Options) *Region {
	t.Helper()
	r, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, r) })
	return r
}

func mustClose(t testing.TB, r *Region) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	got := fmt.Sprint(Volatile, PageCache, CacheFlush, EADR, Domain(0), Power, Process, Durability(7))
	if want := "volatile page-cache cache-flush eadr Domain(0) power process Durability(7)"; got != want {
		t.Errorf("names are %q, want %q", got, want)
	}
	for _, d := range []Durability{Power, Process} {
		if p, err := ParseDurability(d.String()); err != nil || p != d {
			t.Errorf("ParseDurability(%q) = %v, %v", d, p, err)
		}
	}
	if _, err := ParseDurability("hope"); err == nil || !strings.Contains(err.Error(), `"process"`) {
		t.Errorf("ParseDurability of nonsense: %v, want an error that lists the names", err)
	}
}

// The sites of the tests.
var (
	testSite    = NewSite("pmem test: flush")
	testThrough = NewThroughSite("pmem test: through")
)

// CreateFile makes a file of size zero bytes that is really allocated, as NewDraft and Publish do.
func CreateFile(path string, size int64, o CreateOptions) error {
	d, err := NewDraft(path, size, o)
	if err != nil {
		return err
	}
	return d.Publish()
}

// proof turns a Durable into an error if it does not say what the error says.
func proof(d Durable, err error) error {
	if err == nil && !d.Valid() {
		return errors.New("no error and no proof")
	}
	return err
}

// bulk runs one store, compares the region and clears it.
func bulk(t *testing.T, r *Region, want []byte, what string, store func() error) {
	t.Helper()
	if err := store(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Bytes(), want) {
		t.Fatalf("%s: content differs after %s", r.Domain(), what)
	}
	clear(r.mem)
}

// panicOf returns the error that f panics with.
func panicOf(f func()) (err error) {
	defer func() {
		if e, ok := recover().(error); ok {
			err = e
		}
	}()
	f()
	return nil
}

// checkZeros checks that a file consists of so many zero bytes.
func checkZeros(path string, size int) error {
	got, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !slices.Equal(got, make([]byte, size)) {
		return fmt.Errorf("%s is not %d zero bytes", path, size)
	}
	return nil
}

// writeTree makes files below root; content that begins with "->" makes a link.
func writeTree(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if target, link := strings.CutPrefix(content, "->"); err == nil && link {
			err = os.Symlink(target, path)
		} else if err == nil {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// guarded runs f under the region's guard.
func guarded(r *Region, f func() error) (err error) {
	defer r.Unguard(r.Guard(), &err)
	return f()
}
