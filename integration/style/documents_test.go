package style

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	readmeLines   = 150
	documentWidth = 100 // of prose; tables, code, and what cannot be broken may be wider
)

// documents returns the texts of all documents by their paths.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "server/gonfs/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(root, p)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.ToSlash(rel)] = string(b)
		}
	}
	return texts
}

// prose calls f with each line of a document that is outside of code blocks.
func prose(text string, f func(number int, line string)) {
	code, number := false, 0
	for line := range strings.Lines(text) {
		number++
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			code = !code
		case !code:
			f(number, line)
		}
	}
}

// TestDocumentShape holds documents to what a reader has room and time for.
func TestDocumentShape(t *testing.T) {
	texts := documents(t)
	if n := strings.Count(texts["README.md"], "\n"); n > readmeLines {
		t.Errorf("README.md has %d lines, the limit is %d", n, readmeLines)
	}
	for name, text := range texts {
		prose(text, func(number int, line string) {
			words := strings.Fields(line)
			breakable := len(words) > 2 && !strings.HasPrefix(words[0], "|") && !strings.HasPrefix(words[0], "!")
			if utf8.RuneCountInString(line) > documentWidth && breakable {
				t.Errorf("%s:%d: a line of %d characters, the limit is %d", name, number, utf8.RuneCountInString(line), documentWidth)
			}
		})
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading = regexp.MustCompile(`^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns what links to the headings of a document end with.
func anchors(text string) (list []string) {
	prose(text, func(_ int, line string) {
		if m := heading.FindStringSubmatch(line); m != nil {
			list = append(list, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
		}
	})
	return list
}

// TestDocumentLinks follows every link of a document to a file of the project, and to a heading.
func TestDocumentLinks(t *testing.T) {
	texts := documents(t)
	for name, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join("..", "..", target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", name, m[1])
			} else if anchor != "" && !slices.Contains(anchors(texts[target]), anchor) {
				t.Errorf("%s: the link %s leads to no heading", name, m[1])
			}
		}
	}
}

// TestDocumentTables demands that each place which scripts/table.sh fills has its end, and a table.
func TestDocumentTables(t *testing.T) {
	places := 0
	for name, text := range documents(t) {
		parts := strings.Split(text, "<!-- begin ")
		for _, part := range parts[1:] {
			places++
			place, rest, _ := strings.Cut(part, " -->\n")
			table, _, found := strings.Cut(rest, "<!-- end "+place+" -->\n")
			if !found || strings.Count(table, "\n|") < 3 {
				t.Errorf("%s: there is no table between the beginning and the end of %q: make bench-docs writes it", name, place)
			}
		}
	}
	if places == 0 {
		t.Error("no document has a place for a table")
	}
}

var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)[A-Z]\w*$`)
	fileName = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)+$`)
)

// TestDocumentNames looks for the tests and files that documents name.
func TestDocumentNames(t *testing.T) {
	tests, folders := map[string]bool{}, map[string]bool{}
	for _, f := range goFiles(t) {
		folders[strings.Split(f.path, "/")[0]] = true
		for _, name := range functions(f.tree) {
			tests[name] = true
		}
	}
	for name, text := range documents(t) {
		prose(text, func(number int, line string) {
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				first, _, _ := strings.Cut(m[1], "/")
				switch {
				case testName.MatchString(m[1]) && !tests[m[1]]:
					t.Errorf("%s:%d: there is no %s", name, number, m[1])
				case fileName.MatchString(m[1]) && folders[first] && path.Ext(m[1]) != ".img":
					if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
						t.Errorf("%s:%d: there is no %s", name, number, m[1])
					}
				}
			}
		})
	}
}

// TestDesignTables holds what DESIGN.md lists to the source: the floors, and the packages that say a lock order.
func TestDesignTables(t *testing.T) {
	design := documents(t)["DESIGN.md"]
	table := strings.ReplaceAll(strings.TrimSpace(floors), "\n\t", "\n")
	if !strings.Contains(design, "```\n"+table+"\n```") {
		t.Errorf("DESIGN.md does not have the floors as floors_test.go has them:\n%s", table)
	}
	_, structure, _ := strings.Cut(design, "\n## Structure\n")
	structure, _, _ = strings.Cut(structure, "\n## ")
	for _, pkg := range strings.Fields(table) {
		if forTests(pkg) || strings.Contains(structure, "`"+pkg+"`") || strings.Contains(structure, "`"+path.Base(pkg)+"`") {
			continue
		}
		t.Errorf("DESIGN.md does not say what %s knows", pkg)
	}
	_, section, _ := strings.Cut(design, "\n## Locks of the engine\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, section, _ = strings.Cut(section, "Lock orders are in the comments of")
	var listed, found []string
	for _, m := range quoted.FindAllStringSubmatch(section, -1) {
		listed = append(listed, m[1])
	}
	for _, f := range goFiles(t) {
		if f.tree.Doc != nil && regexp.MustCompile(`(?i)\block order\b`).MatchString(f.tree.Doc.Text()) {
			found = append(found, path.Dir(f.path))
		}
	}
	slices.Sort(listed)
	slices.Sort(found)
	if !slices.Equal(listed, found) {
		t.Errorf("DESIGN.md says that a lock order is in the comments of: %v; it is in those of: %v", listed, found)
	}
}

// forTests reports whether a package is for tests and measurements, or for a build with more checks, and needs no row in DESIGN.md.
func forTests(pkg string) bool {
	for _, prefix := range []string{"integration", "cmd/benchserver", "pmemfs/crashtest", "pmemfs/testpart", "pmemfs/internal/invariants", "pmemfs/internal/mutation", "pmemfs/internal/critical"} {
		if strings.HasPrefix(pkg, prefix) {
			return true
		}
	}
	return strings.HasSuffix(pkg, "test")
}
