package style

import (
	"cmp"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// libraryHeading begins the section of docs/messages.md with what libraries say, which is in no source of ours.
const libraryHeading = "## What the command line says of itself"

// rowMax is how many messages a row with gaps may stand for. One that stood for more would explain none of them.
const rowMax = 25

// documentedMessage is a message in the first cell of a row, where several may share a cause and a cure.
var documentedMessage = regexp.MustCompile("`([^`]+)`")

// TestMessages holds docs/messages.md to be an index of every error and warning: what the source can say is in the first cell of a row, and
// what a row has, the source can say.
func TestMessages(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs/messages.md"))
	if err != nil {
		t.Fatal(err)
	}
	ours, _, _ := strings.Cut(string(text), libraryHeading)
	var rows []*messageRow
	for line := range strings.Lines(ours) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 2 {
			continue
		}
		for _, m := range documentedMessage.FindAllStringSubmatch(cells[0], -1) {
			rows = append(rows, newMessageRow(m[1]))
		}
	}
	messages := 0
	for text, at := range messagesOf(t) {
		messages++
		found := false
		for _, r := range rows {
			if r.pattern.MatchString(text) {
				r.stands, found = r.stands+1, true
			}
		}
		if !found {
			t.Errorf("%s: docs/messages.md has no %q", at, text)
		}
	}
	for _, r := range rows {
		if r.stands == 0 {
			t.Errorf("docs/messages.md explains %q, which nothing says", r.text)
		}
		if r.stands > rowMax {
			t.Errorf("docs/messages.md: %q stands for %d messages: take it apart", r.text, r.stands)
		}
	}
	t.Logf("%d messages in %d entries", messages, len(rows))
}

// messageRow is a message as the document has it. A gap stands for anything.
type messageRow struct {
	text    string
	pattern *regexp.Regexp
	stands  int // for so many messages of the source
}

func newMessageRow(text string) *messageRow {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".+")
	return &messageRow{text: text, pattern: regexp.MustCompile("^" + pattern + "$")}
}

// messagesOf returns what the source can say, and where.
func messagesOf(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, f := range goFiles(t) {
		if f.isTest() || !speaks(f.folder()) {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			for _, literal := range spoken(n) {
				if text := asDocumented(literal); text != "" {
					all[text] = f.at(n.Pos())
				}
			}
			return true
		})
	}
	return all
}

// silent are the packages below those of the program that are not in it, and the check, whose faults REPAIR.md lists by class.
var silent = []string{"internal/check", "crashtest", "pmemfstest", "alloctest", "ninetest", "testpart", "mutation"}

// speaks reports whether a package is part of the program.
func speaks(folder string) bool {
	for _, root := range []string{"cmd/pmemfs", "pmemfs", "server", "billyadapter", "archive"} {
		if folder == root || strings.HasPrefix(folder, root+"/") {
			return !slices.ContainsFunc(silent, func(s string) bool { return strings.Contains(folder, "/"+s) })
		}
	}
	return false
}

// speakers are functions whose first text is an error, or a line of the log that is a warning or worse.
var speakers = []string{"errors.New", "fmt.Errorf", "Warn", "Error", "WarnContext", "ErrorContext", "badRequest", "refuse", "wrong"}

// spoken returns the texts that an expression makes an error or a warning of.
func spoken(n ast.Node) (texts []string) {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := calledName(n.Fun)
		if !slices.Contains(speakers, name) && !slices.Contains(speakers, name[strings.LastIndex(name, ".")+1:]) {
			return nil
		}
		for _, a := range n.Args {
			if text := literalOf(a); text != "" && (name != "wrong" && !strings.HasSuffix(name, ".wrong") || strings.Contains(text, " ")) {
				return []string{text} // of a mistake in the configuration the key comes first
			}
		}
	case *ast.CompositeLit:
		if name := calledName(n.Type); name == "Error" || strings.HasSuffix(name, ".Error") {
			for _, e := range n.Elts {
				if field, ok := e.(*ast.KeyValueExpr); ok {
					e = field.Value
				}
				if text := literalOf(e); text != "" {
					texts = append(texts, text)
				}
			}
		}
	case *ast.FuncDecl:
		if n.Name.Name != "Error" || n.Recv == nil || n.Body == nil {
			return nil
		}
		ast.Inspect(n.Body, func(e ast.Node) bool {
			if e, ok := e.(ast.Expr); ok {
				if text := literalOf(e); text != "" {
					texts = append(texts, text)
					return false
				}
			}
			return true
		})
	}
	return texts
}

// calledName is the name of a function or a type as it is written.
func calledName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
		return e.Sel.Name
	}
	return ""
}

// literalOf is the text of a literal, of several that are added, where a gap is what is none, or of a format; "" of anything else.
func literalOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			if err == nil {
				return text
			}
		}
	case *ast.CallExpr:
		if calledName(e.Fun) == "fmt.Sprintf" {
			return literalOf(e.Args[0])
		}
	case *ast.BinaryExpr:
		if a, b := literalOf(e.X), literalOf(e.Y); e.Op == token.ADD && a+b != "" {
			return cmp.Or(a, "…") + cmp.Or(b, "…")
		}
	}
	return ""
}

var (
	formatted = regexp.MustCompile(`%[-+# 0]*[0-9*]*(\.[0-9*]+)?[a-zA-Z]`)
	letters   = regexp.MustCompile(`[a-z]{3}`)
	framed    = regexp.MustCompile(`^(…[: ]*)+|([: ]*…)+$`)
)

// asDocumented is a text of the source as the document has it: what is filled in is a gap, and what only passes on another message is
// nothing.
func asDocumented(text string) string {
	text = formatted.ReplaceAllString(text, "…")
	text = strings.NewReplacer("%%", "%", "`", "'", "|", "/", "\n", " ").Replace(text)
	trimmed := framed.ReplaceAllString(text, "")
	if !letters.MatchString(trimmed) || trimmed != text && !strings.Contains(trimmed, " ") {
		return ""
	}
	return trimmed
}
