package metrics

import (
	"os/exec"
	"strings"
	"testing"

	"pmemfs/server/traffic"
)

// TestPromtool has Prometheus's own program check a scrape.
func TestPromtool(t *testing.T) {
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t, full(traffic.New()).Handler()))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v (promtool is in Debian's package prometheus)\n%s", err, out)
	}
}
