package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pmemfs/server/config"
)

// mistake is a file, and all that is said about it.
type mistake struct{ text, want string }

// TestMistakes reads files with mistakes: each is told with the file, the line and the key, says what is wrong, and what may have been meant.
func TestMistakes(t *testing.T) {
	all := slices.Concat(keysMistakes, kindsMistakes, valuesMistakes, syntaxMistakes, variablesMistakes, schedulesMistakes, quotasMistakes, imagesMistakes)
	for _, c := range all {
		_, err := config.Parse("f", []byte(c.text), variables)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\n%v\nwant\n%s", c.text, err, c.want)
		}
	}
	if len(all) < 60 {
		t.Errorf("%d kinds of mistakes", len(all))
	}
}

// variables are an environment.
func variables(name string) (string, bool) {
	return map[string]string{"SET": "maybe"}[name], name == "SET" || name == "EMPTY"
}

// TestMistakesBounds: however many mistakes a file has, what is told of them has an end, and so has the time that it takes.
func TestMistakesBounds(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("[[export]]\n", 90000), strings.Repeat("[[snapshots]]\nevery = '1h'\nkeep = {last = 1}\n", 20000),
		strings.Repeat("=\n", 500000), manyKeys(), "# " + strings.Repeat("x", 1<<20), strings.Repeat("9p = [[", 100000), strings.Repeat("[[image]]\n", 90000),
	} {
		_, err := config.Parse("f", []byte(text), variables)
		var all config.Mistakes
		if !errors.As(err, &all) || len(all) > 1001 {
			t.Errorf("%.20q: %d mistakes", text, len(all))
		}
	}
}

// manyKeys is a file of keys that there are not.
func manyKeys() string {
	var b strings.Builder
	for i := range 100000 {
		b.WriteString("k" + strings.Repeat("x", i%5))
		b.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + string(rune('a'+i/17576%26)))
		b.WriteString(" = 1\n")
	}
	return b.String()
}

// keysMistakes are about keys that there are not.
var keysMistakes = []mistake{
	{"imag = 'x'", "f:1: imag: unknown key; did you mean image?"},
	{"Image = 'x'", "f:1: Image: unknown key; did you mean image?"},
	{"\n[[export]]\nname = '/'\nreadonly = true", "f:4: export.readonly: unknown key; did you mean read_only?"},
	{"[[export]]\nanon-uid = 5", "f:2: export.anon-uid: unknown key; did you mean anon_uid?"},
	{"[[export]]\nClients = ['10.0.0.0/8']", "f:2: export.Clients: unknown key; did you mean clients?"},
	{"[[Export]]\nname = '/'", "f:1: Export: unknown key; did you mean export?"},
	{"read_only = true", "f:1: read_only: unknown key; it is a key of [[export]]"},
	{"[[export]]\nmemory = '1GiB'", "f:2: export.memory: unknown key; it is a key of the whole file: write it above all tables"},
	{"[[export]]\nsparse = true", "f:2: export.sparse: unknown key; it is a key of an image"},
	{"bytes = '1GiB'", "f:1: bytes: unknown key; it is a key of [[quota]]"},
	{"zzzz = 1", "f:1: zzzz: unknown key"},
	{"config = 'x'", "f:1: config: unknown key"},
	{"[limits]\nspeed = 1", "f:2: limits.speed: unknown key"},
	{"[[export]]\nx.y = 1\nx = 2", "f:2: export.x: unknown key\nf:3: export.x: the key is there already, on line 2"},
	{"[[export]\nname = '/x'\nsquash = 'none'\n[[export]]\nsqash = 'all'",
		"f:1: export: expected ']]' to close array table name\nf:5: export.sqash: unknown key; did you mean squash?"},
	{"a = 1\nb = [1,\n", "f:1: a: unknown key\nf:2: b: array is incomplete"},
	{"[[snapshots]]\nevery = '1h'\nkeep = {Daily = 7}", "f:3: snapshots.keep.Daily: unknown key; did you mean daily?"},
	{"[[snapshots]]\nevery = '1h'\n[snapshots.keep]\n\ndialy = 7", "f:5: snapshots.keep.dialy: unknown key; did you mean daily?"},
	{"[[quota]]\npath = 'a'\nbyte = 1",
		"f:2: quota.path: \"a\" is not an absolute, cleaned path of at most 1024 bytes; did you mean \"/a\"?\nf:3: quota.byte: unknown key; did you mean bytes?"},
	{"[[image]]\nimage = 'a'", "f:1: image.path: it has no default: say it\nf:2: image.image: unknown key; did you mean path?"},
	{"[[image]]\npath = 'a'\nmemory = '1GiB'",
		"f:3: image.memory: unknown key; it is a key of the whole file: write it above all tables"},
	{"[[image]]\npath = 'a'\n[[image.export]]\nsqash = 'all'", "f:4: image.export.sqash: unknown key; did you mean squash?"},
	{"path = 'x'", "f:1: path: unknown key; did you mean image?"},
	{"imag = 1\n\n[[export]]\nname = 'docs'\nsqash = 'all'\n[[export]]\nname = '/a'\nclients = []\n[[quota]]\nuser = 'a'",
		"f:1: imag: unknown key; did you mean image?\nf:4: export.name: \"docs\" is not an absolute, cleaned path of at most 1024 bytes; did you mean \"/docs\"?\nf:5: export.sqash: unknown key; did you mean squash?\nf:8: export.clients: an empty list: leave the key out for the default, all that can connect\nf:9: quota: it limits nothing: say bytes, soft_bytes, files or soft_files"},
	{"log_levle = 'info'\nnfs = 'x'",
		"f:1: log_levle: unknown key; did you mean log_level?\nf:2: nfs: \"x\" is no address: write host:port, such as 127.0.0.1:2049"},
}

