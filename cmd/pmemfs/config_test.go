package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/server/control"
)

// write makes a file.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestConfigInit: what is printed is a file that can be checked, and whose schema is JSON.
func TestConfigInit(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"config", "init"}, {"config", "init", "--several"}} {
		stdout, _ := want(t, 0, args...)
		write(t, "made.toml", stdout)
		if stdout, _ := want(t, 0, "config", "check", "made.toml"); !strings.Contains(stdout, "made.toml: no mistakes; it would serve on 127.0.0.1:2049") || !strings.Contains(stdout, "export /\n") {
			t.Errorf("check: %s", stdout)
		}
	}
	if stdout, _ := want(t, 0, "config", "schema"); !json.Valid([]byte(stdout)) || !strings.Contains(stdout, `"log_level"`) {
		t.Errorf("schema: %s", stdout)
	}
}

// TestConfigCheck: all mistakes of a file are printed, those of the server's too, and no image is touched.
func TestConfigCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "bad.toml", "image = 'none/x.img'\nlog_levle = 'info'\n[[export]]\nsquash = 'al'\n")
	stdout, stderr := want(t, 1, "config", "check", "bad.toml")
	if stdout != "bad.toml:2: log_levle: unknown key; did you mean log_level?\nbad.toml:4: export.squash: squash is root, all or none, not \"al\"; did you mean all?\n" || stderr != "pmemfs: bad.toml: 2 mistakes\n" {
		t.Errorf("%s%s", stdout, stderr)
	}
	stdout, _ = want(t, 1, "config", "check", "bad.toml", "--json")
	var report struct{ Mistakes []reportedMistake }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || len(report.Mistakes) != 2 || report.Mistakes[0] != (reportedMistake{"bad.toml", 2, "log_levle", "unknown key; did you mean log_level?"}) {
		t.Errorf("%v: %s", err, stdout)
	}
	write(t, "strangers.toml", "[[quota]]\nuser = 'no-such-a'\nfiles = 1\n[[quota]]\ngroup = 'no-such-b'\nfiles = 1\n")
	const strangers = "strangers.toml:2: quota.user: user: unknown user no-such-a\nstrangers.toml:5: quota.group: group: unknown group no-such-b\n"
	if stdout, stderr := want(t, 1, "config", "check", "strangers.toml"); stdout != strangers || stderr != "pmemfs: strangers.toml: 2 mistakes\n" {
		t.Errorf("%s%s", stdout, stderr)
	}
	if _, stderr := want(t, 1, "serve", "none/x.img", "--config", "strangers.toml", "--nfs", "127.0.0.1:0", "--admin", "off"); !strings.Contains(stderr, "no-such-a") || !strings.Contains(stderr, "no-such-b") {
		t.Errorf("serve: %s", stderr)
	}
	write(t, "strangers.toml", "[[quota]]\nuser = 'no-such-a'\nfiles = 1\n[[quota]]\ngroup = 'no-such-b'\nfiles = 1\n[[export]]\n[[export]]\n")
	if stdout, _ := want(t, 1, "config", "check", "strangers.toml"); stdout != strangers+"strangers.toml:8: export: two exports are named \"/\": the other one is on line 7\n" {
		t.Errorf("%s", stdout)
	}
	write(t, "users.toml", "9p_users = 'nobody'\n")
	if stdout, stderr := want(t, 1, "config", "check", "users.toml"); !strings.Contains(stdout, "nobody/passwd") || stderr != "pmemfs: users.toml: 1 mistake\n" {
		t.Errorf("%s%s", stdout, stderr)
	}
	write(t, "users.toml", "9p_users = 'nobody'\nadmin_token = 'none'\nadmin_cert = 'c'\nadmin_key = 'k'\n")
	if stdout, stderr := want(t, 1, "config", "check", "users.toml"); strings.Count(stdout, "users.toml: ") != 3 || stderr != "pmemfs: users.toml: 3 mistakes\n" {
		t.Errorf("%s%s", stdout, stderr)
	}
	write(t, "good.toml", "image = 'x.img'\n[[export]]\nname = '/d'\nread_only = true\n[[snapshots]]\nevery = '1h'\nkeep = {last = 1}\n[[quota]]\nuser = '7'\nfiles = 1\n")
	if stdout, _ := want(t, 0, "config", "check", "good.toml"); stdout != "good.toml: no mistakes; it would serve on 127.0.0.1:2049\n  image x.img\n    export /d,ro\n    snapshots auto- every 1h0m0s\n    quota of user 7\n" {
		t.Errorf("%s", stdout)
	}
	if left, err := filepath.Glob("*.img*"); err != nil || len(left) != 0 {
		t.Errorf("left %q, %v", left, err)
	}
}

