package serverbench

import (
	"fmt"
	"io"
	"strings"
)

// documentWidth is how many characters a line of a document may have.
const documentWidth = 100

// Markdown writes the shares of the echo as a table for a document.
func (r *Report) Markdown(w io.Writer) error {
	if len(r.Idle) > 0 {
		return r.printIdle(w)
	}
	var b strings.Builder
	note := fmt.Sprintf("On %s, %d cores, Linux %s, over the loopback device. Shares of the echo's operations per second, medians of %s "+
		"of %d ms each. What was started for it has a volatile image or a tmpfs.", r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, rounds(r.Rounds), r.CellMs)
	for _, s := range r.Servers {
		switch {
		case s.Absent != "":
			note += fmt.Sprintf(" Absent: %s.", s.Name)
		case !strings.HasPrefix(s.Name, "echo"):
			note += fmt.Sprintf(" %s: %s.", s.Name, s.Version)
		}
	}
	length := 0
	for i, word := range strings.Fields(note) {
		switch {
		case i == 0:
		case length+1+len(word) > documentWidth:
			b.WriteString("\n")
			length = 0
		default:
			b.WriteString(" ")
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	names := r.present()
	b.WriteString("\n\n| operation | connections | outstanding | echo op/s | " + strings.Join(names, " | ") + " | lead |\n")
	b.WriteString(strings.Repeat("|---", len(names)+5) + "|\n")
	for i := range r.Cells {
		c := &r.Cells[i]
		fmt.Fprintf(&b, "| %s | %d | %d | %.0f |", c.Row, c.Connections, c.Depth, c.Echo.OpsPerSec)
		for _, name := range names {
			b.WriteString(" " + c.share(name) + " |")
		}
		b.WriteString(" " + c.lead() + " |\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// share is a server's part of the echo's speed.
func (c *Cell) share(name string) string {
	for _, e := range c.Servers {
		if e.Server == name && e.Failed == "" {
			return fmt.Sprintf("%.2f", e.Ratio)
		}
	}
	return "failed"
}

// lead is the native stack's lead, a dash where it has no counterpart.
func (c *Cell) lead() string {
	if c.Lead == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", c.Lead)
}
