package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// wrapped breaks prose into lines as documents have them.
func wrapped(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && len(line)+1+len(word) > 100 {
				b.WriteString(line + "\n")
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// literal keeps what stands in angle brackets, pipes and the like as it is.
var literal = strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`)

// optionTable writes a table of options, if there are any.
func optionTable(b *strings.Builder, set *pflag.FlagSet) {
	begun := false
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if !begun {
			begun = true
			b.WriteString("\n| option | |\n|---|---|\n")
		}
		name := "--" + f.Name
		if f.Value.Type() != "bool" {
			name += " " + f.Value.Type()
		}
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, literal.Replace(usageOf(f)))
	})
}

// referenceDocument is the reference of all commands.
func referenceDocument(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Command reference\n\n")
	b.WriteString(wrapped("Every command with every option, as `pmemfs help` and the pages of the manual have it. `make reference` " +
		"writes this file, the pages in `deploy/man` and the completions in `deploy/completions`. [commands.md](commands.md) is the overview."))
	for _, cmd := range allCommands(root) {
		about := cmd.Long
		if about == "" {
			about = cmd.Short + "."
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n\n%s", cmd.CommandPath(), cmd.UseLine(), wrapped(literal.Replace(about)))
		optionTable(&b, cmd.NonInheritedFlags())
		if cmd.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", unindented(cmd.Example))
		}
	}
	return b.String()
}

// unindented is text without the two spaces that its lines begin with.
func unindented(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
