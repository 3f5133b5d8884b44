package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/server/ninetest"
)

// dashboard is what of the dashboard is tried.
type dashboard struct {
	Panels []struct {
		Title   string
		Type    string
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct {
			Name, Type string
			Definition string
		}
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
}

// nothingToShow are panels whose queries have no result from a server that is well, and why.
var nothingToShow = map[string]string{
	"Why an image takes no changes": "the image takes changes",
	"Certificates end in":           "the admin port of the test speaks no TLS",
	"annotation Restarts":           "the server is not started again",
}

// metricNames are the names of metrics in expressions; recorded ones have a colon.
var metricNames = regexp.MustCompile(`\b[\w:]*pmemfs_[\w:]+`)

// TestDashboardNames holds the dashboard and the rules to metrics that docs/metrics.md has, and to names that the rules record.
func TestDashboardNames(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(pmemfs_\\w+)` \\|[^|]*\\| (\\w+) ").FindAllStringSubmatch(string(text), -1) {
		known[row[1]] = true
		if row[2] == "histogram" {
			known[row[1]+"_bucket"], known[row[1]+"_sum"], known[row[1]+"_count"] = true, true, true
		}
	}
	rules := shippedRules(t)
	for _, r := range rules {
		if r.Record != "" {
			known[r.Record] = true
		}
	}
	_, queries := readDashboard(t)
	for _, r := range rules {
		queries["rule "+r.Record+r.Alert] = []string{r.Expr}
	}
	for where, list := range queries {
		for _, q := range list {
			for _, name := range metricNames.FindAllString(q, -1) {
				if !known[name] {
					t.Errorf("%s asks for %s, which is no metric", where, name)
				}
			}
		}
	}
}

// readDashboard returns the dashboard, and its queries by the titles of their panels.
func readDashboard(t *testing.T) (d dashboard, queries map[string][]string) {
	t.Helper()
	shipped(t, "dashboard.json", &d)
	queries = map[string][]string{}
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		if queries[p.Title] != nil || len(p.Targets) == 0 {
			t.Errorf("the panel %q asks nothing, or is there twice", p.Title)
		}
		for _, target := range p.Targets {
			queries[p.Title] = append(queries[p.Title], target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		queries["annotation "+a.Name] = []string{a.Expr}
	}
	return d, queries
}

// prometheus is Debian's, which scrapes a server.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus starts it with the configuration and the rules that are shipped, for a server with its admin port at addr, but scrapes five times a second.
func startPrometheus(t *testing.T, addr string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	var ignored any
	config := shipped(t, "prometheus.yml", &ignored)
	for old, new := range map[string]string{"127.0.0.1:9049": addr, "scrape_interval: 15s": "scrape_interval: 200ms", "evaluation_interval: 15s": "evaluation_interval: 200ms"} {
		if !strings.Contains(config, old) {
			t.Fatalf("prometheus.yml has no %q", old)
		}
		config = strings.ReplaceAll(config, old, new)
	}
	for name, text := range map[string]string{"prometheus.yml": config, "pmemfs.rules.yml": shipped(t, "pmemfs.rules.yml", &ignored)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (it is in Debian's package prometheus)", err)
	}
	address := make(chan string, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		listening := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		close(address)
	})
	t.Cleanup(func() {
		// It keeps nothing that anybody wants, and takes its time to end in order.
		_ = cmd.Process.Kill()
		wg.Wait()
		_ = cmd.Wait() // "signal: killed", as asked
	})
	at, ok := <-address
	if !ok {
		t.Fatal("prometheus has ended before it listens")
	}
	return &prometheus{t, "http://" + at}
}

// ask asks the HTTP interface of Prometheus, and returns what it answers as data; unavailable is true while it starts.
func (p *prometheus) ask(path string, query url.Values, data any) (unavailable bool) {
	p.t.Helper()
	resp, err := http.PostForm(p.url+path, query)
	if query == nil {
		resp, err = http.Get(p.url + path)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return true
	}
	var reply struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || reply.Status != "success" {
		p.t.Fatalf("%s: %s: %v: %s: %s", query, resp.Status, err, reply.Status, reply.Error)
	}
	if err := json.Unmarshal(reply.Data, data); err != nil {
		p.t.Fatal(err)
	}
	return false
}

// results is how many results an expression has.
func (p *prometheus) results(expr string) int {
	p.t.Helper()
	var data struct{ Result []json.RawMessage }
	p.ask("/api/v1/query", url.Values{"query": {expr}}, &data)
	return len(data.Result)
}

// TestDashboard has Prometheus scrape a server with clients, and asks it all that the dashboard and the rules ask.
func TestDashboard(t *testing.T) {
	t.Parallel()
	admin := harness.Local(harness.FreePort(t))
	image := loaded(t, admin)
	p := startPrometheus(t, admin)
	d, queries := readDashboard(t)
	// As Grafana does it: what is chosen becomes an expression, within a text.
	chosen := func(value string) string { return strings.ReplaceAll(regexp.QuoteMeta(value), `\`, `\\`) }
	values := strings.NewReplacer("$__rate_interval", "1m", "$instance", chosen(admin), "$image", chosen(image), "$export", ".*")
	p.until("queries without a result", func() (missing []string) {
		for title, list := range queries {
			for _, q := range list {
				if p.results(values.Replace(q)) == 0 && nothingToShow[title] == "" {
					missing = append(missing, title+": "+values.Replace(q))
				}
			}
		}
		return missing
	})
	for title := range nothingToShow {
		if queries[title] == nil {
			t.Errorf("there is no panel %q", title)
		}
	}
	labelValues := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range d.Templating.List {
		if v.Type == "datasource" {
			continue
		}
		var found []string
		m := labelValues.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Errorf("the variable %s is %q", v.Name, v.Definition)
		} else if p.ask("/api/v1/label/"+m[2]+"/values?match[]="+url.QueryEscape(values.Replace(m[1])), nil, &found); len(found) == 0 {
			t.Errorf("the variable %s has no values", v.Name)
		}
	}
	p.rules()
}

// until waits until there is nothing left of what is listed.
func (p *prometheus) until(what string, left func() []string) {
	p.t.Helper()
	for deadline := time.Now().Add(harness.Patience); ; time.Sleep(100 * time.Millisecond) {
		list := left()
		if len(list) == 0 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s:\n%s", what, strings.Join(list, "\n"))
		}
	}
}

// rules demands that Prometheus evaluates every rule, and that no alert fires but that the server has just been started.
func (p *prometheus) rules() {
	p.t.Helper()
	type state struct{ Name, Health, LastError, State string }
	var all struct{ Groups []struct{ Rules []state } }
	p.until("rules that are not evaluated", func() (list []string) {
		p.ask("/api/v1/rules", nil, &all)
		for _, g := range all.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					list = append(list, fmt.Sprintf("%s: %s %s", r.Name, r.Health, r.LastError))
				}
			}
		}
		return list
	})
	firing := map[string]bool{}
	evaluated := 0
	for _, g := range all.Groups {
		for _, r := range g.Rules {
			evaluated++
			if r.State == "firing" {
				firing[r.Name] = true
			}
		}
	}
	if want := len(shippedRules(p.t)); evaluated != want {
		p.t.Errorf("%d rules are evaluated, of %d", evaluated, want)
	}
	if names := slices.Sorted(maps.Keys(firing)); !slices.Equal(names, []string{"PmemfsRestarted"}) {
		p.t.Errorf("of a server that is well and new these alerts fire: %q", names)
	}
	for _, r := range shippedRules(p.t) {
		p.results(r.Expr)
	}
}

// loaded is a server with everything that the dashboard shows, and with clients at work until the test ends. It returns the image.
func loaded(t *testing.T, admin string) (image string) {
	t.Helper()
	dir := t.TempDir()
	image = filepath.Join(dir, "fs.img")
	config := filepath.Join(dir, "pmemfs.toml")
	if err := os.WriteFile(config, []byte("[[snapshots]]\nprefix = 'tick-'\nevery = '1s'\nkeep = {last = 2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nine := harness.Local(harness.FreePort(t))
	server := harness.Serve(t, image, "--size", "64MiB", "--config", config, "--admin", admin, "--squash", "none", "--9p", nine, "--access-log", filepath.Join(dir, "access.log"))
	harness.MustRun(t, dir, "quota", "set", image, "--path", "/", "--bytes", "48MiB", "--soft-bytes", "40MiB", "--files", "10000", "--soft-files", "9000")
	harness.MustRun(t, dir, "scrub", image)
	holdLock(t, nine)
	client := harness.Mount(t, server.Addr(), 0)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !stop.Load() && !t.Failed(); i++ {
			name := fmt.Sprint("file", i%10)
			f, err := client.OpenFile(name, 0o644)
			if err == nil {
				_, err = f.Write([]byte(strings.Repeat("content", 1000)))
			}
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				t.Errorf("write %s: %v", name, err)
			}
			if _, _, err := client.Lookup("missing"); !os.IsNotExist(err) {
				t.Errorf("a file that is not there is looked up with %v", err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	t.Cleanup(func() {
		stop.Store(true)
		wg.Wait()
	})
	return image
}

// holdLock has a client of 9P lock a file of its own until the test ends.
func holdLock(t *testing.T, addr string) {
	t.Helper()
	c, err := ninetest.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	const root, file, readWrite, writeLock = 1, 2, 2, 1
	err = c.Begin(1<<16, root, "/", 0)
	if err == nil {
		_, err = c.Walk(root, file)
	}
	if err == nil {
		err = c.Create(file, "locked", readWrite, 0o644, 0)
	}
	var status uint8
	if err == nil {
		status, err = c.Lock(file, writeLock, 0, 0, 0, 1, "client")
	}
	if err != nil || status != 0 {
		t.Fatalf("lock: status %d, %v", status, err)
	}
}
