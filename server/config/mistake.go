package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mistake is something that is wrong in a configuration.
type Mistake struct {
	File string // "" if it is in no file
	Line int    // 0 if no line is to blame
	Key  string // with the tables that it is in; of an option or a variable that one's name
	Text string
}

// Error says where it is, and what.
func (m *Mistake) Error() string {
	text := m.Text
	if m.Key != "" {
		text = m.Key + ": " + text
	}
	switch {
	case m.File == "":
		return text
	case m.Line == 0:
		return m.File + ": " + text
	}
	return fmt.Sprintf("%s:%d: %s", m.File, m.Line, text)
}

// Mistakes are all that are wrong, in the order of lines.
type Mistakes []*Mistake

// Error says them, each on a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns them.
func (m Mistakes) Unwrap() []error {
	all := make([]error, len(m))
	for i := range m {
		all[i] = m[i]
	}
	return all
}

// err is nil if nothing is wrong.
func (m Mistakes) err() error {
	if len(m) == 0 {
		return nil
	}
	slices.SortStableFunc(m, func(a, b *Mistake) int { return a.Line - b.Line })
	return m
}

var errEmpty = errors.New("empty: leave the key out for the default")

// didYouMean is the end of a message about a word that is not among those that there are: it names the nearest one.
func didYouMean(word string, list []string) string {
	if best := nearest(word, list); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return ""
}

// nearest is the word of a list that somebody may have meant, or "".
func nearest(word string, list []string) (best string) {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	word = plain(word)
	least := max(1, len(word)/3) + 1
	if len(word) > nearestMax {
		return ""
	}
	for _, each := range list {
		d := distance(word, plain(each))
		if len(word) > 3 && strings.HasPrefix(word, plain(each)) {
			d = 1 // warning for warn
		}
		if d < least {
			best, least = each, d
		}
	}
	return best
}

// nearestMax bounds the words that are compared.
const nearestMax = 64

// distance is how many letters have to be put in, left out, replaced, or swapped with the next one, to make b of a.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, row, before}
	}
	return rows[1][len(b)]
}
