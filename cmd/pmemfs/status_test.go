package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"pmemfs/server/control"
)

// TestStatus shows how a server is in each form, and says what is the matter where there is none.
func TestStatus(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	_, stderr := want(t, 1, "status", image)
	if !strings.Contains(stderr, "no such file") {
		t.Errorf("without an image: %s", stderr)
	}
	want(t, 0, "mkfs", image, "--size", "16MiB")
	if _, stderr = want(t, 1, "status", image); !strings.Contains(stderr, "no server serves") {
		t.Errorf("without a server: %s", stderr)
	}
	s := serve(t, image)
	defer s.stop()
	table, _ := want(t, 0, "status", image)
	for _, part := range []string{"serving, process", image, "16 MiB: ", "export /", "squash root", "0 bad blocks"} {
		if !strings.Contains(table, part) {
			t.Errorf("the table lacks %q:\n%s", part, table)
		}
	}
	asJSON, _ := want(t, 0, "status", image, "--json")
	asYAML, _ := want(t, 0, "status", image, "-o", "yaml")
	var j, y control.Status
	if err := json.Unmarshal([]byte(asJSON), &j); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(asYAML), &y); err != nil {
		t.Fatal(err)
	}
	if len(j.Images) != 1 || len(y.Images) != 1 || j.PID != y.PID || j.PID == 0 || y.Images[0].UUID != j.Images[0].UUID {
		t.Errorf("JSON %+v, YAML %+v", j, y)
	}
	if out, _ := want(t, 0, "locks", image); out != "no locks\n" {
		t.Errorf("locks: %q", out)
	}
	if out, _ := want(t, 0, "clients", image); out != "no clients\n" {
		t.Errorf("clients: %q", out)
	}
	s.mount()
	if out, _ := want(t, 0, "clients", image); !strings.Contains(out, "127.0.0.1") {
		t.Errorf("clients after a mount: %q", out)
	}
	if out, _ := want(t, 0, "top", image, "--once", "--every", "200ms", "--json"); !strings.Contains(out, `"state": "serving"`) {
		t.Errorf("top: %s", out)
	}
	if out, _ := want(t, 0, "top", image, "--once", "--every", "200ms"); !strings.Contains(out, "127.0.0.1") {
		t.Errorf("top as a table: %s", out)
	}
	for _, args := range [][]string{
		{"top", image, "--json"},
		{"top", image, "--once", "--every", "1ms"},
		{"status", image, "-o", "xml"},
		{"status", image, "--json", "-o", "yaml"},
		{"status", image, "--admin", "127.0.0.1:1"},
		{"status", image, "--admin-token", "x"},
		{"status", "--admin", "127.0.0.1:1"},
		{"locks", image, "--most", "10001"},
	} {
		want(t, 1, args...)
	}
}
