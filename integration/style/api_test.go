package style

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// importable reports whether others import a package: the comments are what an importer has. The servers are for each other, and the same
// holds for them, but not for the client with which they are tested.
func importable(folder string) bool {
	if folder == "server/ninetest" {
		return false
	}
	return folder == "pmemfs" || folder == "billyadapter" || folder == "server" || strings.HasPrefix(folder, "server/")
}

// namesErrors matches a comment that names an error, or whose errors are another function's.
var namesErrors = regexp.MustCompile(`\bErr[A-Z]|(?m:^Errors[:,])|\bErrors are those of\s|\bthe errors? of\s`)

// TestErrorsNamed demands of each exported function that returns an error, and is no method of an error itself, a comment that says
// which.
func TestErrorsNamed(t *testing.T) {
	checked := 0
	for _, f := range goFiles(t) {
		if f.isTest() || !importable(f.folder()) {
			continue
		}
		for _, decl := range f.tree.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() || !hasExportedReceiver(fn) || !returnsError(fn) || fn.Name.Name == "Unwrap" {
				continue
			}
			checked++
			if !namesErrors.MatchString(fn.Doc.Text()) {
				t.Errorf("%s: %s returns an error: let its comment name one, or say whose errors they are", f.at(fn.Pos()), fn.Name.Name)
			}
		}
	}
	if checked == 0 {
		t.Error("nothing was checked")
	}
}

// TestOwnTypes demands that types which importers see are not other names of internal ones: godoc shows no field of those.
func TestOwnTypes(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.isTest() || !importable(f.folder()) {
			continue
		}
		for _, decl := range f.tree.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.TYPE {
				continue
			}
			for _, spec := range d.Specs {
				s := spec.(*ast.TypeSpec)
				if _, other := s.Type.(*ast.SelectorExpr); other && s.Assign.IsValid() && s.Name.IsExported() {
					t.Errorf("%s: %s is another name of a type of another package: let it be a type of its own", f.at(s.Pos()), s.Name.Name)
				}
			}
		}
	}
}

// returnsError reports whether a result of a function is an error.
func returnsError(fn *ast.FuncDecl) bool {
	if fn.Type.Results == nil {
		return false
	}
	return slices.ContainsFunc(fn.Type.Results.List, func(r *ast.Field) bool {
		id, ok := r.Type.(*ast.Ident)
		return ok && id.Name == "error"
	})
}
