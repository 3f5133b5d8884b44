package metrics

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"pmemfs/pmemfs"
	"pmemfs/server/traffic"
)

// full is a Metrics in which everything has a value.
func full(table *traffic.Table) *Metrics {
	image := Image{
		Name: "/srv/image", Failure: strings.Repeat("broken ", 100), Grace: true, Schedules: []Schedule{{"hourly", time.Hour, time.Unix(1, 0), true}},
		Info: pmemfs.Info{SizeBytes: 1 << 30, FreeBytes: 1 << 20, UUID: "u", Scrub: pmemfs.ScrubStatus{Passes: 1, Ended: 1e9}},
		Held: pmemfs.SnapshotSpace{Data: 4096}, ScrubDue: time.Unix(2, 0),
	}
	image.Activity.Groups[0], image.Activity.Groups[3], image.Activity.GroupChanges = 2, 1, 7
	for id := range 2 * QuotasShown {
		image.Quotas = append(image.Quotas, pmemfs.Quota{Kind: pmemfs.QuotaUser, ID: uint32(id)})
	}
	server := Server{State: "serving", Memory: []Part{{Name: "work sets", Limit: 10, Held: 1}}, Certificates: []Certificate{{"admin", time.Unix(1, 0)}}}
	for i := range 2 * HoldersShown {
		server.Holders = append(server.Holders, Holder{fmt.Sprint("client ", i), 1})
	}
	export := table.Export("/srv/image", "/quotes\"and\\and\nlines")
	for i := range 3 * ClientsShown {
		c := table.Join(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), "rpc")
		c.One(traffic.Event{Procedure: traffic.NFS3.Procedure(1), Export: export, Status: 70, In: 1, Out: 2}, table.Now(), true)
	}
	return New(Config{Version: "v", Traffic: table, Server: func() Server { return server }, Images: func() []Image { return []Image{image} }})
}

// scrape asks as Prometheus does.
func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %.500s", w.Code, err, body)
	}
	return string(body)
}

// TestLint asks Prometheus's own rules for names and units.
func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(full(traffic.New()).Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "pmemfs_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestShown looks for each metric that is declared, with all labels.
func TestShown(t *testing.T) {
	body := scrape(t, full(traffic.New()).Handler())
	for _, m := range all {
		if !strings.Contains(body, "# TYPE "+m.name+" ") {
			t.Errorf("%s is not shown", m.name)
		}
	}
	for _, want := range []string{
		`pmemfs_calls_total{export="/quotes\"and\\and\nlines",image="/srv/image",procedure="GETATTR",protocol="nfs3"} 300`,
		`pmemfs_call_errors_total{export="/quotes\"and\\and\nlines",image="/srv/image",procedure="GETATTR",protocol="nfs3",status="NFS3ERR_STALE"} 300`,
		`pmemfs_call_duration_seconds_count{export="/quotes\"and\\and\nlines",image="/srv/image",procedure="GETATTR",protocol="nfs3"} 300`,
		`pmemfs_client_calls_total{client="(other)"} 200`,
		`pmemfs_calls_offloaded_total 300`, `pmemfs_connections{protocol="rpc"} 300`,
		`pmemfs_commit_group_size_bucket{image="/srv/image",le="8"} 3`, `pmemfs_commit_group_size_sum{image="/srv/image"} 7`,
		`pmemfs_image_space_bytes{image="/srv/image",use="live"} ` + fmt.Sprintf("%g", float64(1<<30-1<<20-4096)),
		`pmemfs_image_read_only{image="/srv/image"} 1`, `pmemfs_scrub_last_complete_timestamp_seconds{image="/srv/image"} 1`,
		`pmemfs_scrub_due_timestamp_seconds{image="/srv/image"} 2`, `pmemfs_snapshot_schedule_interval_seconds{image="/srv/image",schedule="hourly"} 3600`,
		`pmemfs_server_state{state="serving"} 1`, `pmemfs_server_state{state="stopping"} 0`, `go_goroutines `, `process_open_fds `,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for what, most := range map[string]int{"pmemfs_client_calls_total{": ClientsShown + 2, "pmemfs_quota_used_bytes{": QuotasShown,
		"pmemfs_request_memory_client_bytes{": HoldersShown} {
		if n := strings.Count(body, what); n != most {
			t.Errorf("%d series of %s, want %d", n, what, most)
		}
	}
	if reason := regexp.MustCompile(`reason="([^"]*)"`).FindStringSubmatch(body); reason == nil || len(reason[1]) != reasonMax {
		t.Errorf("the reason is %q", reason)
	}
}

// TestDocument holds docs/metrics.md to what is declared: a row for each metric, and no others.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `(pmemfs_[a-z_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		rows[row[1]] = row[2]
	}
	for _, m := range all {
		labels, ok := rows[m.name]
		want := ""
		if len(m.labels) > 0 {
			want = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		if !ok || labels != want {
			t.Errorf("the row of %s has the labels %q, want %q", m.name, labels, want)
		}
		delete(rows, m.name)
	}
	for name := range rows {
		t.Errorf("%s is no metric", name)
	}
}
