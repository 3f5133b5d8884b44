package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"pmemfs/integration/harness"
)

// deployed is the folder of what is shipped for Prometheus and Grafana.
const deployed = "deploy/prometheus"

// rule is one for Prometheus: it records, or alerts.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

// ruleTests is what promtool tries.
type ruleTests struct {
	Tests []struct {
		Name        string
		Expressions []struct {
			Expr    string
			At      string                    `json:"eval_time"`
			Samples []struct{ Labels string } `json:"exp_samples"`
		} `json:"promql_expr_test"`
	}
}

// shipped reads a file of deploy/prometheus, as text, and as YAML or JSON into what to points to.
func shipped(t *testing.T, name string, to any) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), deployed, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(text)
}

// shippedRules returns all rules.
func shippedRules(t *testing.T) (list []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	shipped(t, "pmemfs.rules.yml", &file)
	for _, g := range file.Groups {
		list = append(list, g.Rules...)
	}
	return list
}

// TestPromtool has Prometheus's own program check the rules and the configuration, and try every alert.
func TestPromtool(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"check", "rules", "pmemfs.rules.yml"}, {"check", "config", "prometheus.yml"}, {"test", "rules", "pmemfs.rules.test.yml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = filepath.Join(harness.Root(t), deployed)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v (it is in Debian's package prometheus)\n%s", strings.Join(args, " "), err, out)
		}
	}
}

var (
	labelUsed  = regexp.MustCompile(`\$labels\.(\w+)`)
	labelGiven = regexp.MustCompile(`(\w+)="`)
)

// TestAlerts holds each alert to a severity and to words that say what it means and what to do, and demands a test in which it fires, and does not just
// before.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var tests ruleTests
	shipped(t, "pmemfs.rules.test.yml", &tests)
	severities := []string{"critical", "warning", "info"}
	for _, r := range shippedRules(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains(severities, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q, not one of %q", r.Alert, r.Labels["severity"], severities)
		}
		var used []string
		for _, name := range []string{"summary", "description", "action"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s has no %s", r.Alert, name)
			}
			for _, m := range labelUsed.FindAllStringSubmatch(r.Annotations[name], -1) {
				used = append(used, m[1])
			}
		}
		labels := tests.fires(t, r.Alert)
		for _, name := range used {
			if !slices.Contains(labels, name) {
				t.Errorf("%s speaks of the label %s, and has %q", r.Alert, name, labels)
			}
		}
	}
}

// fires returns the labels with which an alert fires in the test of its name, after it has not.
func (r *ruleTests) fires(t *testing.T, alert string) (labels []string) {
	t.Helper()
	for _, test := range r.Tests {
		if test.Name != alert || len(test.Expressions) != 2 {
			continue
		}
		var at [2]time.Duration
		var fired [2]string
		for i, e := range test.Expressions {
			d, err := time.ParseDuration(e.At)
			if err != nil {
				t.Fatal(err)
			}
			at[i] = d
			for _, s := range e.Samples {
				if strings.Contains(s.Labels, `alertname="`+alert+`"`) {
					fired[i] = s.Labels
				}
			}
			if e.Expr != `ALERTS{alertstate="firing"}` {
				t.Errorf("the test of %s asks %s, not for all that fire", alert, e.Expr)
			}
		}
		if fired[0] != "" || fired[1] == "" || at[1] <= at[0] || at[1]-at[0] > time.Minute {
			t.Errorf("in its test %s does not fire from %v on, or does at %v", alert, at[1], at[0])
		}
		for _, m := range labelGiven.FindAllStringSubmatch(fired[1], -1) {
			labels = append(labels, m[1])
		}
		return labels
	}
	t.Errorf("there is no test of %s that asks twice", alert)
	return nil
}

// TestRuleFilesIndented: two blanks a level, and no tabulator.
func TestRuleFilesIndented(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pmemfs.rules.yml", "pmemfs.rules.test.yml", "prometheus.yml"} {
		var any any
		for i, line := range strings.Split(shipped(t, name, &any), "\n") {
			if blanks := len(line) - len(strings.TrimLeft(line, " ")); blanks%2 != 0 || strings.Contains(line, "\t") {
				t.Errorf("%s:%d: %d blanks, or a tabulator", name, i+1, blanks)
			}
		}
	}
}

var (
	commandNamed = regexp.MustCompile("`pmemfs ([a-z ]*[a-z])( [^`]*)?`")
	optionNamed  = regexp.MustCompile("`(--[a-z-]+)")
	optionOf     = regexp.MustCompile(`--[a-z-]+`)
)

// TestAlertCommands looks for the commands and options that the alerts name in the program's own help.
func TestAlertCommands(t *testing.T) {
	t.Parallel()
	helps := map[string]string{}
	knows := func(alert, command, option string) {
		t.Helper()
		if helps[command] == "" {
			helps[command] = harness.MustRun(t, "", append([]string{"help"}, strings.Fields(command)...)...).Stdout
		}
		if !strings.Contains(helps[command], "pmemfs "+command) || !strings.Contains(helps[command], option+" ") {
			t.Errorf("%s names pmemfs %s %s, which its help does not know", alert, command, option)
		}
	}
	for _, r := range shippedRules(t) {
		text := r.Annotations["description"] + " " + r.Annotations["action"]
		for _, m := range commandNamed.FindAllStringSubmatch(text, -1) {
			knows(r.Alert, m[1], "")
			for _, option := range optionOf.FindAllString(m[2], -1) {
				knows(r.Alert, m[1], option)
			}
		}
		for _, m := range optionNamed.FindAllStringSubmatch(text, -1) {
			if option := m[1]; option != "--repair" { // of check, named before
				knows(r.Alert, "serve", option)
			}
		}
	}
}
