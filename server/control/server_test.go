package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
)

// raw makes a request as a program without the package would.
func raw(t *testing.T, s *served, method, path, kind, body string, header ...string) (status int, answer string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", s.socket)
	}}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	must(t, err)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := c.Do(r)
	must(t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	must(t, err)
	if got := a.Header.Get("Content-Type"); got != mediaType {
		t.Errorf("%s %s: answered in %s", method, path, got)
	}
	return a.StatusCode, string(text)
}

// TestInfo asks for what is known of a served image.
func TestInfo(t *testing.T) {
	s := serve(t)
	c, err := Dial(t.Context(), s.path, "")
	must(t, err)
	info, err := Info.Call(t.Context(), c, None{})
	must(t, err)
	want := s.fs.Info()
	if info.UUID != want.UUID || info.SizeBytes != want.SizeBytes || info.Server == nil || info.Server.PID != 7 {
		t.Errorf("%+v", info)
	}
	text, err := Schema.Call(t.Context(), c, None{})
	must(t, err)
	var schema map[string]any
	must(t, json.Unmarshal(text, &schema))
	if schema["operations"].(map[string]any)["/v1/info"] == nil {
		t.Errorf("schema: %s", text)
	}
}

// TestRefused makes requests that are refused, each of which says why and harms nobody.
func TestRefused(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		method, path, kind, body string
		status                   int
		code                     string
	}{
		{"GET", "/", "", "", 404, "unknown_operation"},
		{"GET", "/v2/info", "", "", 404, "unknown_operation"},
		{"GET", "/v1/info/", "", "", 404, "unknown_operation"},
		{"POST", "/v1/info", mediaType, "{}", 405, "wrong_method"},
		{"PATCH", "/v1/info", "", "", 405, "wrong_method"},
		{"GET", "/v1/info?what=ever", "", "", 400, "bad_request"},
		{"GET", "/v1/info?a=%zz", "", "", 400, "bad_request"},
		{"GET", "/v1/info", "", "{}", 400, "bad_request"},
	} {
		status, answer := raw(t, s, c.method, c.path, c.kind, c.body)
		var f failure
		if err := json.Unmarshal([]byte(answer), &f); err != nil || f.Error == nil || f.Error.Code != c.code || f.Error.Message == "" || status != c.status {
			t.Errorf("%s %s %.40q: %d %s; want %d %s", c.method, c.path, c.body, status, answer, c.status, c.code)
		}
	}
	if status, answer := raw(t, s, "GET", "/v1/info", "", "", imageHeader, "0-0"); status != 409 || !strings.Contains(answer, codeImage) {
		t.Errorf("about another image: %d %s", status, answer)
	}
	if status, _ := raw(t, s, "GET", "/v1/info", "", ""); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

// TestMoved asks for the image that is now at the path of one that was moved and is still served.
func TestMoved(t *testing.T) {
	s := serve(t)
	moved := s.path + ".moved"
	must(t, os.Rename(s.path, moved))
	must(t, pmemfs.Format(s.path, pmemfs.FormatOptions{Size: 16 << 20, RootMode: 0o755}))
	c, err := Dial(t.Context(), s.path, "")
	must(t, err)
	var e *Error
	if _, err := Info.Call(t.Context(), c, None{}); !errors.As(err, &e) || e.Code != codeImage {
		t.Errorf("answered about another image: %v", err)
	}
	c, err = Dial(t.Context(), moved, s.socket)
	must(t, err)
	_, err = Info.Call(t.Context(), c, None{})
	must(t, err)
}

// TestPanic has an operation that panics: its caller is told, and others are served on.
func TestPanic(t *testing.T) {
	type request struct {
		Bad bool `json:"bad"`
	}
	fault := Operation[request, None]{Method: http.MethodPost, Path: "/v1/fault", Do: func(_ context.Context, _ Image, r request) (None, error) {
		if r.Bad {
			panic("bad")
		}
		return None{}, nil
	}}
	before := operations
	operations = append(operations[:len(before):len(before)], fault)
	defer func() { operations = before }()
	s := serve(t)
	c, err := Dial(t.Context(), s.path, "")
	must(t, err)
	panics := safego.Panics()
	for _, bad := range []bool{true, false, true} {
		_, err = fault.Call(t.Context(), c, request{bad})
		var e *Error
		if bad != errors.As(err, &e) || bad && e.Code != codeInternal {
			t.Errorf("bad %v: %v", bad, err)
		}
	}
	if safego.Panics() != panics+2 {
		t.Errorf("%d panics", safego.Panics()-panics)
	}
	for body, code := range map[string]string{
		``: "bad_request", `{}`: "bad_request", `{"bad":1}`: "bad_request", `{"bad":false,"more":1}`: "bad_request", `[]`: "bad_request",
		`{"bad":false} {}`: "bad_request", `null`: "bad_request", `{"bad":false}` + strings.Repeat(" ", bodyMax): "bad_request",
	} {
		if status, answer := raw(t, s, "POST", "/v1/fault", mediaType, body); status != 400 || !strings.Contains(answer, code) {
			t.Errorf("%.40q: %d %s", body, status, answer)
		}
	}
	if status, answer := raw(t, s, "POST", "/v1/fault", "text/plain", `{"bad":false}`); status != 400 {
		t.Errorf("text: %d %s", status, answer)
	}
	if status, answer := raw(t, s, "POST", "/v1/fault", mediaType, `{"bad":false}`); status != 200 {
		t.Errorf("a good one: %d %s", status, answer)
	}
}

// TestConnections opens more connections than are answered at once. Those that say nothing make room when they end.
func TestConnections(t *testing.T) {
	s := serve(t)
	var silent []net.Conn
	for range 2 * connections {
		c, err := net.Dial("unix", s.socket)
		must(t, err)
		silent = append(silent, c)
	}
	for _, c := range silent {
		must(t, c.Close())
	}
	if status, _ := raw(t, s, "GET", "/v1/info", "", ""); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

// TestPlaces looks where servers listen.
func TestPlaces(t *testing.T) {
	dir := shortDir(t)
	image, link, run := filepath.Join(dir, "fs.img"), filepath.Join(dir, "link"), filepath.Join(dir, "run")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Symlink(image, link))
	for path, want := range map[string]string{image: image + ".sock", link: image + ".sock", "/dev/null": run + "/pmemfs/null.sock"} {
		got, err := placeIn(run, path, 0)
		must(t, err)
		if got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got, err := placeIn(run, "/dev/null", 1000); err != nil || got != run+"/user/1000/pmemfs/null.sock" {
		t.Errorf("a user's: %s, %v", got, err)
	}
	if _, err := Place(filepath.Join(dir, "none"), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a place without an image: %v", err)
	}
}
