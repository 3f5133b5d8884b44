package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"pmemfs/archive"
	"pmemfs/archive/tarball"
)

// request makes a request of a stream.
func (c *Client) request(ctx context.Context, method, path string, req any, body io.Reader) (*http.Response, error) {
	url := c.base + path
	if q := toQuery(reflect.ValueOf(req)); len(q) > 0 {
		url += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", archiveType)
	}
	if c.identity != "" {
		r.Header.Set(imageHeader, c.identity)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, &UnreachableError{c.image, c.place, err}
	}
	return answer, nil
}

// refusal reads why a server has refused.
func (c *Client) refusal(answer *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, replyMax))
	if err != nil {
		return err
	}
	var f failure
	if err := json.Unmarshal(text, &f); err != nil || f.Error == nil {
		return fmt.Errorf("the server at %s answered %s: %.300q", c.place, answer.Status, strings.TrimSpace(string(text)))
	}
	return f.Error
}

// ReadFiles has a server copy files out of its image, and copies them to a sink.
//
// Errors: an *Error is the operation's; the sink's; all others mean that the archive did not arrive whole.
func (c *Client) ReadFiles(ctx context.Context, req archive.ExportRequest, sink tarball.Sink, progress func(done, total int64)) (report archive.Report, err error) {
	answer, err := c.request(ctx, FilesRead.method, FilesRead.path, req, nil)
	if err != nil {
		return report, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return report, c.refusal(answer)
	}
	var done int64
	from := tarball.NewReader(answer.Body)
	err = tarball.Copy(sink, from, func(*tarball.Entry) error { return nil }, func(n int) {
		done += int64(n)
		progress(done, 0)
	})
	if err != nil {
		var arrival *tarball.Error
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &arrival) && ctx.Err() == nil && tarball.Truncated(err) {
			err = fmt.Errorf("the archive of the server at %s broke off: its log and jobs list say why: %w", c.place, err)
		}
		return report, err
	}
	text := answer.Trailer.Get(reportTrailer)
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return report, fmt.Errorf("the server at %s ended its archive without a report: %w", c.place, err)
	}
	return report, nil
}

// WriteFiles has a server copy what a source has into its image. skipped is told of what no archive can hold.
//
// Errors: the source's, alone: what the server says of a source that has failed would only confuse; an *Error is the operation's; all others mean
// that what has become of it is not known.
func (c *Client) WriteFiles(ctx context.Context, req archive.ImportRequest, source tarball.Source, skipped func(*tarball.Entry), progress func(done, total int64)) (report archive.Report, err error) {
	var done int64
	body := &failing{r: tarball.NewEncoder(source, skipped, func(n int) {
		done += int64(n)
		progress(done, 0)
	})}
	answer, err := c.request(ctx, FilesWrite.method, FilesWrite.path, req, body)
	if err != nil {
		return report, cmp.Or(body.failure(), err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		err := c.refusal(answer)
		var failed *Error
		if errors.As(err, &failed) && failed.InImage != "" { // of the archive, which was made here, nobody knows
			failed.Message = failed.InImage
		}
		return report, cmp.Or(body.failure(), err)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, replyMax))
	if err != nil {
		return report, fmt.Errorf("the answer of the server at %s broke off, so what it has done is not known: %w", c.place, err)
	}
	return report, json.Unmarshal(text, &report)
}

// failing remembers why a source has failed, of which the server learns only that nothing more comes.
type failing struct {
	r  io.Reader
	mu sync.Mutex // over err: a server may answer before everything is sent

	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err = err
	}
	return n, err
}

// failure is why the source has failed, or nil.
func (f *failing) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
