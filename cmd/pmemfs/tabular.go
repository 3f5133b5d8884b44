package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// tabular is a table that is being printed. The first error of its writer counts.
type tabular struct {
	w   *tabwriter.Writer
	err error
}

// tableOf makes a printer of a function that fills a table.
func tableOf(fill func(t *tabular)) func(io.Writer) error {
	return func(w io.Writer) error {
		t := &tabular{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
		fill(t)
		if err := t.w.Flush(); t.err == nil {
			t.err = err
		}
		return t.err
	}
}

// row prints a row. What others have chosen is shown without what a terminal would take for a command.
func (t *tabular) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = printable(fmt.Sprint(c))
	}
	line := strings.TrimRight(strings.Join(texts, "\t"), "\t")
	if _, err := fmt.Fprintln(t.w, line); t.err == nil {
		t.err = err
	}
}
