package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

// gauge reads one value from the metrics at an admin port.
func gauge(t *testing.T, admin, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no %s: %s, %v", name, resp.Status, lines.Err())
	return 0
}

// TestAdminAttack holds the admin port of a real server in every way that we know, with more connections than it answers. Beside that an NFS client, a
// scrape and a probe succeed, and afterwards the server is what it was.
func TestAdminAttack(t *testing.T) {
	t.Parallel()
	admin := harness.Local(harness.FreePort(t))
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none", "--admin", admin)
	client, err := rawnfs.Dial(server.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	root, err := client.Mount("/")
	if err != nil {
		t.Fatal(err)
	}
	before := gauge(t, admin, "go_goroutines")
	var held []net.Conn
	for n := range 300 {
		conn, err := net.Dial("tcp", admin)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
		attack := [...]string{
			"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
			strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 50),
			strings.Repeat("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 50),
			"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n{",
			"GET / HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X-Long: "+strings.Repeat("x", 1000)+"\r\n", 100),
			"GET /v1/info HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer guess\r\n\r\n",
			"",
		}
		_, _ = io.WriteString(conn, attack[n%len(attack)]) // the server may have had enough
		if n%10 != 0 {
			continue
		}
		if _, err := client.Create(root, fmt.Sprint("file", n)); err != nil {
			t.Fatalf("beside attack %d: %v", n, err)
		}
		if n%100 == 0 {
			gauge(t, admin, "go_goroutines")
			healthOf(t, admin, 0, "serving")
		}
	}
	for _, conn := range held {
		_ = conn.Close() // most are closed already
	}
	for end := time.Now().Add(harness.Patience); ; time.Sleep(20 * time.Millisecond) {
		after := gauge(t, admin, "go_goroutines")
		if after <= before+10 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v goroutines, %v before", after, before)
		}
	}
}
