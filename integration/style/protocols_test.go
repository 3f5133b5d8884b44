package style

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

var (
	codeSpan    = regexp.MustCompile("`([^`]+)`")
	namedTest   = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	quotedNames = regexp.MustCompile(`"([A-Z][A-Za-z0-9_]+)"`)
)

// protocolSections are the sections of docs/protocols.md, and the line of the source that begins each protocol's messages.
var protocolSections = map[string]string{
	"NFS version 3": "NFS3:", "NFSACL": "NFSACL:", "MOUNT": "Mount:", "NLM": "NLM:", "NSM": "NSM:", "RQUOTA": "RQuota:", "The portmapper": "Portmap:",
	"9P2000.L": "NineP:",
}

// TestProtocols holds the tables of docs/protocols.md to have each message of each protocol once, and tests that exist.
func TestProtocols(t *testing.T) {
	root := harness.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "protocols.md"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, "server", "traffic", "protocol.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(source), "var protocols =")
	table, _, _ = strings.Cut(table, "\n}\n")
	for title, start := range protocolSections {
		_, section, ok := strings.Cut(string(text), "\n## "+title)
		if !ok {
			t.Errorf("docs/protocols.md has no section %q", title)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		_, names, ok := strings.Cut(table, "\t"+start)
		if !ok {
			t.Errorf("the source has no %s", start)
		}
		names, _, _ = strings.Cut(names, "}}")
		var want, got []string
		for _, m := range quotedNames.FindAllStringSubmatch(names, -1) {
			want = append(want, m[1])
		}
		for line := range strings.Lines(section) {
			if cell, rest, ok := strings.Cut(line, " | "); ok && strings.Contains(cell, "`") {
				for _, m := range codeSpan.FindAllStringSubmatch(cell, -1) {
					got = append(got, m[1])
				}
				if !namedTest.MatchString(rest) {
					t.Errorf("docs/protocols.md: no test in %s", line)
				}
			}
		}
		slices.Sort(want)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("docs/protocols.md, %s: %q\nthe source: %q", title, got, want)
		}
	}
	tests := make(map[string]bool)
	for _, f := range goFiles(t) {
		for _, d := range f.tree.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.isTest() {
				tests[fn.Name.Name] = true
			}
		}
	}
	for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
		if !tests[m[1]] {
			t.Errorf("docs/protocols.md names %s, which there is not", m[1])
		}
	}
}
