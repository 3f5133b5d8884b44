package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pmemfs/server/config"
)

// words makes what options or variables say, by the names of keys.
func words(list map[string]string) config.Words {
	w := config.Words{}
	for _, k := range config.Options() {
		if text, there := list[k.Name]; there {
			w[k] = []string{text}
			if k.List {
				w[k] = strings.Fields(text)
			}
		}
	}
	return w
}

// parse reads a file that is right.
func parse(t *testing.T, text string) *config.File {
	t.Helper()
	f, err := config.Parse("f", []byte(text), none)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPrecedence: of each pair of layers the higher one counts, and each value says where it comes from.
func TestPrecedence(t *testing.T) {
	layers := []struct {
		from string
		has  func(int) (file string, environment, options config.Words)
	}{
		{"default", func(int) (string, config.Words, config.Words) { return "", nil, nil }},
		{"f:1", func(n int) (string, config.Words, config.Words) { return fmt.Sprintf("grace = '%ds'\n", n), nil, nil }},
		{"PMEMFS_GRACE", func(n int) (string, config.Words, config.Words) {
			return "", words(map[string]string{"grace": fmt.Sprintf("%ds", n)}), nil
		}},
		{"--grace", func(n int) (string, config.Words, config.Words) {
			return "", nil, words(map[string]string{"grace": fmt.Sprintf("%ds", n)})
		}},
	}
	for mask := range 1 << len(layers) {
		var file string
		var environment, options config.Words
		highest, want := "default", 45*time.Second
		for n, l := range layers {
			if mask>>n&1 == 0 || n == 0 {
				continue
			}
			f, e, o := l.has(n)
			file += f
			if e != nil {
				environment = e
			}
			if o != nil {
				options = o
			}
			highest, want = l.from, time.Duration(n)*time.Second
		}
		f, err := config.Resolve(parse(t, file), environment, options, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Get[time.Duration](f.Server, "grace"); got != want || f.Server["grace"].From.String() != highest {
			t.Errorf("%04b: %v from %s, want %v from %s", mask, got, f.Server["grace"].From, want, highest)
		}
		if over := len(f.Over) > 0; over != (file != "" && highest != "f:1") {
			t.Errorf("%04b: %q", mask, f.Over)
		}
	}
}

// TestResolveImage: the image is that of the argument, the variable, the file, or the default.
func TestResolveImage(t *testing.T) {
	environment, err := config.Environment([]string{"PMEMFS_IMAGE=env.img"})
	if err != nil {
		t.Fatal(err)
	}
	file := parse(t, "image = 'file.img'")
	for _, c := range []struct {
		file        *config.File
		environment config.Words
		image       string
		want, from  string
	}{
		{nil, nil, "", "pmemfs.img", "default"}, {file, nil, "", "file.img", "f:1"}, {file, environment, "", "env.img", "PMEMFS_IMAGE"},
		{file, environment, "arg.img", "arg.img", "argument"}, {nil, nil, "arg.img", "arg.img", "argument"},
	} {
		f, err := config.Resolve(c.file, c.environment, nil, c.image)
		if err != nil {
			t.Fatal(err)
		}
		s := f.Images[0].Settings["path"]
		if config.Get[string](f.Images[0].Settings, "path") != c.want || s.From.String() != c.from {
			t.Errorf("%s from %s, want %s from %s", s.Shown(), s.From, c.want, c.from)
		}
	}
}

// TestResolveMistakes: each says which option or variable is wrong, and all are told.
func TestResolveMistakes(t *testing.T) {
	for _, c := range []struct {
		file                 string
		environment, options map[string]string
		want                 string
	}{
		{"", nil, map[string]string{"grace": "long", "memory": "1"}, "--grace: \"long\" is no time: it is such as \"45s\"\n--memory: requests cannot do with 1 of memory: they take 16MiB at least"},
		{"", map[string]string{"squash": "rot"}, nil, "PMEMFS_SQUASH: squash is root, all or none, not \"rot\"; did you mean root?"},
		{"", map[string]string{"clients": "10.0.0.0/8,x"}, nil, "PMEMFS_CLIENTS: \"x\" is no network: give one such as 10.0.0.0/8, or an address"},
		{"[[export]]\n", nil, map[string]string{"export": "/x"}, "exports are named in the file and by --export: choose one"},
		{"[[export]]\n", map[string]string{"squash": "none"}, nil, "PMEMFS_SQUASH is for the one export that there is when none is named: say it with each export"},
		{"", map[string]string{"read_only": "true"}, map[string]string{"export": "/x"}, "PMEMFS_READ_ONLY is for the one export that there is when none is named: say it with each export"},
		{"", nil, map[string]string{"export": "/x /x"}, "--export: two exports are named \"/x\""},
		{"[[image]]\npath = 'a'\n", map[string]string{"sparse": "true"}, map[string]string{"squash": "none"},
			"PMEMFS_SPARSE is about one image, and the file has several: say it in each [[image]]\n--squash is about one image, and the file has several: say it in each [[image]]"},
		{"durability = 'process'", nil, map[string]string{"volatile": "true"}, "volatile (--volatile) flushes nothing, so there is no durability to choose: leave out volatile, or durability (f:1)"},
		{"", map[string]string{"register": "true", "portmap": ":111"}, nil, "a portmapper of its own and a registration with rpcbind: choose one"},
		{"admin_cert = 'c'\nadmin_key = 'k'", nil, map[string]string{"register": "perhaps"}, "--register: it is true or false, not \"perhaps\""},
	} {
		_, err := config.Resolve(parse(t, c.file), words(c.environment), words(c.options), "")
		if err == nil || err.Error() != c.want {
			t.Errorf("%q, %q, %q:\n%v\nwant\n%s", c.file, c.environment, c.options, err, c.want)
		}
	}
}

// TestTogether: whoever counts more says both of portmap and register.
func TestTogether(t *testing.T) {
	f, err := config.Resolve(parse(t, "portmap = ':111'"), nil, words(map[string]string{"register": "true"}), "")
	if err != nil || config.Get[string](f.Server, "portmap") != "" || !config.Get[bool](f.Server, "register") || len(f.Over) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestEnvironment reads variables: all options have one, a list has spaces, and what is none of ours is left alone or refused.
func TestEnvironment(t *testing.T) {
	w, err := config.Environment([]string{"PATH=/bin", "PMEMFS_9P=:564 unix:/s\t:1", "PMEMFS_EXPORT=/a,ro,clients=10.0.0.0/8 /b", "PMEMFS_CONFIG=a b",
		"PMEMFS_SERVICE_HOST=10.0.0.1", "PMEMFS_SERVICE_PORT=2049", "PMEMFS_SERVICE_PORT_NFS=2049", "PMEMFS_PORT=tcp://10.0.0.1:2049",
		"PMEMFS_PORT_2049_TCP=tcp://10.0.0.1:2049", "PMEMFS_PORT_2049_TCP_ADDR=10.0.0.1", "PMEMFS_PORT_2049_UDP_PROTO=udp",
		"PMEMFS_NFS_SERVICE_HOST=10.0.0.1", "PMEMFS_NFS_SERVICE_PORT_NFS=2049", "PMEMFS_NFS_PORT=tcp://10.0.0.1:2049", "PMEMFS_NFS_PORT_2049_TCP=tcp://10.0.0.1:2049"})
	if err != nil || len(w) != 3 {
		t.Fatalf("%v, %v", w, err)
	}
	for k, texts := range w {
		want := map[string][]string{"9p": {":564", "unix:/s", ":1"}, "export": {"/a,ro,clients=10.0.0.0/8", "/b"}, "config": {"a b"}}[k.Name]
		if !slices.Equal(texts, want) {
			t.Errorf("%s: %q", k.Name, texts)
		}
	}
	_, err = config.Environment([]string{"PMEMFS_NFS=", "PMEMFS_LOGLEVEL=info", "PMEMFS_9P= ", "PMEMFS_PORTMAPP=:111", "PMEMFS_ZZZZZZ=1", "PMEMFS_SECUR_PORT=true"})
	const want = "PMEMFS_9P: it is empty: unset it for the default\nPMEMFS_LOGLEVEL: there is no such variable; did you mean PMEMFS_LOG_LEVEL?\n" +
		"PMEMFS_NFS: it is empty: unset it for the default\nPMEMFS_PORTMAPP: there is no such variable; did you mean PMEMFS_PORTMAP?\nPMEMFS_SECUR_PORT: there is no such variable; did you mean PMEMFS_SECURE_PORT?\nPMEMFS_ZZZZZZ: there is no such variable"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
}

// TestVariables puts variables of the environment into strings.
func TestVariables(t *testing.T) {
	lookup := func(name string) (string, bool) {
		v, set := map[string]string{"A": "a", "NET": "10.0.0.0/8", "NESTED": "${A}"}[name]
		return v, set
	}
	for text, want := range map[string]string{
		"${A}": "a", "/x/${A}/${A}": "/x/a/a", "$${A}": "${A}", "$A": "$A", "${NESTED}": "${A}", "$$": "$$", "x$${A}${A}": "x${A}a", "100$": "100$",
	} {
		f, err := config.Parse("f", []byte("image = '"+text+"'"), lookup)
		if err != nil || config.Get[string](f.Images[0].Settings, "path") != want {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	f, err := config.Parse("f", []byte("[[export]]\nclients = ['${NET}']"), lookup)
	if err != nil || f.Images[0].Exports[0].Clients[0].String() != "10.0.0.0/8" {
		t.Errorf("%v", err)
	}
}

// TestChanges: a key that differs is one change, and so is a table that is new or gone.
func TestChanges(t *testing.T) {
	resolve := func(text string) *config.InForce {
		f, err := config.Resolve(parse(t, text), nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	before := resolve("grace = '1s'\n[[export]]\nname = '/a'\n[[export]]\nname = '/b'\nread_only = true\n[[quota]]\nuser = '7'\nfiles = 1\n")
	next := resolve("grace = '2s'\nlog_level = 'warn'\n[[export]]\nname = '/b'\nread_only = false\n[[export]]\nname = '/c'\n[[quota]]\nuser = '7'\nfiles = 2\nbytes = '1'\n")
	var got []string
	for _, c := range before.Changes(next) {
		got = append(got, fmt.Sprintf("%s: %q %q %v", c.Name, c.Now, c.Next, c.Live))
	}
	want := []string{
		`grace: "1s" "2s" false`, `log_level: "info" "warn" true`, `export "/a": "name=/a" "" true`, `export "/b" read_only: "true" "false" true`,
		`quota "user 7" files: "1" "2" true`, `quota "user 7" bytes: "" "1" true`, `export "/c": "" "name=/c" true`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if c := before.Changes(before); c != nil {
		t.Errorf("%+v", c)
	}
	for _, i := range next.Since(before) {
		if i.Key == "grace" && i.Value != "1s" || i.Key == "log_level" && i.Value != "warn" {
			t.Errorf("%+v", i)
		}
	}
}
