package config

import (
	"fmt"
	"strings"
)

// The tables that a key may be in.
const (
	TableServer    = "server" // the file's own
	TableImage     = "image"  // an [[image]], or the file's own where there is one image
	TableExport    = "export"
	TableSnapshots = "snapshots"
	TableKeep      = "keep" // of a [[snapshots]]
	TableQuota     = "quota"
	TableLimits    = "limits"
)

// Key is something that a configuration may say. Everything that knows keys goes by the list of them: the file, options, variables,
// help, the schema, the example, what a reload applies, and docs/configuration.md.
type Key struct {
	Table   string
	Name    string // in the file; that of the option has hyphens, that of the variable capitals
	Kind    *Kind
	List    bool   // any number of values
	Default string // as an option has it; "" if there is none
	Absent  string // what counts if nobody says it, where Default does not tell
	Doc     string // what it is, without a stop at the end
	Example string // in place of Default, in an example
	Option  bool   // serve has an option, and there is a variable
	NoFile  bool   // there is no such key in a file
	Live    bool   // a reload applies it
	Needed  bool   // a table without it is a mistake
	Secret  bool   // the value is not shown
}

// Flag is the name of the option.
func (k *Key) Flag() string { return strings.ReplaceAll(k.Name, "_", "-") }

// Variable is the name of the variable of the environment.
func (k *Key) Variable() string { return variablePrefix + strings.ToUpper(k.InOneImage()) }

// variablePrefix is what the names of all variables begin with.
const variablePrefix = "PMEMFS_"

// InOneImage is the name of the key in a file with one image.
func (k *Key) InOneImage() string {
	if k.Table == TableImage && k.Name == "path" {
		return "image"
	}
	return k.Name
}

// Fallback is what counts if nobody says the key.
func (k *Key) Fallback() string {
	if k.Absent != "" {
		return k.Absent
	}
	return k.Default
}

// Parse reads a value.
//
// Errors: what is wrong with it.
func (k *Key) Parse(text string) (any, error) {
	if text == "" {
		return nil, errEmpty
	}
	return k.Kind.parse(text)
}

// Help is what help says of the option: the default is added there, if it is one.
func (k *Key) Help() string {
	help := k.Doc
	if k.List {
		help += "; may be repeated"
	}
	if k.Absent != "" {
		help += " (default: " + k.Absent + ")"
	}
	return help
}

// Keys are all keys of a table, in the order in which they are documented.
func Keys(table string) (list []*Key) {
	for i := range keys {
		if keys[i].Table == table {
			list = append(list, &keys[i])
		}
	}
	return list
}

// Tables are the names of all tables.
func Tables() []string {
	return []string{TableServer, TableImage, TableExport, TableSnapshots, TableKeep, TableQuota, TableLimits}
}

// Options are the keys that are options of serve.
func Options() (list []*Key) {
	for i := range keys {
		if keys[i].Option {
			list = append(list, &keys[i])
		}
	}
	return list
}

// keyNamed returns the key of one of several tables.
func keyNamed(tables []string, name string) *Key {
	for i := range keys {
		k := &keys[i]
		for _, t := range tables {
			if k.Table == t && !k.NoFile && (k.Name == name && (t != TableImage || len(tables) == 1) || len(tables) > 1 && k.InOneImage() == name) {
				return k
			}
		}
	}
	return nil
}

// whereElse says in which other table there is a key of a name.
func whereElse(name string) string {
	for i := range keys {
		if k := &keys[i]; !k.NoFile && k.Name == name {
			switch k.Table {
			case TableServer:
				return "; it is a key of the whole file: write it above all tables"
			case TableImage:
				return "; it is a key of an image"
			}
			return fmt.Sprintf("; it is a key of %s", header(k.Table))
		}
	}
	return ""
}

// header is how a table begins, in a file of one image.
func header(table string) string {
	switch table {
	case TableLimits:
		return "[limits]"
	case TableKeep:
		return "[snapshots.keep]"
	}
	return "[[" + table + "]]"
}

// optionNamed returns the key of an option.
func optionNamed(flag string) *Key {
	for _, k := range Options() {
		if k.Flag() == flag {
			return k
		}
	}
	return nil
}
