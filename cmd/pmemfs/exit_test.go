package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestExitStatus holds docs/exit-status.md to the table of the source, and the source to its constants.
func TestExitStatus(t *testing.T) {
	text, err := os.ReadFile("../../docs/exit-status.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, r := range exitTable {
		names := "every other command"
		if len(r.commands) > 0 {
			names = "`" + strings.Join(r.commands, "`, `") + "`"
		}
		row := fmt.Sprintf("| %s | %d | %s |\n", names, r.status, r.meaning)
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/exit-status.md lacks the row\n%s", row)
		}
		rows++
		for _, name := range r.commands {
			if cmd, rest, err := newRoot().Find(strings.Fields(name)); err != nil || len(rest) > 0 || cmd.CommandPath() != "pmemfs "+name {
				t.Errorf("there is no command %q", name)
			}
		}
	}
	_, table, _ := strings.Cut(string(text), "|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	if got := strings.Count(table, "\n") + 1; got != rows {
		t.Errorf("docs/exit-status.md has %d rows, and the source %d", got, rows)
	}
}

// TestExitConstants finds statuses that are no constant of exit.go.
func TestExitConstants(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	constants := []string{"exitFailed", "exitRepaired", "exitDamage", "exitCouldNot"}
	found := 0
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if name, ok := lit.Type.(*ast.Ident); !ok || name.Name != "statusError" {
				return true
			}
			found++
			if id, ok := lit.Elts[0].(*ast.Ident); !ok || !slices.Contains(constants, id.Name) {
				t.Errorf("%s: a status that is no constant of exit.go", filepath.Base(set.Position(n.Pos()).String()))
			}
			return true
		})
	}
	if found < 5 {
		t.Errorf("%d statuses found", found)
	}
}
