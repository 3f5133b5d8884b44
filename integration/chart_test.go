package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"pmemfs/integration/harness"
)

// Helm and the program that holds manifests to schemas. Of Helm, what Kubernetes generates is most; unoptimized, it builds in two thirds of the time.
const (
	helmModule        = "helm.sh/helm/v3/cmd/helm@v3.22.0"
	kubeconformModule = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"
	kubeVersion       = "1.37.2"
)

// chartTool runs a program at the module's root.
func chartTool(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = harness.Root(t)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// buildHelm builds helm into a folder.
func buildHelm(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	cmd := exec.Command("go", "install", "-gcflags=k8s.io/...=-N -l", helmModule)
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go install %s: %v\n%s", helmModule, err, out)
	}
	return filepath.Join(bin, "helm")
}

// TestChart has helm find no fault with the chart, and render it for several sets of values. What it renders fits the schemas of Kubernetes, and its
// containers run by podman with the very arguments, variables and files that the manifests name.
func TestChart(t *testing.T) {
	t.Parallel()
	helm := buildHelm(t)
	variants, err := filepath.Glob(filepath.Join(harness.Root(t), "integration/chart/values/*.yaml"))
	if err != nil || len(variants) < 7 {
		t.Fatalf("%d sets of values, %v", len(variants), err)
	}
	rendered := make(map[string]string)
	dir := t.TempDir()
	for _, values := range variants {
		name := strings.TrimSuffix(filepath.Base(values), ".yaml")
		if out, err := chartTool(t, helm, "lint", "--strict", "deploy/helm/pmemfs", "--values", values, "--kube-version", kubeVersion); err != nil {
			t.Errorf("%s: helm lint: %v\n%s", name, err, out)
		}
		out, err := chartTool(t, helm, "template", "demo", "deploy/helm/pmemfs", "--namespace", "storage", "--kube-version", kubeVersion, "--values", values)
		if err != nil {
			t.Fatalf("%s: helm template: %v\n%s", name, err, out)
		}
		rendered[name] = out
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	documented(t, helm, filepath.Join(dir, "documented.yaml"))
	if out, err := chartTool(t, "go", "run", kubeconformModule, "-strict", "-schema-location", "integration/chart/schemas/{{.ResourceKind}}.json", dir); err != nil {
		t.Errorf("kubeconform: %v\n%s", err, out)
	}
	t.Run("refused", func(t *testing.T) { refusedValues(t, helm) })
	for name, text := range rendered {
		t.Run(name, func(t *testing.T) { runManifest(t, name, text) })
	}
}

// documented writes the manifests of docs/kubernetes.md to a file, for the same schemas, and has helm render the values that it has.
func documented(t *testing.T, helm, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs/kubernetes.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	values := 0
	for i, block := range strings.Split(string(text), "\n```") {
		block, isYAML := strings.CutPrefix(block, "yaml\n")
		if !isYAML || i%2 == 0 {
			continue
		}
		if strings.HasPrefix(block, "apiVersion: ") {
			found = append(found, block)
			continue
		}
		values++
		path := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(path, []byte(block), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := chartTool(t, helm, "template", "demo", "deploy/helm/pmemfs", "--kube-version", kubeVersion, "--values", path); err != nil {
			t.Errorf("docs/kubernetes.md: %v\n%s\n%s", err, block, out)
		}
	}
	if values < 2 {
		t.Errorf("docs/kubernetes.md has %d examples of values", values)
	}
	all := strings.Join(found, "\n---\n")
	for _, kind := range []string{"PersistentVolume", "PersistentVolumeClaim"} {
		if !strings.Contains(all, "kind: "+kind+"\n") {
			t.Errorf("docs/kubernetes.md has no %s", kind)
		}
	}
	if err := os.WriteFile(file, []byte(all+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// refusedValues are those that would make no server, and what is said of them.
func refusedValues(t *testing.T, helm string) {
	for values, text := range map[string]string{
		"squash=rot":                                    "at '/squash': value must be one of 'none', 'root', 'all'",
		"nfs.port=2050":                                 "additional properties 'nfs' not allowed",
		"medium.size=64Gi":                              "at '/medium/size': '64Gi' does not match pattern",
		"medium.pvc.size=64GiB":                         "at '/medium/pvc/size': '64GiB' does not match pattern",
		"medium.size=64GiB":                             "medium.pvc.size: an image of 64GiB needs a claim that is a little larger than that, and not 2Gi",
		"medium.size=2048MiB":                           "medium.pvc.size: an image of 2048MiB needs",
		"medium.type=disk":                              "at '/medium/type': value must be one of 'pvc', 'devdax'",
		"nineP.port=564":                                "at '/nineP/port': minimum: got 564, want 1,024",
		"nineP.enabled=true,nineP.port=2049":            "nineP.port: NFS has port 2049",
		"nineP.enabled=true,nineP.port=9049":            "nineP.port: the admin port has port 9049",
		"clients={example.com}":                         "at '/clients/0': 'example.com' does not match pattern",
		"clients={10}":                                  "at '/clients/0': got number, want string",
		"clients={10.0.0.300}":                          "clients: 10.0.0.300 is no network",
		"clients={10.0.0.0/33}":                         "clients: 10.0.0.0/33 is no network",
		"clients={10.0.0.1/8}":                          "clients: 10.0.0.1/8 is an address in a network",
		"clients={fd00::1::2}":                          "clients: fd00::1::2 is no network",
		"clients={fd00::/129}":                          "clients: fd00::/129 is no network",
		"config=[[export]],clients={10.0.0.0/8}":        "clients is for the one export that there is when config has no [[export]]",
		`config= [["export"]] ,squash=all`:              "squash is for the one export that there is when config has no [[export]]",
		"config=[[image]]":                              "config: [[image]] is not possible here",
		`config=admin_cert = "/data/cert"`:              "config: say admin.tlsSecret",
		"service.clusterIP=None":                        "at '/service/clusterIP': 'None' does not match pattern",
		"service.loadBalancerIP=192.0.2.256":            "service.loadBalancerIP: 192.0.2.256 is no address",
		"service.loadBalancerSourceRanges={10.0.0.1}":   "at '/service/loadBalancerSourceRanges/0': '10.0.0.1' does not match pattern",
		"fullnameOverride=My_App":                       "at '/fullnameOverride': 'My_App' does not match pattern",
		"nameOverride=my.app":                           "at '/nameOverride': 'my.app' does not match pattern",
		"admin.tlsSecret=My_Secret":                     "at '/admin/tlsSecret': 'My_Secret' does not match pattern",
		"podLabels.team=a b":                            "at '/podLabels/team': 'a b' does not match pattern",
		`podLabels.app\.kubernetes\.io/name=mine`:       "podLabels: the chart itself sets app.kubernetes.io/name",
		"podAnnotations.checksum/config=mine":           "podAnnotations: restartOnConfig sets checksum/config",
		"medium.type=devdax":                            "devdax needs nodeSelector, or medium.devdax.resource",
		"serviceMonitor.enabled=true":                   "serviceMonitor.enabled needs admin.expose",
		"admin.expose=true,serviceMonitor.enabled=true": "serviceMonitor.enabled needs networkPolicy.monitoring",
		`prometheusRule.enabled=true,prometheusRule.labels.helm\.sh/chart=mine`: "prometheusRule.labels: the chart itself sets helm.sh/chart",
		"terminationGracePeriodSeconds=5":                                       "at '/terminationGracePeriodSeconds': minimum: got 5, want 15",
		"admin.expose=true,admin.tokenSecret=token":                             "needs admin.tlsSecret",
	} {
		out, err := chartTool(t, helm, "template", "demo", "deploy/helm/pmemfs", "--kube-version", kubeVersion, "--set", values)
		if err == nil || !strings.Contains(out, text) {
			t.Errorf("%s: %v, want %q in\n%s", values, err, text, out)
		}
	}
	// Helm takes the name of this release, and Kubernetes would take no Service that is named after it.
	out, err := chartTool(t, helm, "template", "1.demo", "deploy/helm/pmemfs", "--kube-version", kubeVersion)
	if err == nil || !strings.Contains(out, `"1.demo-pmemfs" is no name of a Service`) {
		t.Errorf("a release 1.demo: %v\n%s", err, out)
	}
}

// TestChartRules holds the chart's rules of Prometheus to those that are tested.
func TestChartRules(t *testing.T) {
	root := harness.Root(t)
	tested, err := os.ReadFile(filepath.Join(root, "deploy/prometheus/pmemfs.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(filepath.Join(root, "deploy/helm/pmemfs/files/pmemfs.rules.yml"))
	if err != nil || string(copied) != string(tested) {
		t.Errorf("deploy/helm/pmemfs/files/pmemfs.rules.yml is no copy of deploy/prometheus/pmemfs.rules.yml (%v)", err)
	}
}

// manifest is what a test needs of any kind.
type manifest struct {
	Kind string            `json:"kind"`
	Data map[string]string `json:"data"`
	Spec struct {
		Template struct {
			Spec struct {
				SecurityContext struct {
					RunAsUser  *int64 `json:"runAsUser"`
					RunAsGroup *int64 `json:"runAsGroup"`
				} `json:"securityContext"`
				Containers []container `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

type container struct {
	Args           []string                           `json:"args"`
	Env            []struct{ Name, Value string }     `json:"env"`
	StartupProbe   probe                              `json:"startupProbe"`
	LivenessProbe  probe                              `json:"livenessProbe"`
	ReadinessProbe probe                              `json:"readinessProbe"`
	VolumeMounts   []struct{ Name, MountPath string } `json:"volumeMounts"`
}

type probe struct {
	Exec struct {
		Command []string `json:"command"`
	} `json:"exec"`
}

// runManifest runs the container of the rendered StatefulSet by podman, in a network of its own, until its probes are content.
func runManifest(t *testing.T, name, text string) {
	var set, config manifest
	for _, document := range strings.Split(text, "\n---\n") {
		var m manifest
		if err := yaml.Unmarshal([]byte(document), &m); err != nil {
			t.Fatal(err)
		}
		switch m.Kind {
		case "StatefulSet":
			set = m
		case "ConfigMap":
			config = m
		}
	}
	pod := set.Spec.Template.Spec
	if len(pod.Containers) != 1 {
		t.Fatalf("%d containers", len(pod.Containers))
	}
	c := pod.Containers[0]
	name = "chart-" + name
	args := []string{"run", "--detach", "--name", name, "--network", "none", "--read-only"}
	user := "1000680000:0" // of OpenShift's choice
	if pod.SecurityContext.RunAsUser != nil {
		user = fmt.Sprint(*pod.SecurityContext.RunAsUser, ":0")
	}
	args = append(args, "--user", user)
	for _, e := range c.Env {
		value := e.Value
		if e.Name == "PMEMFS_IMAGE" && strings.HasPrefix(value, "/dev/") {
			// There is no such device here: a file of another volume stands in for it.
			value = "/data/pmemfs.img"
			args = append(args, "--volume", name+":/data", "--env", "PMEMFS_SIZE=64MiB")
		}
		args = append(args, "--env", e.Name+"="+value)
	}
	for _, m := range c.VolumeMounts {
		args = append(args, manifestVolume(t, name, m.Name, m.MountPath, config.Data)...)
	}
	containers := harness.ContainersWithImage(t)
	containers.Podman(slices.Concat(args, small, []string{"pmemfs"}, c.Args)...)
	t.Cleanup(func() { containers.Podman("rm", "--force", "--volumes", "--time", "20", name) })
	waitForLog(t, containers, name)
	for _, p := range []probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		containers.Podman(slices.Concat([]string{"exec", name}, p.Exec.Command)...)
	}
	stopContainer(t, containers, name)
}

// manifestVolume returns podman's arguments for a volume of the pod.
func manifestVolume(t *testing.T, container, name, path string, config map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	switch name {
	case "data":
		return []string{"--volume", container + ":" + path}
	case "device":
		return nil
	case "run":
		return []string{"--mount", "type=tmpfs,tmpfs-mode=1777,destination=" + path}
	case "tls":
		config = map[string]string{"tls.crt": "", "tls.key": ""}
		config["tls.crt"], config["tls.key"] = selfSigned(t)
	case "token":
		config = map[string]string{"token": "0123456789abcdef0123456789abcdef\n"}
	case "config":
	default:
		t.Fatalf("the pod has a volume %q", name)
	}
	for file, text := range config {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"--volume", dir + ":" + path + ":ro"}
}

// waitForLog waits until a container says that it serves.
func waitForLog(t *testing.T, containers *harness.Containers, name string) {
	t.Helper()
	for deadline := time.Now().Add(harness.Patience); !strings.Contains(containers.Logs(name), "Ctrl-C stops"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) || containers.Podman("inspect", "--format", "{{.State.Running}}", name) != "true" {
			t.Fatalf("%s does not serve: %s", name, containers.Logs(name))
		}
	}
}
