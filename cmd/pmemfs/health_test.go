package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pmemfs/server/admin"
	"pmemfs/server/probe"
)

// TestHealth takes the server's word for how it is, and every other answer, or none, for a failure.
func TestHealth(t *testing.T) {
	report := admin.Report{State: "serving", Checks: []probe.Check{{Name: "NFS NULL", OK: true}, {Name: "NFS GETATTR of /", Message: "NFS answers with status 5"}}}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(&report)
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(&admin.Report{OK: true, State: "serving"})
	})
	mux.HandleFunc("/slow/healthz", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/other/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	if _, stderr := want(t, 1, "health", "fs.img"); !strings.Contains(stderr, "is no address of an admin port") {
		t.Errorf("of an image it says %s", stderr)
	}
	out, stderr := want(t, 1, "health", addr)
	if !strings.Contains(stderr, "GETATTR of /: NFS answers with status 5") || !strings.Contains(out, "FAILED") {
		t.Errorf("%s%s", out, stderr)
	}
	if out, _ := want(t, 0, "health", "--ready", addr, "--json"); !strings.Contains(out, `"ok": true`) {
		t.Error(out)
	}
	t.Setenv("PMEMFS_ADMIN", addr)
	if out, _ := want(t, 0, "health", "--ready"); !strings.Contains(out, "serving") {
		t.Errorf("the server of the environment: %s", out)
	}
	if _, stderr := want(t, 1, "health", srv.URL+"/slow", "--timeout", "50ms"); !strings.Contains(stderr, "does not answer in time") {
		t.Error(stderr)
	}
	if _, stderr := want(t, 1, "health", srv.URL+"/other"); !strings.Contains(stderr, "is no admin port") {
		t.Error(stderr)
	}
	srv.Close()
	if _, stderr := want(t, 1, "health", addr); !strings.Contains(stderr, "does not answer") {
		t.Error(stderr)
	}
}
