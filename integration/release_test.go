package integration

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// section is how the section of a release begins in CHANGELOG.md.
var section = regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)$`)

// timeOfStep is a line of a script that says how long a step took.
var timeOfStep = regexp.MustCompile(`^ *\d+ ms  `)

// TestRelease makes a release of what is committed twice, in two checkouts at different places, which must be equal. Then strangers take the
// archive and the Debian package from nothing to a file on a filesystem, and an administrator keeps the package as a service.
func TestRelease(t *testing.T) {
	root := harness.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := section.FindSubmatch(text)
	if m == nil {
		t.Fatal("CHANGELOG.md has no section of a release, with a date")
	}
	version := string(m[1])
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a"), filepath.Join(dir, "another", "place", "b")
	inside := filepath.Join(second, "made", "here") // which must not have the binaries say that the checkout was changed
	for checkout, to := range map[string]string{first: first + ".dist", second: inside} {
		command(t, dir, "git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", root, checkout)
		t.Log(command(t, checkout, "scripts/release.sh", version, to))
	}
	sums, err := os.ReadFile(filepath.Join(first+".dist", "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(inside, "SHA256SUMS"))
	if err != nil || string(again) != string(sums) {
		t.Errorf("two checkouts make two releases: %v\n%s\n%s", err, sums, again)
	}
	name := filepath.Join(first+".dist", "pmemfs-"+version+"-linux-"+runtime.GOARCH)
	t.Run("bill of materials", func(t *testing.T) { billOfMaterials(t, name+".cdx.json", version) })
	t.Run("archive", func(t *testing.T) {
		tenMinutes(t, "archive.sh", command(t, dir, filepath.Join(root, "scripts/tenminutes/archive.sh"), name+".tar.gz", filepath.Join(first+".dist", "SHA256SUMS")))
	})
	t.Run("documents", func(t *testing.T) {
		folder := t.TempDir()
		command(t, folder, "tar", "-xzf", name+".tar.gz", "--strip-components=1")
		linksLead(t, folder)
	})
	deb := filepath.Join(first+".dist", "pmemfs_"+version+"_"+runtime.GOARCH+".deb")
	t.Run("package", func(t *testing.T) {
		command(t, dir, "lintian", "--fail-on=error,warning", "--allow-root", deb)
		tenMinutes(t, "package.sh", command(t, dir, filepath.Join(root, "scripts/tenminutes/package.sh"), deb))
	})
	t.Run("service", func(t *testing.T) { packageService(t, deb) })
	t.Run("refused", func(t *testing.T) { releaseRefused(t, first, version) })
}

// timesVariable names a file to which the times of the ten-minute paths are appended; the whole test run prints it.
const timesVariable = "TEST_PMEMFS_TIMES"

// tenMinutes notes the times of a script in scripts/tenminutes.
func tenMinutes(t *testing.T, script, said string) {
	t.Helper()
	times := script + "\n"
	for line := range strings.Lines(said) {
		if timeOfStep.MatchString(line) {
			times += line
		}
	}
	t.Log("\n" + times)
	name := os.Getenv(timesVariable)
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(times)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// command runs a command that must succeed and returns all that it says.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// billOfMaterials looks for the modules of the program in its bill of materials.
func billOfMaterials(t *testing.T, file, version string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Metadata struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name string }
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range bill.Components {
		names = append(names, c.Name)
	}
	list := strings.Join(names, " ")
	if bill.Metadata.Component.Name != "pmemfs" || bill.Metadata.Component.Version != version {
		t.Errorf("of %+v", bill.Metadata)
	}
	for _, want := range []string{"golang.org/x/sys", "github.com/go-git/go-billy/v5", "github.com/willscott/go-nfs", "std"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %s in %s", want, list)
		}
	}
}

// documentLink is a link in a document to a file beside it.
var documentLink = regexp.MustCompile(`\]\(([^)#\s:]+)(?:#[^)\s]*)?\)`)

// linksLead looks for the files that documents link to.
func linksLead(t *testing.T, folder string) {
	links := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range documentLink.FindAllSubmatch(text, -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), string(m[1]))); err != nil {
				t.Errorf("%s: %v", d.Name(), err)
			}
		}
		return err
	})
	if err != nil || links < 100 {
		t.Errorf("%d links, %v", links, err)
	}
}

// releaseRefused asks for releases that would not be what they say.
func releaseRefused(t *testing.T, checkout, version string) {
	for _, c := range []struct{ name, version, says string }{
		{"no version", "", "name the version"},
		{"not a version", "v1", "name the version"},
		{"not in the changelog", "99.0.0", "CHANGELOG.md has no section"},
		{"there already", version, "exists"},
		{"changed", version, "not committed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := checkout + ".dist"
			if c.name == "changed" {
				out = filepath.Join(t.TempDir(), "dist")
				if err := os.WriteFile(filepath.Join(checkout, "new"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("scripts/release.sh", c.version, out)
			cmd.Dir = checkout
			said, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(said), c.says) {
				t.Errorf("%v: %s", err, said)
			}
		})
	}
}

// TestTenMinutes takes the paths of strangers with a checkout, and with the container image.
func TestTenMinutes(t *testing.T) {
	root := harness.Root(t)
	t.Run("folder", func(t *testing.T) {
		tenMinutes(t, "folder.sh", command(t, t.TempDir(), filepath.Join(root, "scripts/tenminutes/folder.sh"), root))
	})
	t.Run("image", func(t *testing.T) {
		cmd := exec.Command(filepath.Join(root, "scripts/tenminutes/image.sh"), "localhost/pmemfs")
		cmd.Env = append(os.Environ(), "RUN="+strings.Join(small, " "), "PODMAN="+harness.ContainersWithImage(t).PodmanCommand())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		tenMinutes(t, "image.sh", string(out))
	})
}
