package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs/testpart"
	"pmemfs/server/config"
	"pmemfs/server/export"
)

const whole = `
# what the README shows, and a little more
image = "data/fs.img"
nfs = "10.0.0.5:2049"
9p = [":564", "unix:/run/s"]
9p_users = "users"
control = "fs.sock"
nfs_stack = "go-nfs"
durability = "process"
portmap = ":111"
register = true
grace = "90s"
no_locks = true
sparse = true
memory = "96MiB"

[[export]]
name = "/"

[[export]]
name = "/docs"
subtree = "/srv/docs"
read_only = true
squash = "all"
anon_uid = 4294967294
anon_gid = 0
clients = ["10.0.0.0/8", "fd00::1"]
secure_port = true
directory_offsets = 31

[[export]]
name = "/home"
squash = "none"
`

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pmemfs.toml")
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Image != filepath.Join(dir, "data/fs.img") || c.NFS != "10.0.0.5:2049" || !slices.Equal(c.NineP, []string{":564", "unix:/run/s"}) || c.NinePUsers != filepath.Join(dir, "users") || c.Control != filepath.Join(dir, "fs.sock") || c.NFSStack != "go-nfs" || c.Durability != "process" ||
		c.Portmap != ":111" || !c.Register || c.Grace == nil || *c.Grace != 90*time.Second || !c.NoLocks || !c.Sparse || c.Memory != 96<<20 {
		t.Errorf("%+v", c)
	}
	docs, err := config.ParseExport("/docs=/srv/docs,ro,squash=all,anon_uid=4294967294,anon_gid=0,clients=10.0.0.0/8,clients=fd00::1,secure_port,directory_offsets=31")
	if err != nil {
		t.Fatal(err)
	}
	home, err := config.ParseExport("/home,rw,squash=none")
	if err != nil {
		t.Fatal(err)
	}
	want := []export.Export{export.Default(), docs, home}
	if len(c.Exports) != len(want) {
		t.Fatalf("%d exports", len(c.Exports))
	}
	for i := range want {
		if !c.Exports[i].Same(&want[i]) {
			t.Errorf("%+v, want %+v", c.Exports[i], want[i])
		}
	}
	if docs.Subtree != "/srv/docs" || !docs.ReadOnly || !docs.SecurePort || len(docs.Clients) != 2 || home.Subtree != "/home" {
		t.Errorf("%+v, %+v", docs, home)
	}
	if _, err := config.Read(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a file that is missing: %v", err)
	}
	if c, err := config.Parse(nil); err != nil || c.Image != "" || c.Exports != nil {
		t.Errorf("an empty file: %+v, %v", c, err)
	}
}

// TestMistakes: the message has the line and the key, and says what is wrong.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"imag = 'x'", "1: imag: unknown key"},
		{"\n[[export]]\nname = '/'\nreadonly = true", "4: export.readonly: unknown key"},
		{"[nfs]\nport = 1", "2: nfs.port: unknown key"},
		{"image = 'x'\nnfs = 2049", "2: nfs: text in quotes"},
		{"9p = [564]", "1: 9p: text in quotes"},
		{"[[export]]\nread_only = 'yes'", "2: export.read_only: "},
		{"[[export]]\nread_only = 1", "2: export.read_only: "},
		{"[[export]]\nanon_uid = -1", "2: export.anon_uid: "},
		{"[[export]]\nanon_uid = 4294967296", "2: export.anon_uid: "},
		{"[[export]]\nsquash = 'some'", "2: export.squash: squash is none, root or all"},
		{"[[export]]\nclients = '10.0.0.0/8'", "2: export.clients: "},
		{"[[export]]\nclients = ['10.0.0.0/99']", "2: export.clients: "},
		{"image = ''", "1: image: empty"},
		{"nfs = ''", "1: nfs: empty"},
		{"9p = ['']", "1: 9p: empty"},
		{"9p_users = ''", "1: 9p_users: empty"},
		{"control = ''", "1: control: empty"},
		{"nfs_stack = ''", "1: nfs_stack: empty"},
		{"portmap = ''", "1: portmap: empty"},
		{"durability = ''", "1: durability: "},
		{"grace = ''", "1: grace: "},
		{"[[export]]\nname = ''", "2: export.name: empty"},
		{"[[export]]\nsubtree = ''", "2: export.subtree: empty"},
		{"[[export]]\nsquash = ''", "2: export.squash: "},
		{"[[export]]\nclients = ['']", "2: export.clients: "},
		{"[[export]]\nclients = []", "2: export.clients: an empty list"},
		{"\n9p = []", "2: 9p: an empty list"},
		{"image = 'x'\n[export]\nclients = ['10.0.0.0/8']", "2: export: "},
		{"[export]", "1: export: "},
		{"9p = ':564'", "1: 9p: a value of another kind is wanted: a list in brackets"},
		{"register = 'yes'", "1: register: a value of another kind is wanted: true or false"},
		{"\ngrace = 45", "2: grace: "},
		{"[[export]]\nclients = ['10.0.0.5/8']", "2: export.clients: \"10.0.0.5/8\" is an address in the network 10.0.0.0/8"},
		{"\nImage = 'x'", "2: Image: unknown key"},
		{"[[export]]\nname = '/'\nClients = ['10.0.0.0/8']", "3: export.Clients: unknown key"},
		{"[[Export]]\nname = '/'", "1: Export: unknown key"},
		{"grace = 'long'", "1: grace: \"long\" is no time"},
		{"memory = '0'", "1: memory: \"0\" is not a size"},
		{"durability = 'hope'", "1: durability: durability is power or process"},
		{"image = 'a'\nimage = 'b'", "2: image: "},
		{"image = 'a", "1: image: "},
		{"\n\n=", "3: "},
		{"export = 1", "1: export: "},
		{"[[export]]\nname = 'docs'", "not an absolute, cleaned path"},
		{"[[export]]\n[[export]]", "two exports are named"},
		{"# " + strings.Repeat("x", 1<<20), "larger than"},
		{"[[export]]\nname = '/docs'\ndirectory_offsets = 32", "\"/docs\": directory offsets have 31 or 63 bits, not 32"},
	} {
		_, err := config.Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: %v, want %q", c.text, err, c.want)
		}
	}
}

// FuzzParse: no text does worse than an error.
func FuzzParse(f *testing.F) {
	testpart.NotRace(f)
	f.Add(whole)
	f.Add("[[export]]\nclients = [")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse([]byte(text))
		if err == nil && len(c.Exports) > 0 {
			if _, err := export.NewSet(c.Exports); err != nil {
				t.Error(err)
			}
		}
	})
}
