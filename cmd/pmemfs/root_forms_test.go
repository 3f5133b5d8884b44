package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// textOnly are the commands whose output has one form.
var textOnly = []string{"pmemfs serve", "pmemfs config init", "pmemfs config schema", "pmemfs bench locks", "pmemfs help", "pmemfs cat", "pmemfs completion"}

// TestForms demands of every command that prints what it did, or found, that it prints JSON too.
func TestForms(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			walk(c)
		}
		if cmd.HasSubCommands() || slices.Contains(textOnly, cmd.CommandPath()) {
			return
		}
		if cmd.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", cmd.CommandPath())
		}
	}
	walk(newRoot())
}

// TestArguments has every command say what it takes, to those who give it too few arguments, or too many.
func TestArguments(t *testing.T) {
	refused := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			walk(c)
		}
		if cmd.HasSubCommands() || cmd.Name() == "help" {
			return
		}
		for n := range 4 {
			err := cmd.ValidateArgs(slices.Repeat([]string{"x"}, n))
			if err == nil {
				continue
			}
			refused++
			if !strings.Contains(err.Error(), " takes ") || !strings.HasSuffix(err.Error(), cmd.UseLine()) {
				t.Errorf("%s with %d arguments: %v", cmd.CommandPath(), n, err)
			}
		}
	}
	walk(newRoot())
	if refused < 90 {
		t.Errorf("%d wrong numbers of arguments", refused)
	}
}

// TestEcho has commands that print nothing say in JSON what they did.
func TestEcho(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	if out, _ := want(t, 0, "mkfs", image, "--size", "16MiB", "--json"); !strings.Contains(out, `"size_bytes": 16777216`) {
		t.Errorf("mkfs: %s", out)
	}
	want(t, 0, "snapshot", "create", image, "one")
	for _, c := range []struct {
		want string
		args []string
	}{
		{`"tag": "keep"`, []string{"snapshot", "hold", image, "one"}},
		{`"name": "one"`, []string{"snapshot", "release", image, "one"}},
		{`"name": "one"`, []string{"snapshot", "rollback", image, "one"}},
		{`"deleted": [`, []string{"snapshot", "delete", image, "one"}},
	} {
		if out, _ := want(t, 0, append(c.args, "--json")...); !strings.Contains(out, c.want) {
			t.Errorf("%q: %s", c.args, out)
		}
	}
}

// TestLines says how far something is in lines that a log can have, and not before it has taken a while.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	tell := lines(&out, "checking")
	tell(1, 2)
	if out.Len() > 0 {
		t.Errorf("at once: %q", &out)
	}
	for out.Len() == 0 {
		tell(1, 2)
		time.Sleep(time.Millisecond)
	}
	if out.String() != "checking: 50%\n" {
		t.Errorf("%q", &out)
	}
}

// TestQuiet says nothing.
func TestQuiet(t *testing.T) {
	root := newRoot()
	root.SetErr(&output{})
	cmd, _, err := root.Find([]string{"check"})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags([]string{"--quiet"}); err != nil {
		t.Fatal(err)
	}
	tell := progress(cmd, "checking")
	for end := time.Now().Add(2 * progressAfter); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		tell(1, 2)
	}
	if said := cmd.ErrOrStderr().(*output).String(); said != "" {
		t.Errorf("%q", said)
	}
}
