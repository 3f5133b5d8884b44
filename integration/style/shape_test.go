package style

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/token"
	"os"
	"path/filepath"
	"testing"

	"pmemfs/integration/harness"
)

// Lengths, in lines. Most files should be well below: 100 to 300.
const (
	fileLinesMax = 500
	funcLinesMax = 80
)

// TestFileLength keeps files readable in one sitting.
func TestFileLength(t *testing.T) {
	for _, name := range textFiles(t) {
		switch filepath.Ext(name) {
		case ".go", ".s", ".sh":
		default:
			continue
		}
		source, err := os.ReadFile(filepath.Join(harness.Root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(source, []byte("\n")); lines > fileLinesMax {
			t.Errorf("%s has %d lines, the limit is %d", name, lines, fileLinesMax)
		}
	}
}

// TestFunctionLength keeps a function on one screen.
func TestFunctionLength(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, decl := range f.tree.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := f.set.Position(function.End()).Line - f.set.Position(function.Pos()).Line + 1
			if lines > funcLinesMax {
				t.Errorf("%s: %s has %d lines, the limit is %d", f.at(function.Pos()), function.Name.Name, lines, funcLinesMax)
			}
		}
	}
}

// TestFormatted is gofmt.
func TestFormatted(t *testing.T) {
	for _, f := range goFiles(t) {
		formatted, err := format.Source(f.source)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
		} else if !bytes.Equal(formatted, f.source) {
			t.Errorf("%s is not as gofmt writes it: run make fmt", f.path)
		}
	}
}

// TestDocumented demands a comment on every package and on everything that a
// package exports, methods of exported types included.
func TestDocumented(t *testing.T) {
	documented := make(map[string]bool)
	for _, f := range goFiles(t) {
		if f.isTest() {
			continue
		}
		documented[f.folder()] = documented[f.folder()] || f.tree.Doc != nil
		for _, decl := range f.tree.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: exported %s has no comment", f.at(name.Pos()), name.Name)
			}
		}
	}
	for folder, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", folder)
		}
	}
}

// undocumented returns the exported names of a declaration that lack a comment.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && hasExportedReceiver(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return nil
		}
		return undocumentedSpecs(d)
	}
	return nil
}

// undocumentedSpecs accepts one comment for a whole group of constants or
// variables, but wants one for each type.
func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func hasExportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	expr := d.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	switch generic := expr.(type) {
	case *ast.IndexExpr:
		expr = generic.X
	case *ast.IndexListExpr:
		expr = generic.X
	}
	name, ok := expr.(*ast.Ident)
	return ok && name.IsExported()
}
