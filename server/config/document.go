package config

import (
	"fmt"
	"strings"
)

// Document is the table of the keys of a table, in Markdown.
func Document(table string) string {
	var b strings.Builder
	options := table == TableServer || table == TableImage || table == TableExport
	b.WriteString("| key | value |")
	if options {
		b.WriteString(" option, variable |")
	}
	b.WriteString(" default | reload | meaning |\n|---|---|---|---|---|")
	if options {
		b.WriteString("---|")
	}
	b.WriteByte('\n')
	for _, k := range Keys(table) {
		key := "`" + k.Name + "`"
		switch {
		case k.NoFile:
			key = "-"
		case k.InOneImage() != k.Name:
			key = fmt.Sprintf("`%s`, in `[[image]]` `%s`", k.InOneImage(), k.Name)
		}
		value := k.valueWords()
		fmt.Fprintf(&b, "| %s | %s |", key, value)
		if options {
			fmt.Fprintf(&b, " %s |", k.otherNames())
		}
		fallback := k.Absent
		if fallback == "" {
			fallback = "`" + k.Default + "`"
		}
		live := "at the next start"
		if k.Live {
			live = "yes"
		}
		fmt.Fprintf(&b, " %s | %s | %s |\n", fallback, live, strings.ReplaceAll(k.Doc, "|", "\\|"))
	}
	return b.String()
}

// valueWords say what a value is.
func (k *Key) valueWords() string {
	words := k.Kind.name
	switch {
	case k.Kind.values != nil:
		words = "`" + strings.Join(k.Kind.values, "`, `") + "`"
	case k.Kind.most > 0:
		words = fmt.Sprintf("%d to %d", k.Kind.least, k.Kind.most)
	case k.Kind == kindBool:
		words = "`true`, `false`"
	}
	if k.List {
		words = "list of " + words
	}
	return words
}

// otherNames are the option and the variable.
func (k *Key) otherNames() string {
	switch {
	case k.Option:
		return "`--" + k.Flag() + "`, `" + k.Variable() + "`"
	case k == pathKey():
		return "argument, `" + k.Variable() + "`"
	}
	return "-"
}
