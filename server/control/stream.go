package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/archive"
	"pmemfs/archive/tarball"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/jobs"
)

const (
	archiveType   = "application/x-tar"
	reportTrailer = "Pmemfs-Report"
	// streamPatience is how long a client of a stream may take for streamLeast bytes. Whoever feeds it may have to wait for something else.
	streamPatience = 5 * time.Minute
	streamLeast    = 64 << 10
	// replyPatience is how long one may take for the last words about a stream.
	replyPatience = 10 * time.Second
	streamBuffer  = 256 << 10
	trailerMax    = 64 << 10
)

// stream is an operation whose request or reply is an archive of any length. It is a job while it is under way: it is listed, can
// be ended, and ends when its client goes.
type stream[Req any] struct {
	method, path, summary, againText, kind string

	subject func(Req) string
	do      func(ctx context.Context, i Image, req Req, body io.Reader, w io.Writer, progress func(done, total int64)) (archive.Report, error)
}

func (o stream[Req]) about() (method, path, summary string) { return o.method, o.path, o.summary }
func (o stream[Req]) public() bool                          { return false }
func (o stream[Req]) ofServer() bool                        { return false }
func (o stream[Req]) local() bool                           { return true }
func (o stream[Req]) again() string                         { return o.againText }

func (o stream[Req]) types() (request, reply reflect.Type) {
	return reflect.TypeFor[Req](), reflect.TypeFor[archive.Report]()
}

func (o stream[Req]) answer(context.Context, Image, *http.Request) (any, error) {
	return nil, fmt.Errorf("%s %s is a stream", o.method, o.path)
}

// streams is a route that answers by itself.
type streams interface {
	serve(s *Server, w http.ResponseWriter, r *http.Request)
}

// streamCount tells streams about one path apart: each is a job of its own.
var streamCount atomic.Uint64

func (o stream[Req]) serve(s *Server, w http.ResponseWriter, r *http.Request) {
	var req Req
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil {
		err = fromQuery(query, reflect.ValueOf(&req).Elem())
	} else {
		err = badRequest("the query: %v", err)
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	p := &pipe{w: w, r: r.Body, control: http.NewResponseController(w)}
	out := bufio.NewWriterSize(p, streamBuffer)
	subject := fmt.Sprintf("%s, stream %d", tarball.Short(o.subject(req)), streamCount.Add(1))
	var report archive.Report
	work := func(ctx context.Context, progress func(done, total int64)) (any, error) {
		defer safego.OnEnd(ctx, "end of a stream", p.interrupt)()
		var err error
		report, err = o.do(ctx, s.image, req, bufio.NewReaderSize(p, streamBuffer), out, progress)
		if err == nil && p.begun { // while the job can be cancelled; what is small goes with the last words
			err = out.Flush()
		}
		return report, err
	}
	if s.image.Running == nil {
		_, err = work(r.Context(), func(int64, int64) {})
	} else {
		err = s.image.Running.Carry(r.Context(), s.path, o.kind, subject, work)
	}
	p.lastWords()
	if o.method == http.MethodGet {
		o.endRead(s, w, p, out, report, err)
		return
	}
	text, jerr := json.Marshal(report)
	if err == nil {
		err = jerr
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.write(w, http.StatusOK, text)
}

// endRead ends a reply that is an archive. What has begun and cannot be ended is broken off, so that nobody takes it for whole.
func (o stream[Req]) endRead(s *Server, w http.ResponseWriter, p *pipe, out *bufio.Writer, report archive.Report, err error) {
	if err != nil && !p.begun {
		s.refuse(w, err)
		return
	}
	if err == nil {
		err = out.Flush()
	}
	text, jerr := json.Marshal(report)
	for len(report.Problems) > 0 && len(text) > trailerMax/2 {
		report.Problems = report.Problems[:len(report.Problems)/2]
		text, jerr = json.Marshal(report)
	}
	if err != nil || jerr != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set(reportTrailer, string(text))
}

// pipe is the body of a request and of its reply, with time for a client that waits now and then. It is used by one goroutine, but for
// interrupt.
type pipe struct {
	w       http.ResponseWriter
	r       io.Reader
	control *http.ResponseController
	begun   bool

	in, out window

	mu      sync.Mutex // over what follows, and deadlines
	stopped bool       // whoever waits for the client is to end
	ended   bool       // nobody does any more
}

// errInterrupted is of a stream that was ended while it waited for its client.
var errInterrupted = errors.New("the stream was ended")

// window is the time in which a direction of a stream has to move so many bytes.
type window struct {
	until time.Time
	moved int
}

// deadline is when the next bytes have to be there.
func (w *window) deadline(n int) time.Time {
	if w.moved += n; w.until.IsZero() || w.moved >= streamLeast {
		w.until, w.moved = time.Now().Add(streamPatience), 0
	}
	return w.until
}

// interrupt wakes whoever waits for the client, and keeps others from waiting. The last words are not cut off by one that comes late.
func (p *pipe) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.stopped = true
	past := time.Unix(1, 0)
	// A connection that takes no deadline has ended.
	_ = p.control.SetReadDeadline(past)
	_ = p.control.SetWriteDeadline(past)
}

// lastWords gives the client time for what it is told in the end.
func (p *pipe) lastWords() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.stopped = true, false
	_ = p.control.SetWriteDeadline(time.Now().Add(replyPatience)) // else it has gone, and is told nothing
}

// wait sets the time in which the client has to move something in one direction.
func (p *pipe) wait(w *window, set func(time.Time) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return errInterrupted
	}
	return set(w.deadline(0))
}

func (p *pipe) Read(b []byte) (int, error) {
	if err := p.wait(&p.in, p.control.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := p.r.Read(b)
	p.in.deadline(n)
	return n, err
}

func (p *pipe) Write(b []byte) (int, error) {
	if !p.begun {
		p.begun = true
		p.w.Header().Set("Trailer", reportTrailer)
		p.w.Header().Set("Content-Type", archiveType)
	}
	if err := p.wait(&p.out, p.control.SetWriteDeadline); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.out.deadline(n)
	return n, err
}

// Carrier has a server carry out what a client waits for, as a job.
type Carrier interface {
	// Carry carries it out, and ends it when ctx ends. It returns when it has ended.
	Carry(ctx context.Context, image, kind, subject string, work jobs.Work) error
}
