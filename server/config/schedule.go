package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pmemfs/server/schedule"
)

// timing is one [[snapshots]].
type timing struct {
	Prefix filled  `toml:"prefix"`
	Every  *period `toml:"every"`
	Keep   *keep   `toml:"keep"`
}

// keep says how many snapshots to keep.
type keep struct {
	Last    *int `toml:"last"`
	Hourly  *int `toml:"hourly"`
	Daily   *int `toml:"daily"`
	Weekly  *int `toml:"weekly"`
	Monthly *int `toml:"monthly"`
	Yearly  *int `toml:"yearly"`
}

// schedules fills in what the stanzas leave out, and vets what that gives.
//
// Errors begin with the line and name the key.
func schedules(text []byte, list []timing) (all []schedule.Schedule, err error) {
	for i := range list {
		s, key, err := list[i].schedule()
		if err == nil {
			all = append(all, s)
			if err = schedule.Validate(all); err == nil {
				continue
			}
			key = keyOf(err)
		}
		return nil, fmt.Errorf("%d: snapshots%s: %w", lineInStanza(text, i, key), key, err)
	}
	return all, nil
}

// errLacking is why a stanza is refused whose key has no default.
var errLacking = errors.New("it has no default: say it")

// schedule returns what a stanza says, or the key that is wrong and why.
func (t *timing) schedule() (s schedule.Schedule, key string, err error) {
	switch {
	case t.Every == nil:
		return s, ".every", errLacking
	case t.Keep == nil:
		return s, ".keep", errLacking
	}
	s = schedule.Schedule{Prefix: t.Prefix.text, Every: t.Every.Duration}
	k := t.Keep
	for _, c := range []struct {
		key  string
		said *int
		n    *int
	}{
		{"last", k.Last, &s.Keep.Last}, {"hourly", k.Hourly, &s.Keep.Hourly}, {"daily", k.Daily, &s.Keep.Daily},
		{"weekly", k.Weekly, &s.Keep.Weekly}, {"monthly", k.Monthly, &s.Keep.Monthly}, {"yearly", k.Yearly, &s.Keep.Yearly},
	} {
		if c.said == nil {
			continue
		}
		if *c.n = *c.said; *c.n < 1 || *c.n > schedule.KeepMax { // 0 may be meant to keep all, or none
			return s, ".keep." + c.key, schedule.ErrKeepCount
		}
	}
	if s.Prefix == "" {
		s.Prefix = schedule.DefaultPrefix
	}
	return s, "", nil
}

// keyOf is the key that an error of schedule.Validate is about.
func keyOf(err error) string {
	switch {
	case errors.Is(err, schedule.ErrEvery):
		return ".every"
	case errors.Is(err, schedule.ErrPrefix), errors.Is(err, schedule.ErrSamePrefix):
		return ".prefix"
	}
	return ".keep"
}

// lineInStanza is the line of a key, such as ".keep.last", in the i-th [[snapshots]]; else of what holds it, else of the stanza's header, else 1.
func lineInStanza(text []byte, i int, key string) int {
	header, holder, n := 1, 0, -1
	path := strings.Split(key, ".")[1:]
	for k, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.ReplaceAll(line, " ", "")
		name, _, _ := strings.Cut(line, "=")
		if line == "[[snapshots]]" {
			n++
		}
		switch {
		case n != i || len(path) == 0 && line != "[[snapshots]]":
		case line == "[[snapshots]]":
			header = k + 1
		case name == path[len(path)-1], line == "[snapshots"+key+"]":
			return k + 1
		case name == path[0], line == "[snapshots."+path[0]+"]":
			holder = k + 1
		}
	}
	return max(header, holder)
}

// exactTimings demands of each [[snapshots]] what exact does.
func exactTimings(text []byte, all map[string]any) error {
	list, ok := all["snapshots"].([]any)
	if _, there := all["snapshots"]; there && !ok {
		return fmt.Errorf("%d: snapshots: each begins with [[snapshots]], in two brackets", lineOf(text, "snapshots"))
	}
	for i, each := range list {
		table, _ := each.(map[string]any)
		if err := known(text, table, reflect.TypeFor[timing](), "snapshots."); err != nil {
			return err
		}
		rules, _ := table["keep"].(map[string]any)
		for key := range rules {
			if !slices.Contains(keysOf(reflect.TypeFor[keep]()), key) {
				return fmt.Errorf("%d: snapshots.keep.%s: unknown key", lineInStanza(text, i, ".keep."+key), key)
			}
		}
	}
	return nil
}
