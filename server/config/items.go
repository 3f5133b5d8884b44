package config

import (
	"fmt"
	"strconv"
	"strings"

	"pmemfs/server/export"
)

// Item is one value of a configuration in force, for people.
type Item struct {
	Image string // path of the image that it is of; "" for the whole server
	Table string // one of the tables
	Of    string // which of several tables of that name: the export's name, the schedule's prefix, whose the quota is
	Key   string
	Value string
	From  Origin
	Live  bool // a reload applies it
}

// Name is the key with the tables that it is in.
func (i *Item) Name() string {
	switch {
	case i.Table == TableServer || i.Table == TableImage:
		return i.Key
	case i.Of == "":
		return i.Table + "." + i.Key
	}
	return fmt.Sprintf("%s %q %s", i.Table, i.Of, i.Key)
}

// Items are all values, in the order of the tables and keys.
func (f *InForce) Items() (all []Item) {
	list := func(image, table, of string, s Settings) {
		for _, k := range Keys(table) {
			one := s[k.Name]
			if one == nil || k.Name == "export" { // of which each has a table
				continue
			}
			key := k.Name
			if table == TableImage && !f.Several {
				key = k.InOneImage()
			}
			all = append(all, Item{image, table, of, key, one.Shown(), one.From, k.Live})
		}
	}
	list("", TableServer, "", f.Server)
	for n := range f.Images {
		i := &f.Images[n]
		path := Get[string](i.Settings, "path")
		list(path, TableImage, "", i.Settings)
		for x := range i.Exports {
			list(path, TableExport, i.Exports[x].Name, i.Exports[x].whole())
		}
		for x := range i.Snapshots {
			s := &i.Snapshots[x]
			list(path, TableSnapshots, s.Prefix, copied(s.Settings).complete(TableSnapshots))
			list(path, TableKeep, s.Prefix, s.Rules)
		}
		for x := range i.Quotas {
			list(path, TableQuota, i.Quotas[x].Whose(), i.Quotas[x].Settings)
		}
		list(path, TableLimits, "", i.Limits)
	}
	return all
}

// whole are all settings of an export, also of one that an option says in one word.
func (e *Export) whole() Settings {
	all := Settings{}
	offsets := "63"
	if e.ShortOffsets {
		offsets = strconv.Itoa(shortBits)
	}
	var clients []string
	for _, c := range e.Clients {
		clients = append(clients, c.String())
	}
	for name, text := range map[string][]string{
		"name": {e.Name}, "subtree": {e.Subtree}, "read_only": {strconv.FormatBool(e.ReadOnly)}, "squash": {e.Squash.String()},
		"anon_uid": {strconv.FormatUint(uint64(e.AnonUID), 10)}, "anon_gid": {strconv.FormatUint(uint64(e.AnonGID), 10)}, "clients": clients,
		"secure_port": {strconv.FormatBool(e.SecurePort)}, "directory_offsets": {offsets}, "snapdir": {e.Snapshots.String()},
	} {
		s := &Setting{Key: keyNamed([]string{TableExport}, name), Texts: text}
		if said := e.Settings[name]; said != nil {
			s.From = said.From
		} else if e.Settings == nil {
			s.From = e.At
		}
		all[name] = s
	}
	return all
}

// Word is an export as the option --export has it.
func Word(e *export.Export) string {
	words := []string{e.Name}
	if e.Subtree != e.Name {
		words[0] += "=" + e.Subtree
	}
	d := export.Default()
	add := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	add(e.ReadOnly, "ro")
	add(e.Squash != d.Squash, "squash="+e.Squash.String())
	add(e.AnonUID != d.AnonUID, fmt.Sprintf("anon_uid=%d", e.AnonUID))
	add(e.AnonGID != d.AnonGID, fmt.Sprintf("anon_gid=%d", e.AnonGID))
	for _, c := range e.Clients {
		add(true, "clients="+c.String())
	}
	add(e.SecurePort, "secure_port")
	add(e.ShortOffsets, "directory_offsets="+strconv.Itoa(shortBits))
	add(e.Snapshots != d.Snapshots, "snapdir="+e.Snapshots.String())
	return strings.Join(words, ",")
}
