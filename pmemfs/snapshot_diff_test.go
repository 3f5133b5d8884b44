package pmemfs

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// linkOf is a name with what it means, whatever its directory is called.
type linkOf struct{ dir, name, file string }

var idOf = regexp.MustCompile(`^\d+ \d+`)

// linksOf returns the names of a tree with their paths.
func linksOf(tree map[string]string) map[linkOf]string {
	m := map[linkOf]string{}
	for path, line := range tree {
		dir, name := splitPath(path)
		m[linkOf{idOf.FindString(tree[dir]), name, idOf.FindString(line)}] = path
	}
	return m
}

// linksAndID matches what a line of a tree says of identity and links of an inode.
var linksAndID = regexp.MustCompile(`^\d+ \d+ |links \d+ `)

// TestDiffRandom compares snapshots of a tree that changes at random, each with some that came later.
func TestDiffRandom(t *testing.T) {
	kinds := map[DifferenceKind]int{}
	for seed := range uint64(12) {
		fs, err := OpenMemory(64<<20, DomainVolatile, Options{NoBackground: true})
		if err != nil {
			t.Fatal(err)
		}
		x := newChanger(t, fs, seed)
		var trees []map[string]string
		for round := range 6 {
			for range 25 {
				x.step()
			}
			if _, err := fs.CreateSnapshot(fmt.Sprint("s", round), ""); err != nil {
				t.Fatal(err)
			}
			trees = append(trees, treeAsText(t, fs, fs.Root()))
		}
		for a := range trees {
			for b := a + 1; b < len(trees); b++ {
				what := fmt.Sprintf("seed %d, s%d to s%d", seed, a, b)
				list, err := fs.DiffSnapshots(fmt.Sprint("s", a), fmt.Sprint("s", b))
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				vetDiff(t, what, list, trees[a], trees[b], kinds)
			}
		}
		if err := fs.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(kinds) != 4 {
		t.Errorf("not every kind has been seen: %v", kinds)
	}
}

// vetDiff compares a list of differences with what two trees say.
func vetDiff(t *testing.T, what string, list []Difference, a, b map[string]string, kinds map[DifferenceKind]int) {
	t.Helper()
	var gone, fresh, changed, wantGone, wantFresh, wantChanged []string
	for _, d := range list {
		kinds[d.Kind]++
		switch d.Kind {
		case Added:
			fresh = append(fresh, d.Path)
		case Removed:
			gone = append(gone, d.Path)
		case Renamed:
			gone, fresh = append(gone, d.Path), append(fresh, d.To)
		case Changed:
			changed = append(changed, d.Path)
		}
	}
	la, lb := linksOf(a), linksOf(b)
	for l, path := range la {
		if _, ok := lb[l]; !ok {
			wantGone = append(wantGone, path)
		}
	}
	for l, path := range lb {
		if _, ok := la[l]; !ok {
			wantFresh = append(wantFresh, path)
		}
	}
	files := map[string]string{}
	for _, line := range a {
		files[idOf.FindString(line)] = line
	}
	seen := map[string]bool{}
	for path, line := range b {
		id := idOf.FindString(line)
		was, ok := files[id]
		if !ok || strings.Contains(line, " type 4 ") || linksAndID.ReplaceAllString(was, "") == linksAndID.ReplaceAllString(line, "") {
			continue
		}
		found := false // under one of its names
		for p, l := range b {
			found = found || idOf.FindString(l) == id && slices.Contains(changed, p)
		}
		if !found && !seen[id] {
			t.Errorf("%s: %s has changed: %q, %q", what, path, was, line)
		}
		seen[id] = true
		wantChanged = append(wantChanged, path)
	}
	for _, path := range changed {
		if !slices.Contains(wantChanged, path) {
			t.Errorf("%s: %s has not changed: %q", what, path, b[path])
		}
	}
	for _, s := range []struct {
		what      string
		got, want []string
	}{{"gone", gone, wantGone}, {"new", fresh, wantFresh}} {
		slices.Sort(s.got)
		slices.Sort(s.want)
		if !slices.Equal(s.got, s.want) {
			t.Errorf("%s: %s names are %q, expected %q", what, s.what, s.got, s.want)
		}
	}
}

// TestDiffClosed compares snapshots of a filesystem that is closed: it looks at nothing that is not there any more.
func TestDiffClosed(t *testing.T) {
	s := snapped(t, false, false)
	fs := openFile(t, s.medium)
	closeFS(t, fs)
	if _, err := fs.DiffSnapshots("one", "three"); !errors.Is(err, ErrClosed) {
		t.Errorf("a comparison: %v", err)
	}
}
