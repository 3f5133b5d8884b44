package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

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
grace = "90s"
no_locks = true
sparse = true
size = "64GiB"
root_owner = "1000:100"
root_mode = "1777"
scrub_every = "0s"
scrub_rate = "1MiB"
log_level = "debug"
log_format = "json"
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
	c, err := config.Read(path, none)
	if err != nil {
		t.Fatal(err)
	}
	image := c.Images[0].Settings
	for _, x := range []struct{ got, want any }{
		{config.Get[string](image, "path"), filepath.Join(dir, "data/fs.img")},
		{config.Get[string](c.Server, "nfs"), "10.0.0.5:2049"},
		{fmt.Sprint(config.List[string](c.Server, "9p")), "[:564 unix:/run/s]"},
		{config.Get[string](c.Server, "9p_users"), filepath.Join(dir, "users")},
		{config.Get[string](image, "control"), filepath.Join(dir, "fs.sock")},
		{config.Get[string](c.Server, "nfs_stack"), "go-nfs"},
		{config.Get[string](image, "durability"), "process"},
		{config.Get[string](c.Server, "portmap"), ":111"},
		{config.Get[time.Duration](c.Server, "grace"), 90 * time.Second},
		{config.Get[bool](c.Server, "no_locks"), true},
		{config.Get[bool](image, "sparse"), true},
		{config.Get[int64](c.Server, "memory"), int64(96 << 20)},
		{config.Get[int64](image, "size"), int64(64 << 30)},
		{config.Get[config.Owner](image, "root_owner"), config.Owner{UID: 1000, GID: 100}},
		{config.Get[uint32](image, "root_mode"), uint32(0o1777)},
		{config.Get[time.Duration](image, "scrub_every"), time.Duration(0)},
		{config.Get[int64](image, "scrub_rate"), int64(1 << 20)},
		{config.Get[string](c.Server, "log_level"), "debug"},
	} {
		if x.got != x.want {
			t.Errorf("%v, want %v", x.got, x.want)
		}
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
	exports := c.Images[0].Exports
	if len(exports) != len(want) {
		t.Fatalf("%d exports", len(exports))
	}
	for i := range want {
		if !exports[i].Same(&want[i]) {
			t.Errorf("%+v, want %+v", exports[i], want[i])
		}
	}
	if docs.Subtree != "/srv/docs" || !docs.ReadOnly || !docs.SecurePort || len(docs.Clients) != 2 || home.Subtree != "/home" {
		t.Errorf("%+v, %+v", docs, home)
	}
	if _, err := config.Read(filepath.Join(dir, "none"), none); !os.IsNotExist(err) {
		t.Errorf("a file that is missing: %v", err)
	}
	if c, err := config.Parse("f", nil, none); err != nil || len(c.Images) != 1 || len(c.Images[0].Settings) != 0 || c.Images[0].Exports != nil {
		t.Errorf("an empty file: %+v, %v", c, err)
	}
}

// none is an environment without variables.
func none(string) (string, bool) { return "", false }

// FuzzParse: no text does worse than an error, of which every part says where it is.
func FuzzParse(f *testing.F) {
	testpart.NotRace(f)
	f.Add(whole)
	f.Add("[[export]]\nclients = [")
	f.Add("[[image]]\npath = 'a'\n[image.limits]\n[[image.snapshots]]\nkeep.last = 1\n[[image.quota]]\nuser = '${USER}'")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("f", []byte(text), func(name string) (string, bool) { return "$" + name, len(name)%2 == 0 })
		if err != nil {
			var mistakes config.Mistakes
			if !errors.As(err, &mistakes) || len(mistakes) == 0 {
				t.Errorf("%T: %v", err, err)
			}
			for _, m := range mistakes {
				if m.File != "f" || m.Line < 1 && len(text) <= 1<<20 || m.Line > strings.Count(text, "\n")+1 {
					t.Errorf("%+v", m)
				}
			}
			return
		}
		var all any
		if err := toml.Unmarshal([]byte(text), &all); err != nil {
			t.Errorf("taken, and no TOML: %v", err)
		}
		for _, i := range c.Images {
			var list []export.Export
			for _, e := range i.Exports {
				list = append(list, e.Export)
			}
			if len(list) == 0 {
				continue
			}
			if _, err := export.NewSet(list); err != nil {
				t.Error(err)
			}
		}
	})
}
