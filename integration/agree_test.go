package integration

import (
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pmemfs/integration/conformance"
	"pmemfs/integration/conformance/engine"
	"pmemfs/pmemfs"
	"pmemfs/server/nfswire"
)

const (
	agreeSeedVariable  = "TEST_PMEMFS_AGREE_SEED"  // what a failed run printed
	agreeStepsVariable = "TEST_PMEMFS_AGREE_STEPS" // how many calls
)

// TestStacksAgree makes the same random calls, by several users, on the engine, the native stack, the go-nfs stack, and the
// native stack with unstable writes, each on a filesystem of its own. Every call must have the same result everywhere, and at the
// end all must hold the same tree. Where several errors are true, go-nfs may name another, as it looks at types before
// permissions; how often is printed.
func TestStacksAgree(t *testing.T) {
	seed := uint64(variable(t, agreeSeedVariable, int(rand.Uint32())))
	steps := variable(t, agreeStepsVariable, 4000)
	t.Logf("%s=%d %s=%d", agreeSeedVariable, seed, agreeStepsVariable, steps)
	fss := []conformance.FS{agreeEngine(t)}
	for _, k := range []struct {
		s   stack
		d   pmemfs.Domain
		how uint32
	}{
		{nativeStack, pmemfs.DomainVolatile, nfswire.FileSync},
		{goNFSStack, pmemfs.DomainVolatile, nfswire.FileSync},
		{nativeStack, pmemfs.DomainPageCache, nfswire.Unstable}, // where writes are kept in memory
	} {
		_, _, addr, end := serveStack(t, k.s, k.d)
		fs, hangUp := rootOver(t, addr)
		fs.how = k.how
		t.Cleanup(func() {
			hangUp()
			end()
		})
		fss = append(fss, fs)
	}
	names := []string{"engine", "native", "go-nfs", unstableStack}
	for _, fs := range fss {
		if err := fs.Setattr(".", conformance.Set{Mode: new(uint32(0o777))}); err != nil {
			t.Fatal(err)
		}
	}
	g := conformance.NewCalls(seed, false)
	kinds, order := map[string]int{}, map[string]int{}
	for i := range steps {
		what, call := g.Next()
		want := call(fss[0])
		kind, _, _ := strings.Cut(want, " (")
		if !conformance.IsError(want) {
			kind = "ok"
		}
		kinds[kind]++
		for j, fs := range fss[1:] {
			got := call(fs)
			want := want
			if names[j+1] == unstableStack {
				got, want = withoutUsed(got), withoutUsed(want)
			}
			if names[j+1] == "go-nfs" && got != want && conformance.IsError(got) && conformance.IsError(want) {
				order[want+", go-nfs "+got]++
				continue
			}
			if got != want {
				t.Fatalf("call %d, %s: %s says %s, the engine %s", i, what, names[j+1], got, want)
			}
		}
	}
	want := treeOf(t, g, fss[0])
	for j, fs := range fss[1:] {
		got, want := treeOf(t, g, fs), want
		if names[j+1] == unstableStack {
			got, want = withoutUsed(got), withoutUsed(want)
		}
		if got != want {
			t.Errorf("%s has\n%s\nthe engine\n%s", names[j+1], got, want)
		}
	}
	t.Logf("%d files and directories at the end; results: %v; other errors: %v", strings.Count(want, "\n"), kinds, order)
}

// unstableStack keeps writes in memory, and stores several at once: a file that others have written piece by piece has a tree of extents there,
// which stays when the pieces are gone, and here none. So what a file uses may differ by nodes.
const unstableStack = "native, unstable"

var used = regexp.MustCompile(` used \d+`)

func withoutUsed(text string) string { return used.ReplaceAllString(text, "") }

// variable is a number of the environment.
func variable(t *testing.T, name string, or int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func agreeEngine(t *testing.T) conformance.FS {
	t.Helper()
	eng, err := pmemfs.OpenMemory(256<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine.New(eng)
}

func treeOf(t *testing.T, g *conformance.Calls, fs conformance.FS) string {
	t.Helper()
	tree, err := g.Tree(fs, ".")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
