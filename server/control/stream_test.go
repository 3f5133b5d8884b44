package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pmemfs/archive"
	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// oneFile is a source of a file, of which so much can be read.
type oneFile struct {
	name, text string
	broken     error // in place of the end
	told       bool
	r          *strings.Reader
}

func (o *oneFile) Next() (*tarball.Entry, error) {
	if o.told {
		return nil, io.EOF
	}
	o.told, o.r = true, strings.NewReader(o.text)
	size := uint64(len(o.text))
	if o.broken != nil {
		size *= 2
	}
	return &tarball.Entry{Name: o.name, Type: tarball.Regular, Mode: 0o600, Size: size}, nil
}

func (o *oneFile) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if errors.Is(err, io.EOF) && o.broken != nil {
		err = o.broken
	}
	return n, err
}

// full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func ignored(int64, int64)     {}
func unskipped(*tarball.Entry) {}
func textOf(t *testing.T, c *Client, path string) string {
	t.Helper()
	var b bytes.Buffer
	_, err := c.ReadFiles(context.Background(), archive.ExportRequest{Path: path}, tarball.NewWriter(&b), ignored)
	must(t, err)
	r := tarball.NewReader(&b)
	_, err = r.Next()
	must(t, err)
	text, err := io.ReadAll(r)
	must(t, err)
	return string(text)
}

// TestStreamBroken breaks a stream off that replaces a file: the old one stays, and nothing is left of the new one.
func TestStreamBroken(t *testing.T) {
	s := serve(t)
	ctx := context.Background()
	c, err := Dial(ctx, s.path, "")
	must(t, err)
	write := func(o *oneFile) error {
		_, err := c.WriteFiles(ctx, archive.ImportRequest{Path: "/"}, o, unskipped, ignored)
		return err
	}
	must(t, write(&oneFile{name: "./f", text: "old"}))
	broken := errors.New("the source has failed")
	if err := write(&oneFile{name: "./f", text: strings.Repeat("new", 1<<20), broken: broken}); err == nil || err.Error() != broken.Error() {
		t.Errorf("a source that fails: %v", err)
	}
	// The server learns of it in its own time.
	for end := time.Now().Add(hang); ; time.Sleep(time.Millisecond) {
		l, err := FilesList.Call(ctx, c, archive.ListRequest{Path: "/", Entries: true})
		must(t, err)
		if len(l.Entries) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %+v", l.Entries)
		}
	}
	if text := textOf(t, c, "/f"); text != "old" {
		t.Errorf("the old file is %d bytes", len(text))
	}
	var failed *Error
	if err := write(&oneFile{name: "./../f", text: "x"}); !errors.As(err, &failed) || failed.Code != "invalid" || !strings.Contains(failed.Message, "offset 0") {
		t.Errorf("a name that leads out: %v", err)
	}
	if _, err := c.ReadFiles(ctx, archive.ExportRequest{Path: "/none"}, tarball.NewWriter(io.Discard), ignored); !errors.Is(err, pmemfs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

// TestStreamPull has a client go in the middle of an archive: its stream ends, and others are served.
func TestStreamPull(t *testing.T) {
	s := serve(t)
	c, err := Dial(context.Background(), s.path, "")
	must(t, err)
	_, err = c.WriteFiles(context.Background(), archive.ImportRequest{Path: "/"}, &oneFile{name: "./f", text: strings.Repeat("x", 4<<20)}, unskipped, ignored)
	must(t, err)
	for range 2 * connections { // more than there may be, if one stayed
		if _, err := c.ReadFiles(context.Background(), archive.ExportRequest{Path: "/"}, tarball.NewWriter(full{}), ignored); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("a sink that takes nothing: %v", err)
		}
	}
	if text := textOf(t, c, "/f"); len(text) != 4<<20 {
		t.Errorf("%d bytes", len(text))
	}
}

// TestFilesLocal asks for files by another way than the socket.
func TestFilesLocal(t *testing.T) {
	s := serve(t)
	for _, o := range operations {
		method, path, _ := o.about()
		if !o.local() {
			continue
		}
		w := httptest.NewRecorder()
		s.srv.ServeHTTP(w, httptest.NewRequest(method, path+"?path=/", nil))
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), codeLocal) {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
}