// kindsMistakes are about values of another kind, or empty.
var kindsMistakes = []mistake{
	{"[nfs]\nport = 1", "f:1: nfs: text in quotes is wanted, not a table"},
	{"nfs = 2049", "f:1: nfs: text in quotes is wanted, not a whole number"},
	{"register = 'yes'", "f:1: register: true or false is wanted, not text in quotes"},
	{"9p = ':564'", "f:1: 9p: a list in brackets is wanted, not text in quotes"},
	{"9p = [564]", "f:1: 9p: text in quotes is wanted, not a whole number"},
	{"9p = []", "f:1: 9p: an empty list: leave the key out for the default, nowhere"},
	{"9p = [':1', '']", "f:1: 9p: empty: leave the key out for the default"},
	{"log_level = ['info']", "f:1: log_level: text in quotes is wanted, not a list in brackets"},
	{"grace = 45", "f:1: grace: text in quotes is wanted, not a whole number"},
	{"size = 2026-11-30", "f:1: size: text in quotes is wanted, not a time"},
	{"size = 1.5", "f:1: size: text in quotes is wanted, not a number"},
	{"[[export]]\nanon_uid = '5'", "f:2: export.anon_uid: a whole number is wanted, not text in quotes"},
	{"[[export]]\nread_only = 1", "f:2: export.read_only: true or false is wanted, not a whole number"},
	{"[[export]]\nclients = '10.0.0.0/8'", "f:2: export.clients: a list in brackets is wanted, not text in quotes"},
	{"image = ''", "f:1: image: empty: leave the key out for the default"},
	{"[[export]]\nname = ''", "f:2: export.name: empty: leave the key out for the default"},
	{"[[export]]\nclients = []", "f:2: export.clients: an empty list: leave the key out for the default, all that can connect"},
}

