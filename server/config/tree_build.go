package config

import (
	"math"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// builder makes a tree of the expressions of a text.
type builder struct {
	*reader
	root    *node
	at      *node  // the table that keys belong to
	prefix  string // its name
	skipped []int  // lines of headers that cannot be read
	header  int    // line of the last header that could
	lost    bool   // the table has another mistake, so its keys say nothing
}

// expression adds an expression.
func (b *builder) expression(p *unstable.Parser, n *unstable.Node, lines []int) {
	names, line := keyParts(n, lines)
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		b.header, b.prefix = line, strings.Join(names, ".")
		b.at, b.lost = b.open(names, line, n.Kind == unstable.ArrayTable)
	case unstable.KeyValue:
		if b.lost || b.belongsToNothing(line) {
			return
		}
		b.add(b.at, names, line, b.prefix, valueOf(p, n.Value(), line, lines))
	}
}

// belongsToNothing reports whether the header of a key's table could not be read.
func (b *builder) belongsToNothing(line int) bool {
	for _, l := range b.skipped {
		if l > b.header && l < line {
			return true
		}
	}
	return false
}

// keyParts are the names of a dotted key, and its line.
func keyParts(n *unstable.Node, lines []int) (names []string, line int) {
	for it := n.Key(); it.Next(); {
		k := it.Node()
		if line == 0 {
			line = lineAt(lines, int(k.Raw.Offset))
		}
		names = append(names, string(k.Data))
	}
	return names, line
}

// open finds or makes the table of a header. lost means that there is a mistake.
func (b *builder) open(names []string, line int, several bool) (t *node, lost bool) {
	t = b.root
	for i, name := range names {
		e := t.find(name)
		last := i == len(names)-1
		switch {
		case e == nil:
			e = t.add(&entry{name, line, &node{line: line}})
			if last && several {
				e.value.shape = aTables
			}
		case last && several != (e.value.shape == aTables), e.value.shape > aTables, e.value.sealed:
			b.wrong(line, strings.Join(names[:i+1], "."), "it is %s already, on line %d", e.value.shape, e.line)
			return t, true
		case last && !several && e.value.explicit:
			b.wrong(line, strings.Join(names, "."), "the table is there already, on line %d", e.line)
			return t, true
		}
		t = e.value
		if t.shape == aTables {
			if last {
				t.list = append(t.list, &node{line: line})
			}
			t = t.list[len(t.list)-1]
		}
	}
	t.explicit = true
	return t, false
}

// add adds a key, which may be dotted, to a table.
func (b *builder) add(t *node, names []string, line int, prefix string, v *node) {
	for i, name := range names[:len(names)-1] {
		e := t.find(name)
		if e == nil {
			e = t.add(&entry{name, line, &node{line: line}})
		}
		if e.value.shape != aTable || e.value.sealed || e.value.explicit {
			b.wrong(line, dotted(prefix, names[:i+1]...), "it is there already, on line %d", e.line)
			return
		}
		t = e.value
	}
	name := names[len(names)-1]
	if e := t.find(name); e != nil {
		b.wrong(line, dotted(prefix, names...), "the key is there already, on line %d", e.line)
		return
	}
	t.add(&entry{name, line, v})
	if v.shape == aTable {
		b.flatten(v, dotted(prefix, names...))
	}
}

// flatten gives an inline table its keys, which may be dotted too.
func (b *builder) flatten(v *node, prefix string) {
	inner := v.entries
	v.entries = nil
	for _, e := range inner {
		b.add(v, strings.Split(e.name, "\x00"), e.line, prefix, e.value)
	}
	v.sealed = true
}

// dotted is the name of a key.
func dotted(prefix string, names ...string) string {
	if prefix != "" {
		names = append([]string{prefix}, names...)
	}
	return strings.Join(names, ".")
}

// valueOf copies a value out of the parser. The parts of a dotted key of an inline table are joined by a zero, for flatten.
func valueOf(p *unstable.Parser, n *unstable.Node, line int, lines []int) *node {
	if n.Raw.Length > 0 {
		line = lineAt(lines, int(n.Raw.Offset))
	}
	v := &node{line: line, text: string(n.Data)}
	switch n.Kind {
	case unstable.String:
		v.shape = aText
	case unstable.Bool:
		v.shape = aBool
	case unstable.Integer:
		v.shape, v.text = anInteger, wholeNumber(v.text)
	case unstable.Float:
		v.shape, v.text = aNumber, strings.ReplaceAll(v.text, "_", "")
	case unstable.Array:
		v.shape = aList
		for it := n.Children(); it.Next(); {
			if it.Node().Kind != unstable.Comment {
				v.list = append(v.list, valueOf(p, it.Node(), line, lines))
			}
		}
	case unstable.InlineTable:
		v.text = ""
		for it := n.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				names, at := keyParts(it.Node(), lines)
				v.entries = append(v.entries, &entry{strings.Join(names, "\x00"), at, valueOf(p, it.Node().Value(), at, lines)})
			}
		}
	default:
		v.shape = aTime
	}
	return v
}

// wholeNumber writes a number of TOML, which may be a hexadecimal one, as Go does. One that is too large stays too large.
func wholeNumber(text string) string {
	text = strings.ReplaceAll(text, "_", "")
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil && n == math.MaxInt64 {
		return "9223372036854775808"
	}
	return strconv.FormatInt(n, 10)
}
