package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pmemfs/integration/conformance"
	"pmemfs/integration/conformance/engine"
	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/nfswire"
)

// target is something that the suite runs on, and the cases that it is known to fail, each with why.
type target struct {
	name  string
	run   func(t *testing.T, done func(conformance.Outcome))
	known map[string]string
	// perhaps are cases that it passes or fails as time goes by, each with why.
	perhaps map[string]string
}

// quickTargets need no kernel.
var quickTargets = []target{
	{name: "engine", run: engineTarget},
	{name: "billy", run: billyTarget},
	{name: "go-nfs", run: nfsTarget(goNFSStack, pmemfs.DomainVolatile, nfswire.FileSync, 0), known: goNFSFaults},
	{name: "native", run: nfsTarget(nativeStack, pmemfs.DomainVolatile, nfswire.FileSync, conformance.CapACL|conformance.CapSnapshots)},
	// Where writes are kept in memory.
	{name: "unstable", run: nfsTarget(nativeStack, pmemfs.DomainPageCache, nfswire.Unstable, conformance.CapACL|conformance.CapSnapshots)},
	{name: "9P", run: nineTarget, known: nineFaults},
}

// goNFSFaults are what go-nfs does whatever is done around it.
var goNFSFaults = map[string]string{
	"dot/. needs the permission to search":  "LOOKUP of \".\" is taken for the directory itself, whatever its mode",
	"dot/.. needs the permission to search": "a refused LOOKUP of \"..\" is answered BADHANDLE",
}

// TestConformance runs the suite on every target that needs no kernel, and prints what became of each case.
func TestConformance(t *testing.T) { conform(t, quickTargets) }

// engineTarget runs the suite on an engine in memory.
func engineTarget(t *testing.T, done func(conformance.Outcome)) {
	eng, err := pmemfs.OpenMemory(256<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conformance.Run(engine.New(eng), engine.Caps, done, slices.Concat(quotaCases(eng), snapshotCases(eng, nil))...)
	pmemfstest.CheckFS(t, eng)
	if err := eng.Close(); err != nil {
		t.Error(err)
	}
}

// exists reports whether the suite has a case.
func exists(name string) bool {
	return slices.ContainsFunc(conformance.Cases(), func(k conformance.Case) bool { return k.Name == name })
}

// conform runs the suite on targets. A fault that is not known fails the test, and so does a known one that is gone.
func conform(t *testing.T, targets []target) {
	results := make(map[string][]string) // by case, a word for each target
	for i, g := range targets {
		t.Run(g.name, func(t *testing.T) {
			left := maps.Clone(g.known)
			var missing conformance.Caps
			count := map[string]int{}
			g.run(t, func(o conformance.Outcome) {
				word := "ok"
				why, known := left[o.Case]
				delete(left, o.Case)
				switch {
				case o.Missing != 0:
					word = "-"
					missing |= o.Missing
				case o.Passed() && known:
					word = "gone"
					t.Errorf("%s: passes, so it is no known fault any more: %s", o.Case, why)
				case !o.Passed() && known, !o.Passed() && g.perhaps[o.Case] != "":
					word = "known"
				case !o.Passed():
					word = "FAIL"
					t.Errorf("%s: %s", o.Case, strings.Join(o.Faults, "; "))
				}
				count[word]++
				results[o.Case] = append(results[o.Case], make([]string, i-len(results[o.Case]))...)
				results[o.Case] = append(results[o.Case], word)
			})
			for name := range left {
				t.Errorf("%s: there is no such case", name)
			}
			for name := range g.perhaps {
				if !exists(name) {
					t.Errorf("%s: there is no such case", name)
				}
			}
			t.Logf("%s: %d passed, %d failed, %d known faults, %d left out for want of: %s", g.name, count["ok"], count["FAIL"]+count["gone"],
				count["known"], count["-"], missing)
		})
	}
	var table strings.Builder
	row := func(name string, words []string) {
		fmt.Fprintf(&table, "\n%-64s", name)
		for _, w := range words {
			fmt.Fprintf(&table, " %-8s", w)
		}
	}
	var heads []string
	for _, g := range targets {
		heads = append(heads, g.name)
	}
	row("case", heads)
	for _, k := range slices.Sorted(maps.Keys(results)) {
		row(k, results[k])
	}
	t.Log(table.String())
}
