package admin

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"pmemfs/server/probe"
)

// TestStarting answers health and readiness alone until there is an image.
func TestStarting(t *testing.T) {
	s := serve(t, Config{Ready: func() Report { return Report{State: "recovering"} }})
	if code, body := s.request("GET", "/metrics"); code != http.StatusServiceUnavailable || body != "the server is starting" {
		t.Errorf("metrics: %d %s", code, body)
	}
	if code, body := s.request("GET", "/readyz"); code != http.StatusServiceUnavailable || body != `{"ok":false,"state":"recovering","grace":false,"checks":[]}` {
		t.Errorf("readiness: %d %s", code, body)
	}
	if code, _ := s.request("GET", "/healthz"); code != http.StatusOK {
		t.Errorf("health: %d", code)
	}
	s.srv.Answer(routes())
	for path, want := range map[string]string{"/metrics": "metrics", "/": "page", "/style.css": "page", "/v1/status": "api"} {
		if code, body := s.request("GET", path); code != http.StatusOK || body != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, _ := s.request("POST", "/metrics"); code != http.StatusMethodNotAllowed {
		t.Errorf("POST of metrics: %d", code)
	}
	if code, body := s.request("GET", "/debug/pprof/"); body != "page" {
		t.Errorf("profiles that nobody asked for: %d %s", code, body)
	}
}

// TestGrace is ready while clients claim their locks, as they could not otherwise, and not for who waits for the end of that.
func TestGrace(t *testing.T) {
	s := serve(t, Config{})
	if code, _ := s.request("GET", "/readyz"); code != http.StatusOK {
		t.Errorf("readiness: %d", code)
	}
	if code, _ := s.request("GET", "/readyz?grace=wait"); code != http.StatusServiceUnavailable {
		t.Errorf("readiness behind grace: %d", code)
	}
}

// TestToken tries the control interface with and without a token.
func TestToken(t *testing.T) {
	s := serve(t, Config{Token: "secret"})
	s.srv.Answer(routes())
	for _, c := range []struct {
		method, path, auth string
		want               int
	}{
		{"GET", "/v1/status", "", 200},
		{"POST", "/v1/status", "", 401},
		{"GET", "/v1/info", "", 401},
		{"POST", "/v1/grow", "", 401},
		{"POST", "/v1/grow", "Bearer other", 401},
		{"POST", "/v1/grow", "Basic secret", 401},
		{"POST", "/v1/grow", "Bearer ", 401},
		{"POST", "/v1/grow", "Bearer secret", 200},
		{"POST", "/v1/grow", "bearer secret", 200},
		{"DELETE", "/v1/snapshots", "Bearer secret", 200},
	} {
		if code, _ := s.request(c.method, c.path, "Authorization: "+c.auth); code != c.want {
			t.Errorf("%s %s with %q: %d, not %d", c.method, c.path, c.auth, code, c.want)
		}
	}
	none := serve(t, Config{})
	none.srv.Answer(routes())
	for _, auth := range []string{"Bearer ", "Bearer", "Bearer x"} {
		if code, _ := none.request("POST", "/v1/grow", "Authorization: "+auth); code != http.StatusUnauthorized {
			t.Errorf("without a token %q gets %d", auth, code)
		}
	}
}

// TestBrowsers refuses what a page of another site makes a browser do.
func TestBrowsers(t *testing.T) {
	s := serve(t, Config{Hosts: []string{"Nas.example"}, Token: "secret"})
	s.srv.Answer(routes())
	port := s.addr[strings.LastIndex(s.addr, ":"):]
	for _, c := range []struct {
		method  string
		headers []string
		want    int
	}{
		{"GET", nil, 200},
		{"GET", []string{"Host: localhost" + port}, 200},
		{"GET", []string{"Host: LOCALHOST."}, 200},
		{"GET", []string{"Host: [::1]" + port}, 200},
		{"GET", []string{"Host: 10.0.0.7"}, 200},
		{"GET", []string{"Host: nas.example" + port}, 200},
		{"GET", []string{"Host: evil.example" + port}, 421},
		{"GET", []string{"Host: localhost.evil.example"}, 421},
		{"GET", []string{"Host: 127.0.0.1.evil.example"}, 421},
		{"GET", []string{"Sec-Fetch-Site: same-origin"}, 200},
		{"GET", []string{"Sec-Fetch-Site: none"}, 200},
		{"GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"}, 403},
		{"GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, 403},
		{"GET", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},
		{"GET", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"}, 403},
		{"POST", []string{"Authorization: Bearer secret", "Origin: http://evil.example"}, 403},
		{"POST", []string{"Authorization: Bearer secret"}, 200},
	} {
		if code, body := s.request(c.method, "/v1/status", c.headers...); code != c.want {
			t.Errorf("%s with %q: %d (%s), not %d", c.method, c.headers, code, body, c.want)
		}
	}
	resp := s.response("GET", "/")
	defer resp.Body.Close()
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy"} {
		if resp.Header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if p := resp.Header.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the page may do too much: %s", p)
	}
}

// TestShared carries out one round trip for all who ask at once, and another one later.
func TestShared(t *testing.T) {
	var trips atomic.Int32
	begun, go_ := make(chan struct{}), make(chan struct{})
	s := serve(t, Config{Health: func(context.Context) Report {
		if trips.Add(1) == 1 {
			close(begun)
		}
		<-go_
		return Report{OK: true, State: "serving", Checks: []probe.Check{{Name: "NFS", OK: true}}}
	}})
	codes := make(chan int)
	ask := func() {
		code, _ := s.request("GET", "/healthz")
		codes <- code
	}
	go ask()
	<-begun
	for range 20 {
		go ask()
	}
	close(go_)
	for range 21 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
	before := trips.Load()
	if code, _ := s.request("GET", "/healthz"); code != http.StatusOK || trips.Load() != before+1 {
		t.Errorf("later: status %d after %d trips, then %d", code, before, trips.Load())
	}
}

// TestPanics costs whoever asked the answer, and nobody else anything.
func TestPanics(t *testing.T) {
	s := serve(t, Config{Health: func(context.Context) Report { panic("health") }})
	r := routes()
	r.Page = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("page") })
	s.srv.Answer(r)
	if _, err := http.Get("http://" + s.addr + "/"); err == nil {
		t.Error("half of an answer is taken for all")
	}
	if code, body := s.request("GET", "/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "panicked") {
		t.Errorf("health: %d %s", code, body)
	}
	if code, _ := s.request("GET", "/metrics"); code != http.StatusOK {
		t.Errorf("metrics: %d", code)
	}
}

// TestCrowd holds every connection half open, and more: a newcomer is answered all the same.
func TestCrowd(t *testing.T) {
	s := serve(t, Config{})
	s.srv.Answer(routes())
	var held []net.Conn
	for i := range 3 * connections {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: %d", i); err != nil && i < connections {
			t.Fatal(err)
		}
	}
	for range 10 {
		if code, body := s.request("GET", "/metrics", "Connection: close"); code != http.StatusOK || body != "metrics" {
			t.Fatalf("a newcomer gets %d %s", code, body)
		}
	}
	for _, c := range held {
		_ = c.Close() // most are closed already
	}
}

// TestHugeHeader refuses a header that has no end.
func TestHugeHeader(t *testing.T) {
	s := serve(t, Config{})
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	line := "X-Long: " + strings.Repeat("a", 1000) + "\r\n"
	_, _ = c.Write([]byte("GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat(line, 2*headerMax/1000) + "\r\n")) // the other side may have had enough
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(answer, "431") {
		t.Errorf("answered %q, %v", answer, err)
	}
}
