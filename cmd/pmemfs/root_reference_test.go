package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// makeReference writes the reference anew: make reference.
var makeReference = flag.Bool("make-reference", false, "write the command reference, the pages of the manual and the completions")

// shownCommands are the commands below another that users are told of.
func shownCommands(cmd *cobra.Command) (list []*cobra.Command) {
	for _, kid := range cmd.Commands() {
		if !kid.Hidden && kid.Name() != "help" {
			list = append(list, kid)
		}
	}
	return list
}

// allCommands are a command and all below it.
func allCommands(cmd *cobra.Command) []*cobra.Command {
	cmd.InitDefaultHelpFlag()
	list := []*cobra.Command{cmd}
	for _, kid := range shownCommands(cmd) {
		list = append(list, allCommands(kid)...)
	}
	return list
}

// completions are what the shells complete command lines by.
func completions(t *testing.T, root *cobra.Command) map[string]string {
	t.Helper()
	made := map[string]string{}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"pmemfs.bash": func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		"_pmemfs":     func(b *bytes.Buffer) error { return root.GenZshCompletion(b) },
		"pmemfs.fish": func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		made[filepath.Join("deploy", "completions", name)] = b.String()
	}
	return made
}

// TestReference holds the reference, the pages of the manual and the completions to the command line: each is as it would be made now, and
// there is no other page.
func TestReference(t *testing.T) {
	root := newRoot()
	root.InitDefaultVersionFlag()
	made := completions(t, root)
	made[filepath.Join("docs", "reference.md")] = referenceDocument(root)
	man := filepath.Join("deploy", "man")
	made[filepath.Join(man, "pmemfs.toml.5")] = configurationPage()
	for _, cmd := range allCommands(root) {
		made[filepath.Join(man, pageName(cmd)+".1")] = manPage(cmd)
	}
	top := filepath.Join("..", "..")
	for path, text := range made {
		text = strings.TrimRight(text, "\n") + "\n"
		path = filepath.Join(top, path)
		if *makeReference {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s is not what the command line says (%v): make reference writes it", path, err)
		}
	}
	pages, err := filepath.Glob(filepath.Join(top, man, "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(pages)
	for _, page := range pages {
		if made[filepath.Join(man, filepath.Base(page))] == "" {
			t.Errorf("%s is about no command: remove it", page)
		}
	}
}
