package admin

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// exchange sends text on a connection of its own and returns the statuses of the answers, until the other side closes.
func exchange(t *testing.T, s *site, text string) (codes []int) {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return codes
		}
		if to := resp.Header.Get("Location"); strings.Contains(to, "//") {
			t.Errorf("%q is sent elsewhere: %s", text, to)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		codes = append(codes, resp.StatusCode)
	}
}

// TestRawRequests sends what no library does: old versions, several requests at once, paths that climb, methods, and other names.
func TestRawRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{Token: "secret"})
	s.srv.Answer(routes())
	const end = " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	for _, c := range []struct {
		text string
		want string
	}{
		{"GET /readyz HTTP/1.0\r\n\r\n", "[200]"}, // of a balancer
		{"GET /readyz HTTP/1.0\r\nHost: evil.example\r\n\r\n", "[421]"},
		{"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\nPOST /v1/grow" + end, "[200 200 401]"},
		{"GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "[421]"},
		{"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "[400]"},
		{"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n", "[400]"},
		{"GET //evil.example/%2e%2e" + end, "[307]"},
		{"GET /v1/../../etc/passwd" + end, "[307]"},
		{"GET /v1/status/%2e%2e/grow" + end, "[401]"},
		{"GET /v1/status%2f..%2fgrow" + end, "[401]"},
		{"GET /v1/status%00" + end, "[401]"},
		{"GET /V1/status" + end, "[200]"}, // which is no operation, but a path of the page
		{"PUT /v1/status" + end, "[401]"},
		{"TRACE /" + end, "[405]"},
		{"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "[421]"},
		{"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n", "[400]"},
		{"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "[400]"},
		{"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "[400]"},
		{"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", "[505]"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "[400]"},
		{"POST /v1/grow HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", "[403]"},
	} {
		if got := fmt.Sprint(exchange(t, s, c.text)); got != c.want {
			t.Errorf("%q: %s, not %s", c.text, got, c.want)
		}
	}
}

// TestSlowReaders ask for long answers and do not read them: the next one is answered all the same, and what is held for them is bounded.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{})
	const long = 4 << 20
	var made atomic.Int32
	var listener atomic.Pointer[bounded]
	r := routes()
	r.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made.Add(1)
		listener.Store(connOf(r).l)
		if r.URL.RawQuery == "long" {
			_, _ = w.Write(bytes.Repeat([]byte("x"), long))
			return
		}
		_, _ = io.WriteString(w, "metrics")
	})
	s.srv.Answer(r)
	const readers = 3 * unreadMost / long
	for range readers {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /metrics?long HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	for made.Load() < readers {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		if code, body := s.request("GET", "/metrics", "Connection: close"); code != http.StatusOK || body != "metrics" {
			t.Errorf("beside slow readers: %d %s", code, body)
		}
	}
	if code, body := s.request("GET", "/metrics?long", "Connection: close"); code != http.StatusOK || len(body) != long {
		t.Errorf("a long answer to somebody who reads: %d, %d bytes", code, len(body))
	}
	b := listener.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unread > unreadMost {
		t.Errorf("%d bytes are held", b.unread)
	}
}

// TestManyAtOnce asks more often at once than answers are made: all are answered, none is refused.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{})
	var now, most atomic.Int32
	r := routes()
	r.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
		_, _ = io.WriteString(w, "metrics")
	})
	s.srv.Answer(r)
	var wg sync.WaitGroup
	for range connections / 2 {
		wg.Go(func() {
			if code, body := s.request("GET", "/metrics"); code != http.StatusOK || body != "metrics" {
				t.Errorf("%d %s", code, body)
			}
		})
	}
	wg.Wait()
	if most.Load() > scrapesMost {
		t.Errorf("%d were made at once", most.Load())
	}
}

// TestGiveWay has hosts hold answers that they do not read: those of the host that holds most go, the oldest first, and never the newest.
func TestGiveWay(t *testing.T) {
	t.Parallel()
	b := bound(nil, connections)
	at := func(host string, age time.Duration) *conn {
		c := &conn{l: b, since: time.Now().Add(-age)}
		c.host = mustAddr(t, host)
		b.open[c] = struct{}{}
		return c
	}
	one, old, young := at("10.0.0.1", 9*time.Second), at("10.0.0.2", 2*time.Second), at("10.0.0.2", time.Second)
	for _, c := range []*conn{one, old, young} {
		if v := b.hold(c, unreadMost/3); v != nil {
			t.Fatal("one gave way while there was room")
		}
	}
	next := at("10.0.0.3", 0)
	if v := b.hold(next, unreadMost/3); len(v) != 1 || v[0] != old {
		t.Errorf("%v gave way, not the oldest of the host that holds most", v)
	}
	if v := b.hold(next, 2*unreadMost); len(v) != 2 || b.unread != 2*unreadMost {
		t.Errorf("%d gave way to one answer, and %d bytes are held", len(v), b.unread)
	}
	b.hold(next, 0)
	b.hold(old, 100) // which is not open any more
	if b.unread != 0 {
		t.Errorf("%d bytes are held of nothing", b.unread)
	}
}

// TestGuesses tells the log of wrong tokens, and does not fill it.
func TestGuesses(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := serve(t, Config{Token: "secret", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.srv.Answer(routes())
	for n := range 200 {
		if code, _ := s.request("POST", "/v1/grow", fmt.Sprint("Authorization: Bearer ", n)); code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", n, code)
		}
	}
	if got := log.String(); strings.Count(got, "wrong token") != 1 || strings.Contains(got, "Bearer") {
		t.Errorf("the log: %s", got)
	}
	start := time.Now()
	g := guesses{told: start}
	if _, tell := g.count(start.Add(telling - 1)); tell {
		t.Error("told too soon")
	}
	if n, tell := g.count(start.Add(telling)); !tell || n != 2 {
		t.Errorf("not told of %d", n)
	}
}
