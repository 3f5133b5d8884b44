package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
)

// TestServeExports serves exports named by options, and the same by a file, with the file's image and durability.
func TestServeExports(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "fs.img")
	s := serve(t, image, "--size", "64MiB", "--export", "/,squash=none", "--export", "/docs=/srv/docs,ro,squash=all,clients=10.0.0.0/8,secure_port")
	for _, text := range []string{"export / on ", ", read-write, squash none", "export /docs on ", ", read-only, squash all", "cannot be mounted until it is made"} {
		if !strings.Contains(s.out.String(), text) {
			t.Errorf("by options: the output lacks %q:\n%s", text, s.out)
		}
	}
	s.stop()
	file := filepath.Join(dir, "pmemfs.toml")
	text := "image = 'fs.img'\nnfs = '10.255.255.1:1'\ndurability = 'process'\n[[export]]\nname = '/'\n[[export]]\nname = '/docs'\nsubtree = '/srv/docs'\nread_only = true\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s = serve(t, "--config", file) // with --nfs, which counts more than the file's
	for _, text := range []string{"opened " + image, "durability process", "squash root", ", read-only, squash root"} {
		if !strings.Contains(s.out.String(), text) {
			t.Errorf("by the file: the output lacks %q:\n%s", text, s.out)
		}
	}
	s.stop()
	want(t, 0, "check", image)
}

// TestServeRefuses: a command line or file that cannot be meant is refused with a reason, before an image is made.
func TestServeRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"exports": "[[export]]\nname = '/'\n", "typo": "image = 'x'\n[[export]]\nnam = '/'\n", "stack": "nfs_stack = 'knfsd'\n", "weak": "durability = 'process'\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		says string
		args []string
	}{
		{"typo:3: export.nam: unknown key", []string{"--config", "typo"}},
		{"no such file", []string{"--config", "none"}},
		{"knfsd", []string{"--config", "stack"}},
		{"choose one", []string{"--config", "exports", "--export", "/docs"}},
		{"say it with each export", []string{"--config", "exports", "--squash", "none"}},
		{"say it with each export", []string{"--export", "/", "--read-only"}},
		{"unknown option", []string{"--export", "/,quick"}},
		{"two exports are named", []string{"--export", "/", "--export", "/=/x"}},
		{"squash is", []string{"--squash", "some"}},
		{"no network", []string{"--clients", "here"}},
		{"--clients is empty", []string{"--clients", ""}},
		{"--clients is empty", []string{"--clients", "10.0.0.0/8,"}},
		{"give one of the two", []string{"--clients", "10.0.0.5/8"}},
		{"give one of the two", []string{"--export", "/,clients=10.0.0.5/8"}},
		{"--nfs is empty", []string{"--nfs", ""}},
		{"--squash is empty", []string{"--squash", ""}},
		{"--export is empty", []string{"--export", ""}},
		{"--9p is empty", []string{"--9p", ""}},
		{"--9p-users is empty", []string{"--9p-users", ""}},
		{"--config is empty", []string{"--config", ""}},
		{"--portmap is empty", []string{"--portmap", ""}},
		{"no image is named", []string{""}},
		{"such as 127.0.0.1:2049", []string{"--nfs", "127.0.0.1"}},
		{"such as :111", []string{"--portmap", "111"}},
		{"such as :564", []string{"--9p", "564"}},
		{"no durability to choose", []string{"--volatile", "--durability", "process"}},
		{"no durability to choose", []string{"--volatile", "--config", "weak"}},
	} {
		if _, stderr := want(t, 1, append([]string{"serve", "--nfs", "127.0.0.1:0"}, c.args...)...); !strings.Contains(stderr, c.says) {
			t.Errorf("%q: %s, want %q", c.args, stderr, c.says)
		}
	}
	if left, err := filepath.Glob("*.img*"); err != nil || len(left) != 0 {
		t.Errorf("made %q, %v", left, err)
	}
}

// TestDurabilityLine: what is printed at the start does not promise more than the image keeps.
func TestDurabilityLine(t *testing.T) {
	for want, info := range map[string]pmemfs.Info{
		"open for reading only: nothing is written":                            {ReadOnly: true, Domain: "volatile", Durability: "power"},
		"persistence domain volatile (as asked): a power cut loses everything": {Domain: "volatile", DomainReason: "as asked", Durability: "power"},
		"persistence domain page-cache (a file), durability process":           {Domain: "page-cache", DomainReason: "a file", Durability: "process"},
	} {
		if got := durabilityLine(info); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestHelpNamesBoth: who reads what pmemfs is, or how it serves, learns of both protocols.
func TestHelpNamesBoth(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}} {
		if stdout, _ := want(t, 0, args...); !strings.Contains(stdout, "NFSv3") || !strings.Contains(stdout, "9P2000.L") {
			t.Errorf("%q:\n%s", args, stdout)
		}
	}
}