// TestConfigShow: each value says where it comes from, and the highest layer counts.
func TestConfigShow(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "f.toml", "log_level = 'warn'\nlog_format = 'json'\ngrace = '9s'\nimage = 'x.img'\nadmin_token = '/secret'\n")
	t.Setenv("PMEMFS_LOG_FORMAT", "text")
	t.Setenv("PMEMFS_GRACE", "8s")
	t.Setenv("PMEMFS_CONFIG", "f.toml")
	t.Setenv("PMEMFS_9P", ":1 unix:/s")
	stdout, _ := want(t, 0, "config", "show", "--grace", "7s", "--json")
	var reply control.ConfigurationReply
	if err := json.Unmarshal([]byte(stdout), &reply); err != nil || reply.File != "f.toml" {
		t.Fatalf("%v: %s", err, stdout)
	}
	for key, is := range map[string][2]string{
		"log_level": {"warn", "f.toml:1"}, "log_format": {"text", "PMEMFS_LOG_FORMAT"}, "grace": {"7s", "--grace"}, "nfs": {"127.0.0.1:2049", "default"},
		"9p": {":1 unix:/s", "PMEMFS_9P"}, "config": {"f.toml", "PMEMFS_CONFIG"}, "image": {"x.img", "f.toml:4"}, "squash": {"root", "default"},
	} {
		found := false
		for _, v := range reply.Values {
			if v.Key == key && [2]string{v.Value, v.From} == is {
				found = true
			}
		}
		if !found {
			t.Errorf("%s is not %q:\n%s", key, is, stdout)
		}
	}
	if stdout, _ := want(t, 0, "config", "show"); !strings.Contains(stdout, "grace") || !strings.Contains(stdout, "PMEMFS_GRACE") {
		t.Errorf("%s", stdout)
	}
	t.Setenv("PMEMFS_LOG_LEVLE", "info")
	t.Setenv("PMEMFS_PORT_2049_TCP", "tcp://10.0.0.1:2049") // of Kubernetes
	if _, stderr := want(t, 1, "config", "show"); stderr != "pmemfs: PMEMFS_LOG_LEVLE: there is no such variable; did you mean PMEMFS_LOG_LEVEL?\n" {
		t.Errorf("%s", stderr)
	}
}

// TestReload has a server read its file anew: what can be applied is, the rest is named, and a mistake changes nothing.
func TestReload(t *testing.T) {
	t.Chdir(t.TempDir())
	const file = "[[export]]\nname = '/'\n"
	write(t, "f.toml", file)
	s := serve(t, "fs.img", "--size", "64MiB", "--config", "f.toml")
	if stdout, _ := want(t, 0, "reload", "fs.img"); stdout != "reloaded: nothing has changed\n" {
		t.Errorf("%s", stdout)
	}
	write(t, "f.toml", "grace = '9s'\nlog_level = 'debug'\nnfs = '127.0.0.1:1'\n"+file+"[[export]]\nname = '/docs'\nread_only = true\n[[snapshots]]\nevery = '1h'\nkeep = {last = 1}\n")
	stdout, _ := want(t, 0, "reload", "fs.img", "--control", "fs.img.sock")
	for _, line := range []string{
		"applied: log_level is debug; it was info\n", "applied: fs.img: export \"/docs\" is new: name=/docs read_only=true\n",
		"applied: fs.img: snapshots \"auto-\" is new: every=1h\n", "at the next start: grace is 9s; it was 45s\n",
		"overridden: --nfs counts more than nfs of the file\n",
	} {
		if !strings.Contains(stdout, line) {
			t.Errorf("it does not say %q:\n%s", line, stdout)
		}
	}
	if strings.Contains(stdout, "127.0.0.1:1") {
		t.Errorf("what is overridden counts:\n%s", stdout)
	}
	stdout, _ = want(t, 0, "config", "show", "fs.img", "--json")
	if strings.Contains(stdout, `"9s"`) {
		t.Errorf("what counts at the next start counts:\n%s", stdout)
	}
	for _, text := range []string{`"f.toml:2"`, `"--nfs"`, `"of": "/docs"`} {
		if !strings.Contains(stdout, text) {
			t.Errorf("show lacks %s:\n%s", text, stdout)
		}
	}
	if stdout, _ := want(t, 0, "reload", "--control", "fs.img.sock"); !strings.Contains(stdout, "at the next start: grace is 9s; it was 45s\n") {
		t.Errorf("%s", stdout)
	}
	want(t, 1, "reload", "--control", "none.sock")
	write(t, "f.toml", file+"squash = 'nobody'\n")
	if _, stderr := want(t, 1, "reload", "fs.img"); !strings.Contains(stderr, "f.toml:3: export.squash: squash is root, all or none") {
		t.Errorf("%s", stderr)
	}
	write(t, "f.toml", file+"squash = 'nobody'\n\nclients = ['x']\n")
	const mistakes = "f.toml:3: export.squash: squash is root, all or none, not \"nobody\"\nf.toml:5: export.clients: \"x\" is no network: give one such as 10.0.0.0/8, or an address\n"
	if stdout, stderr := want(t, 1, "reload", "fs.img"); stdout != mistakes || stderr != "pmemfs: not reloaded, everything stays as it was: 2 mistakes\n" {
		t.Errorf("%s%s", stdout, stderr)
	}
	if again, _ := want(t, 0, "config", "show", "fs.img", "--json"); again != stdout {
		t.Errorf("a mistake has changed something:\n%s", again)
	}
	s.stop()
	if _, stderr := want(t, 1, "reload", "fs.img"); !strings.Contains(stderr, "no server serves fs.img") {
		t.Errorf("%s", stderr)
	}
	want(t, 0, "check", "fs.img")
}
