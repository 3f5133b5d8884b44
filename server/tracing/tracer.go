package tracing

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

const (
	queueMost = 2048 // calls that wait to be sent
	sendAt    = 256  // calls that are sent at once
	sendEvery = time.Second
	patience  = 10 * time.Second // for the collector's answer
	tellEvery = time.Minute
	replyMost = 64 << 10 // bytes of an answer that are looked at
)

// Config is what a Tracer needs.
type Config struct {
	Endpoint string  // URL of the collector; without a path, /v1/traces is meant
	Sample   float64 // which part of calls is traced, above 0 and up to 1
	Version  string
	Traffic  *traffic.Table
	Logger   *slog.Logger // that is told of spans that were lost; nil for none
}

// Tracer is an rpc.Observer.
type Tracer struct {
	endpoint string
	sample   float64
	version  string
	traffic  *traffic.Table
	log      *slog.Logger
	client   *http.Client
	sent     atomic.Uint64 // calls
	lost     atomic.Uint64
	wake     chan struct{} // has an element when there are enough calls
	stop     context.CancelFunc
	running  safego.Group

	mu      sync.Mutex
	waiting []call
}

// call is a call that is traced.
type call struct {
	ids                                                [40]byte // of the trace and its three spans
	protocol, procedure, image, export, client, status string
	file                                               uint64
	arrived, began, ended                              time.Time
	in, out                                            uint32
	beside, failed                                     bool
}

// Endpoint is where a collector of a URL takes traces.
//
// Errors: a URL that is none, or not of HTTP.
func Endpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = fmt.Errorf("%q is not http://HOST:PORT or https://HOST:PORT", text)
	}
	if err != nil {
		return "", fmt.Errorf("endpoint of traces: %w", err)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// VetSample refuses what is no part of calls that could be traced.
//
// Errors: one that says what is.
func VetSample(part float64) error {
	if !(part > 0 && part <= 1) { // nor what is no number
		return fmt.Errorf("%v of all calls cannot be traced: it is a part above 0 and up to 1; without an endpoint none is", part)
	}
	return nil
}

// New begins to trace.
//
// Errors: those of Endpoint and VetSample.
func New(c Config) (*Tracer, error) {
	endpoint, err := Endpoint(c.Endpoint)
	if err != nil {
		return nil, err
	}
	if err := VetSample(c.Sample); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &Tracer{
		endpoint: endpoint, sample: c.Sample, version: c.Version, traffic: c.Traffic, log: cmp.Or(c.Logger, slog.New(slog.DiscardHandler)),
		client: &http.Client{Timeout: patience}, wake: make(chan struct{}, 1), stop: stop,
	}
	t.running.Go("traces", func() { t.run(ctx) })
	return t, nil
}

// Answered implements rpc.Observer.
func (t *Tracer) Answered(r *rpc.Request, o *rpc.Observed) {
	if t.sample < 1 && rand.Float64() >= t.sample {
		return
	}
	protocol := o.Procedure.Protocol()
	c := call{
		protocol: protocol.String(), procedure: o.Procedure.String(), client: "unix", status: protocol.StatusName(o.Status), file: r.Counted.File,
		arrived: t.traffic.At(o.Arrived), began: t.traffic.At(o.Began), ended: t.traffic.At(o.Ended), in: o.In, out: o.Out, beside: o.Beside, failed: o.Status != 0,
	}
	c.image, c.export = t.traffic.ExportName(o.Export)
	if r.Remote.IsValid() {
		c.client = r.Remote.Addr().String()
	}
	for i := 0; i < len(c.ids); i += 8 {
		binary.BigEndian.PutUint64(c.ids[i:], rand.Uint64()|1) // an id that is zero is none
	}
	t.mu.Lock()
	full, n := len(t.waiting) >= queueMost, 0
	if !full {
		t.waiting = append(t.waiting, c)
		n = len(t.waiting)
	}
	t.mu.Unlock()
	if full {
		t.lost.Add(1)
	}
	if n >= sendAt {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// Calls is how many calls the collector was told of, and how many were lost.
func (t *Tracer) Calls() (sent, lost uint64) { return t.sent.Load(), t.lost.Load() }

// Close gives up what the collector has not taken.
func (t *Tracer) Close() {
	t.stop()
	t.running.Wait()
	t.client.CloseIdleConnections()
}

// run sends what waits until ctx ends.
func (t *Tracer) run(ctx context.Context) {
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	var told uint64
	var toldAt time.Time
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-t.wake:
		}
		err := t.send(ctx)
		if lost := t.lost.Load(); lost != told && time.Since(toldAt) >= tellEvery {
			t.log.Warn("traces of calls were lost: the collector does not take them, or not as fast", "calls", lost-told, "error", err)
			told, toldAt = lost, time.Now()
		}
	}
}

// send sends what waits, some calls at a time.
func (t *Tracer) send(ctx context.Context) (err error) {
	t.mu.Lock()
	calls := t.waiting
	t.waiting = nil
	t.mu.Unlock()
	for len(calls) > 0 && ctx.Err() == nil {
		some := calls[:min(len(calls), sendAt)]
		calls = calls[len(some):]
		if e := t.post(ctx, some); e != nil {
			t.lost.Add(uint64(len(some)))
			err = e
			continue
		}
		t.sent.Add(uint64(len(some)))
	}
	t.lost.Add(uint64(len(calls)))
	return err
}

// post tells the collector of calls.
func (t *Tracer) post(ctx context.Context, calls []call) error {
	body, err := encode(calls, t.version)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	// It is read so that the connection can be used again.
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, replyMost)); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", resp.Status)
	}
	return nil
}

// withoutURL is an error without the URL that was asked, which may have a secret in it.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
