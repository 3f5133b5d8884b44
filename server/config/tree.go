package config

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// shape is what a value of a TOML file is before anybody asks what it means.
type shape uint8

// The shapes.
const (
	aTable  shape = iota // a table
	aTables              // tables that each begin with a header in two brackets
	aList
	aText
	aBool
	anInteger
	aNumber
	aTime
)

// String is how a mistake names a value of the shape.
func (s shape) String() string {
	return [...]string{"a table", "a list of tables", "a list in brackets", "text in quotes", "true or false", "a whole number", "a number", "a time"}[s]
}

// node is a value, a table, or several.
type node struct {
	shape    shape
	line     int
	text     string   // of a value, as Go writes it
	list     []*node  // of a list, or of tables
	entries  []*entry // of a table, in the order of the file
	index    map[string]*entry
	sealed   bool // an inline table, to which nothing can be added
	explicit bool // a header, or a dotted key, has named the table
}

// entry is a key of a table.
type entry struct {
	name  string
	line  int
	value *node
}

// find returns a key of a table, or nil.
func (n *node) find(name string) *entry { return n.index[name] }

// add adds a key to a table that has not got it.
func (n *node) add(e *entry) *entry {
	if n.index == nil {
		n.index = map[string]*entry{}
	}
	n.index[e.name] = e
	n.entries = append(n.entries, e)
	return e
}

// tree reads a text, and reports its mistakes as TOML. A line that is none is left out, and the rest read all the same.
func (r *reader) tree(text []byte) *node {
	text = slices.Clone(text)
	var skipped []int
	for range syntaxMistakesMax {
		line, err := expressions(text, nil)
		if err == nil {
			break
		}
		r.wrong(line, keyOn(text, line), "%s", syntaxText(text, line, err))
		if !blank(text, line, &skipped) {
			break
		}
	}
	b := &builder{reader: r, root: &node{line: 1, explicit: true}, skipped: skipped}
	b.at = b.root
	if _, err := expressions(text, b.expression); err != nil {
		return b.root // which has been said
	}
	return b.root
}

// vetTOML refuses what the builder of the tree took and TOML does not allow. The library knows all rules, and tells one mistake.
func (r *reader) vetTOML(text []byte) {
	var all map[string]any
	err := toml.Unmarshal(text, &all)
	if err == nil {
		return
	}
	line := 1
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, _ = wrong.Position()
	}
	r.wrong(line, keyOn(text, line), "%s", strings.TrimPrefix(err.Error(), "toml: "))
}

// syntaxMistakesMax bounds how often a text is read anew behind a line that is no TOML.
const syntaxMistakesMax = 20

// blank makes a line empty, and reports whether it was not. Of a header it remembers the line: what follows belongs to nothing that is known.
func blank(text []byte, line int, headers *[]int) bool {
	starts := append(lineStarts(text), len(text)+1)
	if line >= len(starts) {
		return false
	}
	start, end := starts[line-1], starts[line]-1
	said := strings.TrimSpace(string(text[start:end]))
	if strings.HasPrefix(said, "[") {
		*headers = append(*headers, line)
	}
	for i := start; i < end; i++ {
		text[i] = ' '
	}
	return said != ""
}

// expressions calls a function for each expression of a text. An error comes with its line.
func expressions(text []byte, each func(p *unstable.Parser, n *unstable.Node, lines []int)) (line int, err error) {
	lines := lineStarts(text)
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		if each != nil {
			each(&p, p.Expression(), lines)
		}
	}
	if err = p.Error(); err == nil {
		return 0, nil
	}
	var at *unstable.ParserError
	if !errors.As(err, &at) {
		return 1, err
	}
	return lineAt(lines, int(p.Range(at.Highlight).Offset)), err
}

// lineStarts are the offsets at which the lines of a text begin.
func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, c := range text {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// lineAt is the line of an offset.
func lineAt(starts []int, offset int) int {
	i, there := slices.BinarySearch(starts, offset)
	if there {
		i++
	}
	return max(i, 1)
}

// plainKey is a key as ours are, which may be dotted.
var plainKey = regexp.MustCompile(`^[a-z0-9_.-]+$`)

// bareValue is a line whose value is neither in quotes or brackets nor true or false, and where it begins.
var bareValue = regexp.MustCompile(`^[^=]*=\s*([A-Za-z0-9/~:$.*][^"'#]*)`)

// syntaxText says what is wrong with a line that is no TOML: most often somebody has left out the quotes.
func syntaxText(text []byte, line int, err error) string {
	lines := strings.Split(string(text), "\n")
	if line >= 1 && line <= len(lines) {
		if m := bareValue.FindStringSubmatch(lines[line-1]); m != nil {
			switch strings.ToLower(strings.TrimSpace(m[1])) {
			case "yes", "no", "on", "off":
				return "it is true or false"
			}
			return "text stands in quotes"
		}
	}
	return strings.TrimPrefix(err.Error(), "toml: ")
}

// keyOn returns the key of a line, or of a header. Of what looks like neither nothing is told: it may be a file of another kind, and a secret.
func keyOn(text []byte, line int) string {
	lines := strings.Split(string(text), "\n")
	if line < 1 || line > len(lines) {
		return "end of file"
	}
	said := strings.TrimSpace(lines[line-1])
	key, value, assigned := strings.Cut(said, "=")
	key = strings.TrimSpace(key)
	if !assigned {
		if !strings.HasPrefix(said, "[") {
			return "syntax"
		}
		key = strings.Trim(key, "[] ")
	}
	const longest = 40
	if len(key) > longest || !plainKey.MatchString(key) || assigned && strings.Trim(value, "= \t") == "" {
		return "syntax"
	}
	return key
}
