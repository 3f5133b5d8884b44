package config

import (
	"slices"
	"strings"

	"pmemfs/server/export"
)

// InForce is what counts: all keys have values, and each says where it comes from.
type InForce struct {
	Server  Settings
	Images  []Image
	Several bool     // the images are those of [[image]]
	Over    []string // what the file says, and what is said elsewhere instead
}

// Resolve lays options over variables, those over the file, and that over the defaults. The file may be nil; image is the argument of serve, or "".
//
// Errors: Mistakes.
func Resolve(file *File, environment, options Words, image string) (*InForce, error) {
	if file == nil {
		file = &File{Images: []Image{{}}}
	}
	l := layers{environment: environment, options: options}
	if image != "" {
		l.options = Words{pathKey(): {image}}
		for k, texts := range options {
			l.options[k] = texts
		}
	}
	f := &InForce{Several: file.Several, Server: l.settings(TableServer, file.Server)}
	l.together(f.Server, "portmap", "register")
	for n := range file.Images {
		from := &file.Images[n]
		to := Image{Snapshots: from.Snapshots, Quotas: from.Quotas, At: from.At, prefix: from.prefix}
		if file.Several {
			to.Settings = copied(from.Settings).complete(TableImage)
		} else {
			to.Settings = l.settings(TableImage, from.Settings)
		}
		to.Limits = copied(from.Limits).complete(TableLimits)
		to.Exports = l.exports(from, file.Several)
		f.Images = append(f.Images, to)
	}
	if file.Several {
		l.onlyOneImage()
	}
	l.vet(f)
	f.Over = l.over
	if err := l.mistakes.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// layers are what counts more than a file.
type layers struct {
	environment, options Words
	over                 []string
	mistakes             Mistakes
}

func copied(s Settings) Settings {
	c := Settings{}
	for name, one := range s {
		c[name] = one
	}
	return c
}

// said is what options or variables say of a key, or nil.
func (l *layers) said(k *Key) *Setting {
	texts, from := l.options[k], Origin{Layer: FromOption, Place: "--" + k.Flag()}
	if k == pathKey() {
		from.Place = "argument"
	}
	if texts == nil {
		texts, from = l.environment[k], Origin{Layer: FromEnvironment, Place: k.Variable()}
	}
	if texts == nil {
		return nil
	}
	if k.Kind == kindNetwork {
		texts = strings.Split(strings.Join(texts, ","), ",") // as the option always had them
	}
	s := &Setting{Key: k, Texts: texts, From: from}
	if slices.Contains(texts, "") {
		l.wrong("", "%s is empty: leave it out for the default", from.Place)
		return s
	}
	for _, text := range texts {
		v, err := k.Parse(text)
		if err != nil {
			l.wrong(from.Place, "%v", err)
			return s
		}
		s.value = append(s.value, v)
	}
	return s
}

// wrong notes a mistake.
func (l *layers) wrong(key, format string, args ...any) {
	l.mistakes = append(l.mistakes, &Mistake{Key: key, Text: sprintf(format, args...)})
}

// settings are those of a table that count.
func (l *layers) settings(table string, file Settings) Settings {
	all := copied(file)
	for _, k := range Keys(table) {
		s := l.said(k)
		if s == nil {
			continue
		}
		if all[k.Name] != nil {
			l.over = append(l.over, s.From.Place+" counts more than "+k.InOneImage()+" of the file")
		}
		all[k.Name] = s
	}
	return all.complete(table)
}

// together has the highest layer that says one of several keys say all of them: of one word in each, those of lower layers are forgotten.
func (l *layers) together(s Settings, names ...string) {
	highest := FromDefault
	for _, name := range names {
		highest = max(highest, s[name].From.Layer)
	}
	for _, name := range names {
		if s[name].From.Layer < highest {
			if s[name].From.Layer == FromFile {
				l.over = append(l.over, s[name].Key.Name+" of the file does not count beside what is said elsewhere")
			}
			s[name] = fallback(s[name].Key)
		}
	}
}

// exports takes the exports from one source: the file, the options that name some, or the options about one export.
func (l *layers) exports(from *Image, several bool) []Export {
	named := l.said(optionNamed("export"))
	ofOne := Settings{}
	for _, k := range Keys(TableExport) {
		if s := l.said(k); s != nil {
			ofOne[k.Name] = s
		}
	}
	if several {
		if len(from.Exports) == 0 {
			return []Export{{Export: export.Default(), Settings: Settings{}, At: from.At}}
		}
		return from.Exports
	}
	if named != nil || len(from.Exports) > 0 {
		for _, k := range Keys(TableExport) {
			if s := ofOne[k.Name]; s != nil {
				l.wrong("", "%s is for the one export that there is when none is named: say it with each export", s.From.Place)
			}
		}
	}
	switch {
	case named != nil && len(from.Exports) > 0:
		l.wrong("", "exports are named in the file and by %s: choose one", named.From.Place)
	case len(from.Exports) > 0:
		return from.Exports
	case named == nil:
		return []Export{{Export: exportOf(ofOne), Settings: ofOne}}
	}
	var list []Export
	for _, v := range named.value {
		e := as[export.Export](named, v)
		if slices.ContainsFunc(list, func(x Export) bool { return x.Name == e.Name }) {
			l.wrong(named.From.Place, "two exports are named %q", e.Name)
			continue
		}
		list = append(list, Export{Export: e, At: named.From})
	}
	return list
}

// onlyOneImage refuses options that are about the one image that there is without [[image]].
func (l *layers) onlyOneImage() {
	for _, table := range []string{TableImage, TableExport} {
		for _, k := range Keys(table) {
			if s := l.said(k); s != nil {
				l.wrong("", "%s is about one image, and the file has several: say it in each [[image]]", s.From.Place)
			}
		}
	}
}

// vet refuses what does not go together.
func (l *layers) vet(f *InForce) {
	if Get[string](f.Server, "portmap") != "" && Get[bool](f.Server, "register") {
		l.wrong("", "a portmapper of its own and a registration with rpcbind: choose one")
	}
	if f.Several {
		return // the file has been vetted
	}
	i := f.Images[0].Settings
	if Get[bool](i, "volatile") && i.Said("durability") {
		l.wrong("", "volatile (%s) flushes nothing, so there is no durability to choose: leave out volatile, or durability (%s)", i["volatile"].From, i["durability"].From)
	}
}
