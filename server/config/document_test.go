package config_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"pmemfs/server/config"
)

var update = flag.Bool("update", false, "write the tables of docs/configuration.md anew")

// TestDocument holds the tables of docs/configuration.md to the list of keys, and its files to what is read.
func TestDocument(t *testing.T) {
	const path = "../../docs/configuration.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	document := string(text)
	for _, table := range config.Tables() {
		begin, end := "<!-- keys of "+table+" -->\n", "<!-- end of "+table+" -->"
		before, rest, found := strings.Cut(document, begin)
		was, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Errorf("the document has no place for the keys of %s", table)
			continue
		}
		want := "\n" + config.Document(table) + "\n"
		if len(config.Keys(table)) == 0 {
			want = "\n"
		}
		if was != want && !*update {
			t.Errorf("the keys of %s are others: go test ./server/config -run TestDocument -update, and read the difference", table)
		}
		document = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(document), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	blocks := strings.Split(document, "```toml\n")[1:]
	if len(blocks) < 2 {
		t.Errorf("%d files", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ := strings.Cut(block, "```")
		if _, err := config.Parse("document", []byte(block), func(string) (string, bool) { return "value", true }); err != nil {
			t.Errorf("%s\n%v", block, err)
		}
	}
}
