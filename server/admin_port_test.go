package server_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/server"
	"pmemfs/server/admin"
	"pmemfs/server/control"
	"pmemfs/server/export"
)

// ask sends a request to the admin port of a server.
func ask(t *testing.T, s *server.Server, method, path string, headers ...string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.AdminAddr().String()+path, strings.NewReader("{}"))
	if method == http.MethodGet {
		r, err = http.NewRequest(method, "http://"+s.AdminAddr().String()+path, nil)
	}
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, body
}

// reading parses a reply.
func reading[T any](t *testing.T, code int, body []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%d %s: %v", code, body, err)
	}
	return v
}

// TestAdminPort asks a server whose exports are for other networks, and of which one has no directory, how it is: over the network, and
// before, while and after it serves.
func TestAdminPort(t *testing.T) {
	c := config(filepath.Join(t.TempDir(), "image"))
	c.Version = "v1"
	c.Admin = server.Admin{Address: "127.0.0.1:0", Token: "secret"}
	c.NineP = []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "9p.sock")}
	far, missing := export.Default(), export.Default()
	far.Clients, far.SecurePort = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, true
	missing.Name, missing.Subtree = "/missing", "/missing"
	c.Images[0].Exports = []export.Export{far, missing}
	s, err := server.Open(c)
	must(t, err)
	code, body := ask(t, s, "GET", "/readyz")
	if r := reading[admin.Report](t, code, body); code != http.StatusServiceUnavailable || r.State != "recovering" {
		t.Errorf("ready before it serves: %d %s", code, body)
	}
	stop := run(t, s)
	defer stop()
	for { // until Serve has begun
		if code, _ = ask(t, s, "GET", "/readyz"); code == http.StatusOK {
			break
		}
	}
	code, body = ask(t, s, "GET", "/healthz")
	r := reading[admin.Report](t, code, body)
	if code != http.StatusOK || !r.OK || len(r.Checks) != 5 {
		t.Fatalf("health: %d %s", code, body)
	}
	if m := r.Checks[2].Message; !strings.HasPrefix(m, "not asked: it has no directory") {
		t.Errorf("an export without a directory: %q", m)
	}
	code, body = ask(t, s, "GET", "/v1/status")
	st := reading[control.Status](t, code, body)
	if st.State != "serving" || st.Version != "v1" || st.Admin != s.AdminAddr().String() || len(st.Images) != 1 || len(st.Images[0].Exports) != 2 {
		t.Errorf("status: %s", body)
	}
	if i := st.Images[0]; i.State != "ok" || i.Space.LiveBytes+i.Space.FreeBytes+i.Space.SnapshotBytes+i.Space.BadBytes != i.Space.SizeBytes || i.Exports[1].Missing == "" {
		t.Errorf("image: %+v", i)
	}
	if code, body = ask(t, s, "GET", "/v1/locks"); code != http.StatusOK || strings.TrimSpace(string(body)) != `{"locks":[],"all":0}` {
		t.Errorf("locks: %d %s", code, body)
	}
	for _, c := range []struct {
		method, path string
		headers      []string
		want         int
	}{
		{"GET", "/v1/info", nil, 401},
		{"GET", "/v1/info", []string{"Authorization: Bearer secret"}, 200},
		{"GET", "/v1/info", []string{"Authorization: Bearer secret", "Pmemfs-Image: " + st.Images[0].Path}, 200},
		{"GET", "/v1/info", []string{"Authorization: Bearer secret", "Pmemfs-Image: other"}, 409},
		{"POST", "/v1/snapshots", nil, 401},
		{"POST", "/v1/snapshots", []string{"Authorization: Bearer secret"}, 400},
		{"GET", "/debug/pprof/", nil, 404},
	} {
		if code, body := ask(t, s, c.method, c.path, c.headers...); code != c.want {
			t.Errorf("%s %s %q: %d %s, not %d", c.method, c.path, c.headers, code, body, c.want)
		}
	}
}

// TestAdminOptional does without the port where its usual address cannot be had, and not where one was asked for.
func TestAdminOptional(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	c := config(filepath.Join(t.TempDir(), "image"))
	c.Admin = server.Admin{Address: l.Addr().String(), Optional: true}
	s, err := server.Open(c)
	must(t, err)
	if s.AdminAddr().IsValid() {
		t.Errorf("an admin port at %v", s.AdminAddr())
	}
	must(t, s.Close())
	c = config(filepath.Join(t.TempDir(), "image"))
	c.Admin = server.Admin{Address: l.Addr().String()}
	if _, err := server.Open(c); err == nil || !strings.Contains(err.Error(), "--admin") {
		t.Errorf("the address is taken: %v", err)
	}
	if _, err := os.Stat(c.Images[0].Path); err == nil {
		t.Error("an image was made all the same")
	}
}

// TestAdminRefused refuses an admin port that could not work, or gives its token away.
func TestAdminRefused(t *testing.T) {
	for _, a := range []struct {
		admin server.Admin
		want  string
	}{
		{server.Admin{Address: "nowhere"}, "write host:port"},
		{server.Admin{Address: "0.0.0.0:9049", Token: "secret"}, "in the clear"},
		{server.Admin{Address: "127.0.0.1:0", Cert: "cert.pem"}, "give both"},
		{server.Admin{Address: "127.0.0.1:0", Key: "key.pem"}, "give both"},
		{server.Admin{Address: "127.0.0.1:0", Cert: "no.pem", Key: "no.pem"}, "no.pem"},
	} {
		c := config(filepath.Join(t.TempDir(), "image"))
		c.Admin = a.admin
		if _, err := server.Open(c); err == nil || !strings.Contains(err.Error(), a.want) {
			t.Errorf("%+v: %v", a.admin, err)
		}
	}
}
