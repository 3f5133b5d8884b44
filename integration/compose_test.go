package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"pmemfs/integration/harness"
)

// composeModule has the schema of compose files.
const composeModule = "github.com/compose-spec/compose-go/v2@v2.16.2"

// composeService is what a test needs of a service.
type composeService struct {
	Image       string            `json:"image"`
	ReadOnly    bool              `json:"read_only"`
	CapDrop     []string          `json:"cap_drop"`
	SecurityOpt []string          `json:"security_opt"`
	Environment map[string]string `json:"environment"`
	Healthcheck struct {
		Test []string `json:"test"`
	} `json:"healthcheck"`
}

// TestCompose holds the compose file to the specification's schema, runs its server by podman with what the file says, and has Prometheus' own tool check the
// configuration beside it. The client mounts by the options that other tests mount with.
func TestCompose(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(harness.Root(t), "deploy/compose")
	text, err := os.ReadFile(filepath.Join(folder, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	if err := composeSchema(t).Validate(document); err != nil {
		t.Errorf("compose.yaml: %v", err)
	}
	if options := mountOptions(2049); !strings.Contains(string(text), options) {
		t.Errorf("the tests mount with %s", options)
	}
	var file struct {
		Services map[string]composeService `json:"services"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	runCompose(t, file.Services["server"])

	dir := t.TempDir()
	for _, source := range []string{"deploy/compose/prometheus.yml", "deploy/prometheus/pmemfs.rules.yml"} {
		text, err := os.ReadFile(filepath.Join(harness.Root(t), source))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(source)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("promtool", "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// composeSchema returns the schema of compose files, of the module that Docker reads them with.
func composeSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	if out, err := exec.Command("go", "mod", "download", composeModule).CombinedOutput(); err != nil {
		t.Fatalf("go mod download %s: %v\n%s", composeModule, err, out)
	}
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(strings.TrimSpace(string(cache)), composeModule, "schema/compose-spec.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// runCompose runs the server in a network of its own, until its health check is content.
func runCompose(t *testing.T, s composeService) {
	t.Helper()
	args := []string{"run", "--detach", "--name", "compose", "--network", "none", "--volume", "compose:/data"}
	if s.ReadOnly {
		args = append(args, "--read-only")
	}
	for _, c := range s.CapDrop {
		args = append(args, "--cap-drop", c)
	}
	for _, o := range s.SecurityOpt {
		args = append(args, "--security-opt", strings.TrimSuffix(o, ":true"))
	}
	for name, value := range s.Environment {
		args = append(args, "--env", name+"="+value)
	}
	containers := harness.ContainersWithImage(t)
	containers.Podman(slices.Concat(args, small, []string{s.Image})...)
	t.Cleanup(func() { containers.Podman("rm", "--force", "--ignore", "--volumes", "--time", "20", "compose") })
	waitForLog(t, containers, "compose")
	if len(s.Healthcheck.Test) == 0 || s.Healthcheck.Test[0] != "CMD" {
		t.Fatalf("the health check is %q", s.Healthcheck.Test)
	}
	containers.Podman(slices.Concat([]string{"exec", "compose"}, s.Healthcheck.Test[1:])...)
	stopContainer(t, containers, "compose")
}
