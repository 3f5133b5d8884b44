package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// filled is a string that says something. An empty one is a mistake, such as a variable that was not set: to take it for one that was left out
// would be to guess.
type filled struct{ text string }

// UnmarshalText refuses the empty string.
func (f *filled) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errEmpty
	}
	f.text = string(text)
	return nil
}

var errEmpty = errors.New("empty: leave the key out for the default")

// Keys are the keys that a stanza has.
type Keys map[string]bool

// Names returns the keys of a file, and those of one of its exports. They are those of the command line's options, with an underscore
// for each hyphen.
func Names() (file, export []string) {
	return keysOf(reflect.TypeFor[document]()), keysOf(reflect.TypeFor[stanza]())
}

func keysOf(t reflect.Type) (keys []string) {
	for _, f := range reflect.VisibleFields(t) {
		keys = append(keys, f.Tag.Get("toml"))
	}
	return keys
}

// exact reads a text once more and demands that its keys are those of the document, letter by letter, which the decoder does not. It
// returns the keys of each [[export]].
func exact(text []byte) (stanzas []Keys, err error) {
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	if err := known(text, all, reflect.TypeFor[document](), ""); err != nil {
		return nil, err
	}
	if err := exactTimings(text, all); err != nil {
		return nil, err
	}
	list, ok := all["export"].([]any)
	if _, there := all["export"]; there && !ok {
		return nil, fmt.Errorf("%d: export: each begins with [[export]], in two brackets", lineOf(text, "export"))
	}
	if nine, ok := all["9p"].([]any); ok && len(nine) == 0 {
		return nil, fmt.Errorf("%d: 9p: an empty list: leave the key out for no 9P", lineOf(text, "9p"))
	}
	for _, each := range list {
		table, _ := each.(map[string]any)
		if err := known(text, table, reflect.TypeFor[stanza](), "export."); err != nil {
			return nil, err
		}
		keys := make(Keys, len(table))
		for key := range table {
			keys[key] = true
		}
		stanzas = append(stanzas, keys)
	}
	return stanzas, nil
}

// known demands that the keys of a table are those of a type's fields.
func known(text []byte, table map[string]any, t reflect.Type, prefix string) error {
	for key, value := range table {
		i := slices.Index(keysOf(t), key)
		if i < 0 {
			return fmt.Errorf("%d: %s%s: unknown key", lineOf(text, key), prefix, key)
		}
		if !isText(value, t.Field(i).Type) {
			return fmt.Errorf("%d: %s%s: text in quotes is wanted", lineOf(text, key), prefix, key)
		}
		if list, ok := value.([]any); ok && key == "clients" && len(list) == 0 {
			return fmt.Errorf("%d: %s%s: an empty list: leave it out to admit everybody who can connect", lineOf(text, key), prefix, key)
		}
	}
	return nil
}

// isText reports whether a value is text where a field wants that: the decoder would take a number for its digits.
func isText(value any, t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[filled](), reflect.TypeFor[*period]():
		_, ok := value.(string)
		return ok
	case reflect.TypeFor[[]filled]():
		list, _ := value.([]any)
		return !slices.ContainsFunc(list, func(v any) bool { return !isText(v, t.Elem()) })
	}
	return true
}

// lineOf is the first line that begins with a key, or 1.
func lineOf(text []byte, key string) int {
	for i, line := range strings.Split(string(text), "\n") {
		if first, _, _ := strings.Cut(line, "="); strings.Trim(strings.TrimSpace(first), `"'[]`) == key {
			return i + 1
		}
	}
	return 1
}
