package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/probe"
)

// site is a Server on a port.
type site struct {
	t    testing.TB
	srv  *Server
	addr string
}

// serve makes a Server answer.
func serve(t testing.TB, c Config) *site {
	t.Helper()
	if c.Health == nil {
		c.Health = func(context.Context) Report { return Report{OK: true, State: "serving"} }
	}
	if c.Ready == nil {
		c.Ready = func() Report {
			return Report{OK: true, State: "serving", Grace: true, Checks: []probe.Check{{Name: "a", OK: true}}}
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, srv: New(c), addr: l.Addr().String()}
	ctx, stop := context.WithCancel(context.Background())
	var wg safego.Group
	wg.Go("admin", func() {
		if err := s.srv.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
	return s
}

// routes are handlers that say who they are.
func routes() Routes {
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name) })
	}
	return Routes{Metrics: named("metrics"), API: named("api"), Page: named("page"), Public: func(path string) bool { return path == "/v1/status" }}
}

func mustAddr(t *testing.T, text string) netip.Addr {
	t.Helper()
	a, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// request sends one request, with headers as "Name: value", and returns its status and body.
func (s *site) request(method, path string, headers ...string) (int, string) {
	s.t.Helper()
	resp := s.response(method, path, headers...)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

func (s *site) response(method, path string, headers ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequest(method, "http://"+s.addr+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}
