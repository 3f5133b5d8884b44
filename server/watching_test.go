package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/server"
	"pmemfs/server/nfswire"
	"pmemfs/server/ninetest"
)

// TestWatching calls a server that logs and traces every call, moves the log away under it, and reads what was written.
func TestWatching(t *testing.T) {
	traced := make(chan string, 1000)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var req struct {
			ResourceSpans []struct {
				ScopeSpans []struct{ Spans []struct{ Name string } }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		for _, s := range req.ResourceSpans[0].ScopeSpans[0].Spans {
			traced <- s.Name
		}
	}))
	defer collector.Close()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	c := config(filepath.Join(dir, "image"))
	c.NineP = []string{"127.0.0.1:0"}
	c.Watching = server.Watching{AccessLog: log, AccessLogSample: 1, TraceEndpoint: collector.URL, TraceSample: 1}
	s, err := server.Open(c)
	must(t, err)
	stop := run(t, s)
	nfs := dial(t, s.Addr())
	nfs.call(nfswire.ProgNFS, 3, nfswire.ProcNull, 20, nil)
	nfs.call(nfswire.ProgMount, 3, 1, 1, []byte("\x00\x00\x00\x03/\"\n\x00")) // MNT, which is answered beside
	must(t, os.Rename(log, log+".1"))
	must(t, s.ReopenAccessLog())
	nine, err := ninetest.Dial("tcp", s.NineP()[0])
	must(t, err)
	defer nine.Close()
	must(t, nine.Begin(8192, 0, "/", 1000))
	seen := map[string]int{}
	for seen["nfs3 NULL"] < 20 || seen["mount MNT"] < 1 || seen["9p Tattach"] < 1 {
		seen[<-traced]++
	}
	stop()
	var all []byte
	for _, path := range []string{log + ".1", log} {
		text, err := os.ReadFile(path)
		must(t, err)
		all = append(all, text...)
	}
	for what, n := range map[string]int{
		`"procedure":"NULL"`: 20, `"export":"/","name":"/\"\u000a","user":0,"status":"MNT3ERR_NOENT"`: 1,
		`"protocol":"9p","procedure":"Tattach"`: 1, `"name":"/","user":1000,"status":"OK"`: 1,
	} {
		if got := strings.Count(string(all), what); got != n {
			t.Errorf("%d lines with %s, want %d", got, what, n)
		}
	}
	if t.Failed() {
		t.Logf("%s", all)
	}
}

// TestWatchingRefusals are configurations that could not work.
func TestWatchingRefusals(t *testing.T) {
	dir := t.TempDir()
	for _, w := range []server.Watching{
		{AccessLog: filepath.Join(dir, "log")}, {AccessLog: filepath.Join(dir, "none", "log"), AccessLogSample: 1},
		{TraceEndpoint: "localhost:4318", TraceSample: 1}, {TraceEndpoint: "http://localhost:4318"},
	} {
		c := config(filepath.Join(dir, "image"))
		c.Watching = w
		if s, err := server.Open(c); err == nil {
			t.Errorf("%+v is taken", w)
			must(t, s.Close())
		}
	}
}
