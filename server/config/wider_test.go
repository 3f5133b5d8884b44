package config_test

import (
	"slices"
	"strings"
	"testing"

	"pmemfs/server/config"
	"pmemfs/server/export"
)

// TestWider reloads files in which something is left out that was there: what they allow more is refused unless they say so.
func TestWider(t *testing.T) {
	parse := func(text string) *config.Image {
		t.Helper()
		c, err := config.Parse("f", []byte(text), none)
		if err != nil {
			t.Fatal(err)
		}
		return &c.Images[0]
	}
	plain := func(i *config.Image) (list []export.Export) {
		for _, e := range i.Exports {
			list = append(list, e.Export)
		}
		return list
	}
	before := plain(parse("[[export]]\nname = '/d'\nclients = ['10.0.0.0/8']\nread_only = true\nsecure_port = true\nsquash = 'all'\nsubtree = '/d/e'\nsnapdir = 'disabled'\n"))
	all := []string{"clients = ['10.0.0.0/8', '::/0']", "read_only = false", "secure_port = false", "squash = 'none'", "subtree = '/d'", "snapdir = 'hidden'"}
	whole := "[[export]]\nname = '/d'\n" + strings.Join(all, "\n")
	if err := parse(whole).Wider(before); err != nil {
		t.Errorf("all is said: %v", err)
	}
	for i, line := range all {
		key, _, _ := strings.Cut(line, " ")
		err := parse("[[export]]\nname = '/d'\n" + strings.Join(slices.Delete(slices.Clone(all), i, i+1), "\n")).Wider(before)
		if err == nil || !strings.Contains(err.Error(), "write "+key+" = ") {
			t.Errorf("without %s: %v", key, err)
		}
	}
	if err := parse("[[export]]\nname = '/other'\n").Wider(before); err != nil {
		t.Errorf("another export: %v", err)
	}
	for _, cut := range []string{"[[export]]\n", "[[export]]\nclients = ['10.0.0.0/8']\nread_only = true\n"} {
		if err := parse(cut).Wider(before); err == nil || !strings.Contains(err.Error(), `write name = "/"`) {
			t.Errorf("%q, without a name: %v", cut, err)
		}
		if err := parse(cut).Wider(plain(parse(cut))); err != nil {
			t.Errorf("%q, as it was: %v", cut, err)
		}
	}
	if err := parse("[[export]]\nname = '/d'\nclients = ['10.0.0.0/8']\nread_only = true\nsecure_port = true\nsquash = 'all'\nsubtree = '/d/e'\nsnapdir = 'disabled'\n").Wider(before); err != nil {
		t.Errorf("the same: %v", err)
	}
}
