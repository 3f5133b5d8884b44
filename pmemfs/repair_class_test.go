package pmemfs

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/repair"
	"pmemfs/pmemfs/testpart"
)

// classes returns the classes of fault by their source.
func classes(t *testing.T) map[string]bool {
	t.Helper()
	source, err := os.ReadFile("internal/check/class.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`Class\s+= "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		if all[m[1]] {
			t.Errorf("class %s is there twice", m[1])
		}
		all[m[1]] = true
	}
	if len(all) < 80 {
		t.Fatalf("%d classes", len(all))
	}
	return all
}

// TestClassesDocumented holds the table of REPAIR.md to the classes.
func TestClassesDocumented(t *testing.T) {
	text, err := os.ReadFile("../REPAIR.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, ok := strings.Cut(string(text), "## Rules")
	if !ok {
		t.Fatal("no rules")
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|(.*)$").FindAllStringSubmatch(rules, -1) {
		if rows[m[1]] {
			t.Errorf("%s has two rows", m[1])
		}
		if cells := strings.Split(m[2], "|"); len(cells) != 4 || strings.TrimSpace(cells[0]) == "" || strings.TrimSpace(cells[1]) == "" {
			t.Errorf("the row of %s is %q", m[1], m[2])
		}
		rows[m[1]] = true
	}
	all := classes(t)
	for c := range all {
		if !rows[c] {
			t.Errorf("%s has no rule in REPAIR.md", c)
		}
	}
	for c := range rows {
		if !all[c] {
			t.Errorf("REPAIR.md has a rule for %s, which is no class", c)
		}
	}
}

// TestClassesInjected sees to it that the tables of damage have every class.
func TestClassesInjected(t *testing.T) {
	testpart.NotRace(t)
	missing := classes(t)
	delete(missing, string(check.Unreadable))   // TestUnreadable
	delete(missing, string(check.DataChecksum)) // TestSumsOnRead
	look := func(healthy *surgery, list []damage) {
		for _, d := range list {
			s := *healthy
			s.medium = bytes.Clone(healthy.medium)
			d.do(&s)
			r, err := check.Run(s.medium, nil)
			if err != nil {
				t.Fatalf("%s: %v", d.name, err)
			}
			for _, f := range r.Faults {
				delete(missing, string(f.Class))
			}
		}
	}
	look(operate(t, false), atRest())
	look(operate(t, true), inWindow())
	look(snapped(t, false, false), slices.Concat(snapDamage, pastDamage))
	look(operateQuotas(t, false), quotaDamage)
	for c := range missing {
		t.Errorf("no damage is a %s", c)
	}
}

// TestUnreadable makes each metadata block unreadable in turn: the check says so once and goes on, and a repair leaves
// nothing to find.
func TestUnreadable(t *testing.T) {
	testpart.NotRace(t)
	healthy := operate(t, false)
	before := picture(t, mountKept(t, healthy.medium))
	gone := errors.New("gone")
	for _, b := range metadata(healthy) {
		image := check.Image{Bytes: healthy.medium, Probe: func(block uint64) error {
			if block == b {
				return gone
			}
			return nil
		}}
		r, err := check.RunImage(image, nil)
		if err != nil {
			t.Fatalf("block %d: %v", b, err)
		}
		inRing := b >= layout.JournalRing && b < layout.JournalRing+healthy.sb.RingBlocks
		for i, f := range r.Faults {
			if within := layout.BlockOf(f.Offset) == b; within != (f.Class == check.Unreadable) || within && i > 0 && r.Faults[0].Class == check.Unreadable {
				t.Errorf("block %d: %v", b, f)
			}
		}
		if r.Clean() || len(r.Faults) > 40 || inRing && len(r.Faults) != 1 {
			t.Errorf("block %d: %d faults", b, len(r.Faults))
		}
		p, err := repair.New(image, 7)
		if err != nil {
			t.Fatalf("block %d: %v", b, err)
		}
		medium := bytes.Clone(healthy.medium)
		region := memoryOf(t, medium)
		if err := p.Commit(region); err != nil {
			t.Fatal(err)
		}
		fs, err := mount(region, Options{NoBackground: true})
		if err != nil {
			t.Fatalf("block %d: %v", b, err)
		}
		checkFS(t, fs)
		report := &RepairReport{Before: checkReport(r), After: checkReport(p.After), Notes: repairNotes(p)}
		reportFaults(t, report.After, nil)
		comparePictures(t, before, picture(t, fs), report)
		closeFS(t, fs)
	}
}
