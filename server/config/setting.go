package config

import (
	"fmt"
	"slices"
	"strings"
)

// Layer is where a value comes from. A higher one counts more.
type Layer uint8

// The layers.
const (
	FromDefault Layer = iota
	FromFile
	FromEnvironment
	FromOption
)

// String is the layer's name.
func (l Layer) String() string {
	return [...]string{"default", "file", "environment", "option"}[l]
}

// Origin is where a value comes from.
type Origin struct {
	Layer Layer
	Place string // file:line, or the name of the variable or the option
	line  int    // of a file
}

// String says it for people.
func (o Origin) String() string {
	if o.Layer == FromDefault {
		return o.Layer.String()
	}
	return o.Place
}

// Setting is the value of a key.
type Setting struct {
	Key   *Key
	Texts []string // as it was said, with variables in their places; more than one of a list alone, and none if nothing counts
	From  Origin
	value []any
}

// Shown is the value as people may see it.
func (s *Setting) Shown() string {
	if len(s.Texts) == 0 {
		return s.Key.Fallback()
	}
	if s.Key.Secret {
		return "(not shown)"
	}
	texts := slices.Clone(s.Texts)
	if s.Key.Kind == kindURL {
		for i := range texts {
			texts[i] = redact(texts[i])
		}
	}
	return strings.Join(texts, " ")
}

// Settings are those of a table, by the names of their keys.
type Settings map[string]*Setting

// Said reports whether anybody has said a key.
func (s Settings) Said(name string) bool { return s[name] != nil && s[name].From.Layer != FromDefault }

// Get returns the value of a key, or the zero value if nothing counts.
func Get[T any](s Settings, name string) (v T) {
	if one := s[name]; one != nil && len(one.value) > 0 {
		return as[T](one, one.value[0])
	}
	return v
}

// List returns the values of a key that may have several.
func List[T any](s Settings, name string) (list []T) {
	if one := s[name]; one != nil {
		for _, v := range one.value {
			list = append(list, as[T](one, v))
		}
	}
	return list
}

// as is a value as what its kind makes of a text. Another type is a fault of ours.
func as[T any](s *Setting, v any) T {
	t, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("config: %s is a %T", s.Key.Name, v))
	}
	return t
}

// fallback is what counts if nobody says a key.
func fallback(k *Key) *Setting {
	s := &Setting{Key: k}
	if k.Default == "" {
		return s
	}
	v, err := k.Parse(k.Default)
	if err != nil {
		panic(fmt.Sprintf("config: the default of %s: %v", k.Name, err))
	}
	s.Texts, s.value = []string{k.Default}, []any{v}
	return s
}

// complete adds what nobody has said.
func (s Settings) complete(table string) Settings {
	for _, k := range Keys(table) {
		if s[k.Name] == nil {
			s[k.Name] = fallback(k)
		}
	}
	return s
}
