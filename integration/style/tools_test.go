package style

import (
	"strings"
	"testing"
)

// staticcheck is pinned: a newer one may find new faults, on its own day.
const staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"

// builds are the ways in which the module is built, each of which must pass
// vet; the assembly of each platform is checked against its Go declarations.
var builds = []struct {
	os, arch, tags string
}{
	{"linux", "amd64", ""},
	{"linux", "amd64", "invariants"},
	{"linux", "arm64", ""},
	{"linux", "riscv64", ""},
	{"darwin", "arm64", ""},
}

// TestVet is go vet, for every build. The integration tests need Linux.
func TestVet(t *testing.T) {
	for _, b := range builds {
		t.Run(strings.TrimSpace(b.os+" "+b.arch+" "+b.tags), func(t *testing.T) {
			env := []string{"GOOS=" + b.os, "GOARCH=" + b.arch, "CGO_ENABLED=0"}
			args := []string{"vet", "-tags=" + b.tags}
			for _, pkg := range strings.Fields(command(t, env, "go", "list", "./...")) {
				if b.os == "linux" || !strings.HasPrefix(pkg, module+"integration") {
					args = append(args, pkg)
				}
			}
			command(t, env, "go", args...)
		})
	}
}

// TestStaticcheck runs staticcheck over everything.
func TestStaticcheck(t *testing.T) {
	command(t, nil, "go", "run", staticcheck, "./...")
}

// TestModuleTidy demands that go.mod and go.sum are as `go mod tidy` writes them.
func TestModuleTidy(t *testing.T) {
	command(t, nil, "go", "mod", "tidy", "-diff")
}
