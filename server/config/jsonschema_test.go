package config_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"pmemfs/server/config"
)

// TestJSONSchema holds the schema to what is read: it takes what is right, and refuses what is wrong with keys, values, and tables by themselves.
func TestJSONSchema(t *testing.T) {
	text, err := config.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("pmemfs.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("pmemfs.json")
	if err != nil {
		t.Fatal(err)
	}
	good := []string{
		"", whole, commentedKey.ReplaceAllString(config.Example(false), "$1"), commentedKey.ReplaceAllString(config.Example(true), "$1"),
		"durability = '${SET}'\nsize = '${SIZE}'", "[[export]]\nclients = ['${NET}']", "[[image]]\npath = 'a'\n[image.limits]\n[[image]]\npath = 'b'",
	}
	for _, text := range good {
		if err := compiled.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%.100q: %v", text, err)
		}
	}
	refused := 0
	for _, list := range [][]mistake{keysMistakes, kindsMistakes, valuesMistakes, schedulesMistakes, quotasMistakes, imagesMistakes} {
		for _, m := range list {
			var tree any
			if beyondSchema[m.text] || toml.Unmarshal([]byte(m.text), &tree) != nil {
				continue
			}
			refused++
			if err := compiled.Validate(asJSON(t, m.text)); err == nil {
				t.Errorf("%q is refused when it is read (%s), and not by the schema", m.text, m.want)
			}
		}
	}
	if refused < 60 {
		t.Errorf("%d mistakes", refused)
	}
}

// beyondSchema are mistakes that a schema cannot know: of values that depend on each other, and of numbers within texts.
var beyondSchema = map[string]bool{
	"trace_endpoint = 'http://u:secret@'": true, "admin_key = 'k'": true, "admin = 'off'\nadmin_token = 't'": true, "trace_sample = nan": true,
	"nfs_stack = 'go-nfs'\n[[image]]\npath = 'a'\n[[image]]\npath = 'b'\n[[image.export]]\nname = '/b'": true,
	"nfs = '127.0.0.1:70000'": true, "memory = '9EiB'": true, "memory = '1MiB'": true, "grace = '1h'": true,
	"[[export]]\nsubtree = '/a/../b'": true, "[[export]]\n[[export]]": true, "[[export]]\nname = '/a'\n\n[[export]]\nname = '/a'\nsubtree = '/b'": true,
	"volatile = true\ndurability = 'process'": true, "portmap = ':111'\nregister = true": true,
	"[[snapshots]]\nkeep = {last = 1}\nevery = '500ms'": true, "[[snapshots]]\nevery = '1h'\nkeep = {last = 4000, daily = 96}": true,
	"[[snapshots]]\nprefix = 'a b'\nevery = '1h'\nkeep = {last = 1}":                                                  true,
	"[[snapshots]]\nevery = '15m'\nkeep = {hourly = 24}\n\n[[ snapshots ]] # again\nevery = '1h'\nkeep = {daily = 1}": true,
	"[[quota]]\nuser = '4294967295'\nfiles = 1":                                                                       true, "[[quota]]\nuser = 'a'\nbytes = '1GiB'\nsoft_bytes = '2GiB'": true, "[[quota]]\nuser = 'a'\nfiles = 1\nsoft_files = 2": true,
	"[[quota]]\nuser = 'a'\nbytes = '1GiB'\nsoft_bytes = '2GiB'\nfiles = 1\nsoft_files = 2\n[[quota]]\nuser = 'a'\nfiles = 1": true,
	"[[image]]\npath = 'a'\n[[image.export]]\nname = '/x'\n[[image]]\npath = 'b'\n[[image.export]]\nname = '/x'":              true,
}

// asJSON is a file as JSON has it.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := toml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if v == nil {
		v = map[string]any{}
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	again, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return again
}
