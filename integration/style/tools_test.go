package style

import "testing"

// staticcheck is pinned: a newer one may find new faults, on its own day.
const staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"

// builds are the ways in which the module is built, each of which must pass
// vet; the assembly of each platform is checked against its Go declarations.
var builds = []struct {
	name string
	env  []string
	args []string
}{
	{"linux amd64", []string{"GOOS=linux", "GOARCH=amd64"}, nil},
	{"linux amd64 with invariants", []string{"GOOS=linux", "GOARCH=amd64"}, []string{"-tags=invariants"}},
	{"linux arm64", []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"}, nil},
	{"darwin arm64", []string{"GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0"}, []string{"./cmd/...", "./pmemfs/...", "./server/...", "./billyadapter/..."}},
}

// TestVet is go vet, for every build.
func TestVet(t *testing.T) {
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) {
			args := append([]string{"vet"}, b.args...)
			if len(b.args) < 2 {
				args = append(args, "./...")
			}
			command(t, b.env, "go", args...)
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
