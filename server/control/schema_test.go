package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write schema.json anew")

// TestSchema holds schema.json to the operations and their types.
func TestSchema(t *testing.T) {
	want, err := json.MarshalIndent(makeSchema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(want, schemaText) {
		t.Error("schema.json is not what the operations are: go test ./server/control -run TestSchema -update, and read the difference")
	}
}

// documentHead is the line with which docs/api.md begins the section of an operation.
var documentHead = regexp.MustCompile(`(?m)^## ((?:GET|POST|DELETE) /v1/\S+)$`)

// TestDocument holds docs/api.md to the schema: a section for each operation, in its order, with the name of each parameter and each field of
// the reply, and a row for each code.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	document := string(text)
	var want, got []string
	for _, o := range operations {
		method, path, _ := o.about()
		want = append(want, method+" "+path)
	}
	for _, m := range documentHead.FindAllStringSubmatch(document, -1) {
		got = append(got, m[1])
	}
	if !slices.Equal(got, want) {
		t.Fatalf("sections: %q\noperations: %q", got, want)
	}
	for _, o := range operations {
		method, path, summary := o.about()
		_, section, _ := strings.Cut(document, "## "+method+" "+path+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !strings.Contains(strings.ReplaceAll(section, "\n", " "), summary) {
			t.Errorf("%s %s: the document does not say %q", method, path, summary)
		}
		if text := o.again(); text != "" && !strings.Contains(strings.ReplaceAll(strings.ReplaceAll(section, "`", ""), "\n", " "), "Sent again: "+text) {
			t.Errorf("%s %s: the document does not say \"Sent again: %s\"", method, path, text)
		}
		request, reply := o.types()
		for _, s := range []schema{typeSchema(request), typeSchema(reply)} {
			for _, name := range names(s) {
				if !strings.Contains(section, "`"+name+"`") {
					t.Errorf("%s %s: the document does not name `%s`", method, path, name)
				}
			}
		}
	}
	for _, k := range codes {
		row := fmt.Sprintf("| `%s` | %d | %s |", k.code, k.status, k.about)
		if !strings.Contains(document, row) {
			t.Errorf("the document has no row %s", row)
		}
	}
}

// names are those of a type's fields, and of their fields.
func names(s schema) (list []string) {
	properties, _ := s["properties"].(schema)
	for name, p := range properties {
		list = append(list, name)
		list = append(list, names(p.(schema))...)
	}
	if items, ok := s["items"].(schema); ok {
		list = append(list, names(items)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestCodes looks for codes that are there twice, and for causes that can never be answered.
func TestCodes(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range codes {
		if seen[k.code] {
			t.Errorf("%s is there twice", k.code)
		}
		seen[k.code] = true
		if k.cause == nil {
			continue
		}
		status, e := explain(fmt.Errorf("wrapped: %w", k.cause))
		if status != k.status || e.Code != k.code {
			t.Errorf("%v is answered %d %s", k.cause, status, e.Code)
		}
		if !e.Is(k.cause) {
			t.Errorf("%s is not %v for a client", e.Code, k.cause)
		}
	}
}
