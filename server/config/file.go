// Package config says what a server is to do: it reads a file in TOML, variables of the environment, and the options of a command line, and has the
// list of all that they can say.
//
// It is strict: a key that it does not know, a value of another type, or one that makes no sense is a mistake, of which all are reported, each with
// the file, the line and the key. What it returns shares nothing with its input.
//
// # A new key
//
// It is a line of the list in keys.go, and nothing else: options of serve, variables, help, the schema, the example and the table in
// docs/configuration.md come from there. Somebody has to use it: inForce in cmd/pmemfs makes a server's configuration of the values.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"pmemfs/server/export"
)

// fileBytesMax bounds a configuration file.
const fileBytesMax = 1 << 20

// ImagesMax bounds the images of one server: a call looks for its image among all.
const ImagesMax = 64

// stackGoNFS is the NFS stack that serves one image alone.
const stackGoNFS = "go-nfs"

// NoControl in place of the path of a socket means that there is none.
const NoControl = "none"

// File is what a configuration file says.
type File struct {
	Path    string
	Server  Settings // of the whole server; a key that is left out is not there
	Images  []Image  // one, unless the file has several by [[image]]
	Several bool
}

// Image is what is said of one image.
type Image struct {
	Settings  Settings
	Exports   []Export // none if the file names none
	Snapshots []Schedule
	Quotas    []Quota
	Limits    Settings
	At        Origin // where it begins

	prefix string // of its tables in messages
}

// Export is what is said of an export.
type Export struct {
	export.Export
	Settings Settings // as it is said
	At       Origin
}

// sprintf is fmt.Sprintf, which vet then knows as what it is.
func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// Read reads a file.
//
// Errors: those of the file, and Mistakes; then the file is what could be read of it, to look for more.
func Read(path string, lookup Lookup) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return parse(&reader{name: path, dir: filepath.Dir(path), lookup: lookup}, text)
}

// Parse is Read of a text, of which name is what messages call it. Paths stay as they are.
//
// Errors: Mistakes, as Read.
func Parse(name string, text []byte, lookup Lookup) (*File, error) {
	return parse(&reader{name: name, lookup: lookup}, text)
}

func parse(r *reader, text []byte) (*File, error) {
	if len(text) > fileBytesMax {
		r.wrong(0, "", "larger than %d bytes", fileBytesMax)
		return &File{Path: r.name}, r.mistakes.err()
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // which some editors begin a file with
	root := r.tree(text)
	f := r.file(root)
	if len(r.mistakes) == 0 {
		r.vetTOML(text)
	}
	return f, r.mistakes.err()
}

// ofOneImage are the tables that an image has.
var ofOneImage = []string{"export", "snapshots", "quota", "limits"}

// file reads all tables.
func (r *reader) file(root *node) *File {
	f := &File{Path: r.name}
	e := root.find("image")
	if e == nil || e.value.shape == aText || e.value.shape > aList {
		all := r.settings(root, "", []string{TableServer, TableImage}, ofOneImage...)
		f.Server = Settings{}
		i := Image{Settings: Settings{}, At: Origin{Layer: FromFile, Place: r.name}}
		for name, s := range all {
			if s.Key.Table == TableServer {
				f.Server[name] = s
			} else {
				i.Settings[name] = s
			}
		}
		r.image(root, &i)
		f.Images = []Image{i}
		r.vetServer(f.Server)
		return f
	}
	f.Several = true
	for _, e := range root.entries {
		if k := keyNamed([]string{TableServer, TableImage}, e.name); e.name != "image" && (k != nil && k.Table == TableImage || isOneOf(e.name, ofOneImage)) {
			r.wrong(e.line, e.name, "it is about one image: write it in an [[image]]")
		}
	}
	below := append([]string{"image"}, ofOneImage...)
	for _, k := range Keys(TableImage) {
		below = append(below, k.InOneImage())
	}
	f.Server = r.settings(root, "", []string{TableServer}, below...)
	list := r.tables(root, "", "image")
	if len(list) > ImagesMax {
		r.wrong(e.line, "image", "%d images: a server has at most %d", len(list), ImagesMax)
		return f
	}
	for _, t := range list {
		i := Image{At: r.at(t.line), prefix: "image", Settings: r.settings(t, "image", []string{TableImage}, ofOneImage...)}
		if t.find("path") == nil {
			r.wrong(t.line, "image.path", "it has no default: say it")
		}
		r.image(t, &i)
		f.Images = append(f.Images, i)
	}
	r.vetServer(f.Server)
	if s := f.Server["nfs_stack"]; s != nil && len(f.Images) > 1 && s.Texts[0] == stackGoNFS {
		r.wrong(s.From.line, "nfs_stack", "%s serves one image: leave it out for several", stackGoNFS)
	}
	r.vetImages(f.Images)
	return f
}

func isOneOf(word string, list []string) bool {
	for _, each := range list {
		if each == word {
			return true
		}
	}
	return false
}

// image reads the tables of an image, and vets what they say together.
func (r *reader) image(t *node, i *Image) {
	r.exports(t, i)
	i.Snapshots = r.schedules(t, i.prefix)
	i.Quotas = r.quotas(t, i.prefix)
	i.Limits = Settings{}
	if limits := r.table(t, i.prefix, "limits"); limits != nil {
		i.Limits = r.settings(limits, dotted(i.prefix, "limits"), []string{TableLimits})
	}
	if v, d := i.Settings["volatile"], i.Settings["durability"]; v != nil && d != nil && Get[bool](i.Settings, "volatile") {
		r.wrong(v.From.line, dotted(i.prefix, "volatile"), "it flushes nothing, so there is no durability to choose: leave out one of the two")
	}
}

// vetServer refuses what does not go together.
func (r *reader) vetServer(s Settings) {
	if s["portmap"] != nil && Get[bool](s, "register") {
		r.wrong(s["register"].From.line, "register", "a portmapper of its own and a registration with rpcbind: choose one")
	}
	if c, k := s["admin_cert"], s["admin_key"]; (c == nil) != (k == nil) {
		if c == nil {
			c = k
		}
		r.wrong(c.From.line, c.Key.Name, "a certificate and its key belong together: say admin_cert and admin_key")
	}
	if Get[string](s, "admin") == AdminOff {
		for _, k := range Keys(TableServer) {
			if one := s[k.Name]; one != nil && strings.HasPrefix(k.Name, "admin_") {
				r.wrong(one.From.line, k.Name, "there is no admin port: admin is off")
			}
		}
	}
}

// vetImages refuses what two images cannot both have.
func (r *reader) vetImages(list []Image) {
	seen := map[string]*Setting{}
	for n := range list {
		for _, name := range []string{"path", "control"} {
			s := list[n].Settings[name]
			if s == nil || isOneOf(s.Texts[0], s.Key.Kind.words) {
				continue
			}
			key := name + " " + filepath.Clean(s.Texts[0])
			if before := seen[key]; before != nil {
				r.wrong(s.From.line, "image."+name, "another image has %q already, on line %d", s.Texts[0], before.From.line)
				continue
			}
			seen[key] = s
		}
	}
	names := map[string]Origin{}
	for n := range list {
		for x := range list[n].Exports {
			e := &list[n].Exports[x]
			before, there := names[e.Name]
			if there && before.line < list[n].At.line { // of the same image has been said
				r.wrong(e.At.line, "image.export.name", "two exports are named %q: the one of another image is on line %d", e.Name, before.line)
			}
			if !there {
				names[e.Name] = e.At
			}
		}
	}
}
