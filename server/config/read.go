package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// reader reads the tables of a file, and collects what is wrong with them.
type reader struct {
	name     string // of the file
	dir      string // from which relative paths count; "" for none
	lookup   Lookup
	mistakes Mistakes
}

// mistakesMax bounds how many mistakes of a file are told.
const mistakesMax = 1000

// full reports whether no more mistakes are told.
func (r *reader) full() bool { return len(r.mistakes) > mistakesMax }

// wrong notes a mistake.
func (r *reader) wrong(line int, key, format string, args ...any) {
	switch {
	case r.full():
		return
	case len(r.mistakes) == mistakesMax:
		key, format, args = "", "there are more mistakes than these", nil
	}
	r.mistakes = append(r.mistakes, &Mistake{File: r.name, Line: line, Key: key, Text: strings.TrimPrefix(sprintf(format, args...), " ")})
}

// at is a line of the file.
func (r *reader) at(line int) Origin {
	return Origin{Layer: FromFile, Place: r.name + ":" + strconv.Itoa(line), line: line}
}

// settings reads the keys of a table, which are those of one or several tables of the list. What is in below is read elsewhere.
func (r *reader) settings(t *node, prefix string, tables []string, below ...string) Settings {
	all := Settings{}
	for _, e := range t.entries {
		if r.full() {
			break
		}
		if slices.Contains(below, e.name) {
			continue
		}
		name := dotted(prefix, e.name)
		k := keyNamed(tables, e.name)
		if k == nil {
			r.unknown(e, name, tables, below)
			continue
		}
		if s := r.setting(e, k, name); s != nil {
			all[k.Name] = s
		}
	}
	for _, table := range tables {
		for _, k := range Keys(table) {
			if k.Needed && t.find(k.Name) == nil {
				r.wrong(t.line, dotted(prefix, k.Name), "it has no default: say it")
			}
		}
	}
	return all
}

// unknown notes a key that there is not.
func (r *reader) unknown(e *entry, name string, tables, below []string) {
	words := slices.Clone(below)
	for _, table := range tables {
		for _, k := range Keys(table) {
			if !k.NoFile {
				word := k.Name
				if len(tables) > 1 {
					word = k.InOneImage()
				}
				words = append(words, word)
			}
		}
	}
	hint := whereElse(e.name)
	k := pathKey()
	switch {
	case e.name == k.InOneImage() && len(tables) == 1 && tables[0] == TableImage:
		hint = "; did you mean " + k.Name + "?"
	case e.name == k.Name && len(tables) > 1:
		hint = "; did you mean " + k.InOneImage() + "?"
	case hint == "" || nearest(e.name, words) != "":
		hint = didYouMean(e.name, words)
	}
	r.wrong(e.line, name, "unknown key%s", hint)
}

// setting reads the value of a key; nil after a mistake.
func (r *reader) setting(e *entry, k *Key, name string) *Setting {
	values := []*node{e.value}
	if k.List {
		switch {
		case e.value.shape != aList:
			r.wrong(e.value.line, name, "%s is wanted, not %s", aList, e.value.shape)
			return nil
		case len(e.value.list) == 0:
			r.wrong(e.line, name, "an empty list: leave the key out for the default, %s", k.Fallback())
			return nil
		}
		values = e.value.list
	}
	s := &Setting{Key: k, From: r.at(e.line)}
	before := len(r.mistakes)
	for _, v := range values {
		text, ok := r.text(v, k, name)
		if !ok {
			continue
		}
		value, err := k.Parse(text)
		if err != nil {
			r.wrong(v.line, name, "%v", err)
			continue
		}
		if k.Kind.isPath {
			text = r.resolve(k, text)
			value = text
		}
		s.Texts, s.value = append(s.Texts, text), append(s.value, value)
	}
	if len(r.mistakes) > before {
		return nil
	}
	return s
}

// text is a value as its kind reads it.
func (r *reader) text(v *node, k *Key, name string) (text string, ok bool) {
	want := k.Kind.shape
	if v.shape != want && !(want == aNumber && v.shape == anInteger) {
		r.wrong(v.line, name, "%s is wanted, not %s", want, v.shape)
		return "", false
	}
	if v.shape != aText {
		return v.text, true
	}
	text, err := expand(v.text, r.lookup)
	if err != nil {
		r.wrong(v.line, name, "%v", err)
		return "", false
	}
	return text, true
}

// resolve is a path as the process sees it.
func (r *reader) resolve(k *Key, text string) string {
	if r.dir == "" || filepath.IsAbs(text) || slices.Contains(k.Kind.words, text) {
		return text
	}
	return filepath.Join(r.dir, text)
}

// tables returns the tables of a name, each of which begins with a header in two brackets.
func (r *reader) tables(t *node, prefix, name string) []*node {
	e := t.find(name)
	if e == nil {
		return nil
	}
	v := e.value
	inline := v.shape == aList && len(v.list) > 0 && !slices.ContainsFunc(v.list, func(n *node) bool { return n.shape != aTable })
	if v.shape != aTables && !inline {
		r.wrong(e.line, dotted(prefix, name), "each begins with [[%s]], in two brackets", dotted(prefix, name))
		return nil
	}
	return v.list
}

// table returns the one table of a name, or nil.
func (r *reader) table(t *node, prefix, name string) *node {
	e := t.find(name)
	if e == nil {
		return nil
	}
	if e.value.shape != aTable {
		r.wrong(e.line, dotted(prefix, name), "it is a table, which begins with [%s]", dotted(prefix, name))
		return nil
	}
	return e.value
}
