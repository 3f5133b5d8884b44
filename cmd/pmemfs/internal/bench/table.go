package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// Table is a report for people.
type Table struct {
	Notes []string // said before it
	Head  []string
	Rows  [][]string
}

// A Report is what a benchmark found. It marshals to JSON.
type Report interface {
	// Tables are the report as text. Safe for concurrent use; durable is nothing.
	Tables() []*Table
}

// Text writes the table in columns.
func (t *Table) Text(w io.Writer) error {
	for _, note := range t.Notes {
		if _, err := fmt.Fprintln(w, note); err != nil {
			return err
		}
	}
	columns := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		if _, err := fmt.Fprintln(columns, strings.Join(row, "\t")+"\t"); err != nil {
			return err
		}
	}
	return columns.Flush()
}

// Markdown writes the table for a document: numbers to the right.
func (t *Table) Markdown(w io.Writer) error {
	line := func(cells []string) string {
		escaped := make([]string, len(cells))
		for i, cell := range cells {
			escaped[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		return "| " + strings.Join(escaped, " | ") + " |\n"
	}
	var b strings.Builder
	var words []string
	for _, note := range t.Notes {
		words = append(words, strings.Fields(strings.ToUpper(note[:1])+note[1:]+".")...)
	}
	wrap(&b, words)
	b.WriteString("\n" + line(t.Head))
	b.WriteString("|" + strings.Repeat("---|", len(t.Head)) + "\n")
	for _, row := range t.Rows {
		b.WriteString(line(row))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// documentWidth is how many characters a line of a document may have.
const documentWidth = 100

// wrap writes words in lines.
func wrap(b *strings.Builder, words []string) {
	length := 0
	for i, word := range words {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case length+1+n > documentWidth:
			b.WriteString("\n")
			length = 0
		default:
			b.WriteString(" ")
			length++
		}
		b.WriteString(word)
		length += n
	}
	b.WriteString("\n")
}

// median takes the middle of an odd number of values, and the upper of both middles of an even one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Compared is a figure of another target beside the engine's.
type Compared struct {
	NsPerOp float64 `json:"ns_per_op"`
	Ratio   float64 `json:"ratio"` // the engine's time to this, below 1 where the engine is faster
}

// rounds are nanoseconds per operation by target and round; the engine is the first target.
type rounds [][]float64

func newRounds(targets int) rounds { return make(rounds, targets) }

func (r rounds) add(target int, ns float64) { r[target] = append(r[target], ns) }

// engine is the engine's median.
func (r rounds) engine() float64 { return median(r[0]) }

// compared returns the other targets' medians and the ratios to them.
func (r rounds) compared() []Compared {
	var list []Compared
	for _, other := range r[1:] {
		list = append(list, Compared{median(other), median(quotients(r[0], other))})
	}
	return list
}

// quotients divides round by round.
func quotients(a, b []float64) []float64 {
	list := make([]float64, len(a))
	for i := range a {
		list[i] = a[i] / b[i]
	}
	return list
}

// What the tables say of their ratios.
const (
	ratioNote = "engine to it: the engine's time divided by the other's, the median of the rounds' own ratios, below 1 where the engine is faster"
	gainNote  = "gain: operations per second divided by those of one goroutine, the median of the rounds' own ratios"
)

// columnNames name the columns of folders: by the filesystem where that is enough.
func columnNames(folders []Folder) []string {
	count := map[string]int{}
	for _, f := range folders {
		count[f.Filesystem]++
	}
	var names []string
	for _, f := range folders {
		if count[f.Filesystem] > 1 {
			names = append(names, f.Filesystem+" at "+f.Path)
		} else {
			names = append(names, f.Filesystem)
		}
	}
	return names
}

// number writes a count with its noun.
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// folderNotes say what is compared with.
func folderNotes(folders []Folder) []string {
	var notes []string
	for _, f := range folders {
		notes = append(notes, fmt.Sprintf("beside it: %s at %s, by system calls without any sync", f.Filesystem, f.Path))
	}
	return notes
}