// valuesMistakes are about values that make no sense.
var valuesMistakes = []mistake{
	{"access_log_sample = 0", "f:1: access_log_sample: a number of calls is from 1 to 2147483647, not 0"},
	{"trace_sample = 2", "f:1: trace_sample: it is a part above 0 and up to 1, such as 0.01, not \"2\""},
	{"trace_sample = nan", "f:1: trace_sample: it is a part above 0 and up to 1, such as 0.01, not \"nan\""},
	{"trace_endpoint = 'ftp://x'", "f:1: trace_endpoint: \"ftp://x\" is no URL that begins with http:// or https://"},
	{"trace_endpoint = 'secret://secret@h/p?key=secret#secret'", "f:1: trace_endpoint: \"secret://xxxxx@h/p?xxxxx\" is no URL that begins with http:// or https://"},
	{"trace_endpoint = 'http://u:secret@'", "f:1: trace_endpoint: \"http://u:xxxxx@\" is no URL that begins with http:// or https://"},
	{"admin = 'of'", "f:1: admin: \"of\" is no address; did you mean off?"},
	{"admin_hosts = ['https://x/']", "f:1: admin_hosts: \"https://x/\" is no name of a host: it has neither scheme nor path"},
	{"admin_key = 'k'", "f:1: admin_key: a certificate and its key belong together: say admin_cert and admin_key"},
	{"admin = 'off'\nadmin_token = 't'", "f:2: admin_token: there is no admin port: admin is off"},
	{"[[export]]\nclients = ['10.0.0.0/8',\n\n'10.0.0.5/8',\n'host']",
		"f:4: export.clients: \"10.0.0.5/8\" is an address in the network 10.0.0.0/8: give one of the two\nf:5: export.clients: \"host\" is no network: give one such as 10.0.0.0/8, or an address"},
	{"nfs = '127.0.0.1'", "f:1: nfs: \"127.0.0.1\" is no address: write host:port, such as 127.0.0.1:2049"},
	{"nfs = '127.0.0.1:70000'", "f:1: nfs: \"127.0.0.1:70000\" is no address: a port is from 0 to 65535"},
	{"nfs = '127.0.0.1:'", "f:1: nfs: \"127.0.0.1:\" is no address: it has no port"},
	{"9p = ['unix:']", "f:1: 9p: unix: is to be followed by the path of a socket"},
	{"9p = ['564']", "f:1: 9p: \"564\" is no address: write host:port, such as :564, or unix:PATH"},
	{"nfs_stack = 'knfsd'", "f:1: nfs_stack: the NFS stack is native or go-nfs, not \"knfsd\""},
	{"log_level = 'warning'", "f:1: log_level: the level is debug, info, warn or error, not \"warning\"; did you mean warn?"},
	{"log_format = 'jsn'", "f:1: log_format: the form is text or json, not \"jsn\"; did you mean json?"},
	{"durability = 'powr'", "f:1: durability: durability is power or process, not \"powr\"; did you mean power?"},
	{"[[export]]\nsquash = 'some'", "f:2: export.squash: squash is root, all or none, not \"some\""},
	{"[[export]]\nsnapdir = 'hiden'", "f:2: export.snapdir: snapdir is hidden, visible or disabled, not \"hiden\"; did you mean hidden?"},
	{"size = '0'", "f:1: size: \"0\" is not a size: give a number of bytes, such as 64GiB, 512MiB or 4096"},
	{"size = 'big'", "f:1: size: \"big\" is not a size: give a number of bytes, such as 64GiB, 512MiB or 4096"},
	{"memory = '9EiB'", "f:1: memory: size \"9EiB\" is too large"},
	{"scrub_rate = '-1'", "f:1: scrub_rate: \"-1\" is not a size: give a number of bytes, such as 64GiB, 512MiB or 4096"},
	{"root_owner = '1000'", "f:1: root_owner: the owner is UID:GID in numbers, not \"1000\""},
	{"root_mode = '999'", "f:1: root_mode: it is an octal mode such as 0755 or 1777, not \"999\""},
	{"grace = 'long'", "f:1: grace: \"long\" is no time: it is such as \"45s\""},
	{"grace = '-1s'", "f:1: grace: -1s is a time in the past"},
	{"grace = '1h'", "f:1: grace: 1h0m0s is not between 0s and 10m0s"},
	{"scrub_every = '7d'", "f:1: scrub_every: \"7d\" is no time: it is such as \"45s\"; did you mean \"168h\"?"},
	{"scrub_every = '2w'", "f:1: scrub_every: \"2w\" is no time: it is such as \"45s\"; did you mean \"336h\"?"},
	{"[[export]]\nname = 'docs'",
		"f:2: export.name: \"docs\" is not an absolute, cleaned path of at most 1024 bytes; did you mean \"/docs\"?"},
	{"[[export]]\nname = '/docs/'",
		"f:2: export.name: \"/docs/\" is not an absolute, cleaned path of at most 1024 bytes; did you mean \"/docs\"?"},
	{"[[export]]\nsubtree = '/a/../b'",
		"f:2: export.subtree: \"/a/../b\" is not an absolute, cleaned path of at most 1024 bytes; did you mean \"/b\"?"},
	{"[[export]]\nanon_uid = -1", "f:2: export.anon_uid: a user is from 0 to 4294967294, not -1"},
	{"[[export]]\nanon_uid = 4294967295", "f:2: export.anon_uid: a user is from 0 to 4294967294, not 4294967295"},
	{"[[export]]\nanon_uid = 99999999999999999999", "f:2: export.anon_uid: a user is from 0 to 4294967294, not 9223372036854775808"},
	{"[[export]]\ndirectory_offsets = 32", "f:2: export.directory_offsets: directory offsets have 31 or 63 bits, not 32"},
	{"[[export]]\n[[export]]", "f:2: export: two exports are named \"/\": the other one is on line 1"},
	{"[[export]]\nname = '/a'\n\n[[export]]\nname = '/a'\nsubtree = '/b'",
		"f:4: export: two exports are named \"/a\": the other one is on line 1"},
	{"[export]\nname = '/'", "f:1: export: each begins with [[export]], in two brackets"},
	{"export = 1", "f:1: export: each begins with [[export]], in two brackets"},
	{"volatile = true\ndurability = 'process'",
		"f:1: volatile: it flushes nothing, so there is no durability to choose: leave out one of the two"},
	{"portmap = ':111'\nregister = true", "f:2: register: a portmapper of its own and a registration with rpcbind: choose one"},
	{"memory = '1MiB'", "f:1: memory: requests cannot do with 1MiB of memory: they take 16MiB at least"},
}
