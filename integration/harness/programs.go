package harness

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// library is a line of ldd that names a file: "NAME => FILE (ADDRESS)" or "FILE (ADDRESS)".
var library = regexp.MustCompile(`(?m)^\s*(?:\S+ => )?(/\S+) \(`)

// HostPrograms returns programs of this machine and all that they are linked with, for a guest: the path in the guest to the
// path here. The programs are in bin there, the libraries where they are here, which is where they are looked for.
func HostPrograms(t testing.TB, names ...string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v; scripts/install.sh installs it", err)
		}
		out, err := exec.Command("ldd", path).CombinedOutput()
		if err != nil {
			t.Fatalf("ldd %s: %v\n%s", path, err, out)
		}
		files[filepath.Join("bin", name)] = path
		for _, m := range library.FindAllStringSubmatch(string(out), -1) {
			files[strings.TrimPrefix(m[1], "/")] = m[1]
		}
	}
	return files
}
