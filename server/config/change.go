package config

import (
	"fmt"
	"strings"
)

// Image returns what f says of an image that is served as other says: the one at the same path, or the one that each of them has. nil is for none.
func (f *InForce) Image(other *InForce, path string) *Image {
	if len(f.Images) == 1 && len(other.Images) == 1 {
		return &f.Images[0]
	}
	for n := range f.Images {
		if f.Images[n].path() == path {
			return &f.Images[n]
		}
	}
	return nil
}

// path is where an image is.
func (i *Image) path() string { return Get[string](i.Settings, "path") }

// Reloaded is what counts in a server that went by f when it has gone by next: images come and go at the next start only.
func (f *InForce) Reloaded(next *InForce) *InForce {
	all := *next
	all.Images = nil
	for n := range f.Images {
		if i := next.Image(f, f.Images[n].path()); i != nil {
			all.Images = append(all.Images, *i)
		} else {
			all.Images = append(all.Images, f.Images[n])
		}
	}
	return &all
}

// itemsBeside are the items of f with the names of images that other has.
func (f *InForce) itemsBeside(other *InForce) []Item {
	all := f.Items()
	if len(f.Images) == 1 && len(other.Images) == 1 {
		for n := range all {
			if all[n].Image != "" {
				all[n].Image = other.Images[0].path()
			}
		}
	}
	return all
}

// Since are the items that count in a server that was started with another configuration: what a reload does not apply is as it was then.
func (f *InForce) Since(started *InForce) []Item {
	type place struct{ image, name string }
	was := map[place]Item{}
	for _, i := range started.Items() {
		was[place{i.Image, i.Name()}] = i
	}
	all := f.itemsBeside(started)
	for n := range all {
		if i, there := was[place{all[n].Image, all[n].Name()}]; there && !i.Live {
			all[n] = i
		}
	}
	return all
}

// Change is a value that differs between two configurations.
type Change struct {
	Image string // path of the image that it is of; "" for the whole server
	Name  string // of the key, with the tables that it is in
	Now   string // "" if there was none
	Next  string // "" if there is none any more
	Live  bool   // a reload applies it
}

// Changes are what differs between a configuration and the next one, in the order of what was and then of what is new. A table that one of
// the two does not have is one change.
func (f *InForce) Changes(next *InForce) (all []Change) {
	before, then := byTable(f.Items()), byTable(next.itemsBeside(f))
	for _, t := range before.order {
		was, is := before.tables[t], then.tables[t]
		if is == nil {
			all = append(all, Change{t.image, t.name(), was.words(), "", was.live()})
			continue
		}
		for n := range *was {
			i := &(*was)[n]
			if now := is.find(i.Key); now == nil || now.Value != i.Value {
				c := Change{Image: i.Image, Name: i.Name(), Now: i.Value, Live: i.Live}
				if now != nil {
					c.Next = now.Value
				}
				all = append(all, c)
			}
		}
		for n := range *is {
			if i := &(*is)[n]; was.find(i.Key) == nil {
				all = append(all, Change{i.Image, i.Name(), "", i.Value, i.Live})
			}
		}
	}
	for _, t := range then.order {
		if is := then.tables[t]; before.tables[t] == nil {
			all = append(all, Change{t.image, t.name(), "", is.words(), is.live()})
		}
	}
	return all
}

// tableName tells a table from others.
type tableName struct{ image, table, of string }

func (t tableName) name() string {
	if t.of == "" {
		return t.table
	}
	return fmt.Sprintf("%s %q", t.table, t.of)
}

// tableItems are those of one table.
type tableItems []Item

func (t *tableItems) find(key string) *Item {
	for n := range *t {
		if (*t)[n].Key == key {
			return &(*t)[n]
		}
	}
	return nil
}

// words are what somebody has said.
func (t *tableItems) words() string {
	var words []string
	for _, i := range *t {
		if i.From.Layer != FromDefault {
			words = append(words, i.Key+"="+i.Value)
		}
	}
	return strings.Join(words, " ")
}

func (t *tableItems) live() bool { return (*t)[0].Live }

// grouped are items by their tables.
type grouped struct {
	order  []tableName
	tables map[tableName]*tableItems
}

func byTable(list []Item) grouped {
	g := grouped{tables: map[tableName]*tableItems{}}
	for _, i := range list {
		t := tableName{i.Image, i.Table, i.Of}
		if g.tables[t] == nil {
			g.order, g.tables[t] = append(g.order, t), &tableItems{}
		}
		*g.tables[t] = append(*g.tables[t], i)
	}
	return g
}
