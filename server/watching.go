package server

import (
	"errors"

	"pmemfs/server/calllog"
	"pmemfs/server/metrics"
	"pmemfs/server/rpc"
	"pmemfs/server/tracing"
)

// Watching says who is told of single calls. The zero value: nobody, which costs calls nothing.
type Watching struct {
	AccessLog       string  // file to which a line for each call is appended; calllog.Stdout for standard output, empty for none
	AccessLogSample uint64  // one of so many calls has a line
	TraceEndpoint   string  // URL of a collector of OpenTelemetry, by OTLP over HTTP; empty for none
	TraceSample     float64 // which part of calls is traced: above 0, up to 1
}

func (w *Watching) vet() error {
	if w.AccessLog != "" && w.AccessLogSample == 0 {
		return errors.New("one of no calls cannot have a line in the access log: without a file there is none")
	}
	if w.TraceEndpoint == "" {
		return nil
	}
	if _, err := tracing.Endpoint(w.TraceEndpoint); err != nil {
		return err
	}
	return tracing.VetSample(w.TraceSample)
}

// watchers are told of each call.
type watchers struct {
	log    *calllog.Log    // nil for none
	traces *tracing.Tracer // likewise
}

// watch begins what the configuration wants.
func (s *Server) watch(w *Watching) (err error) {
	if w.AccessLog != "" {
		s.watchers.log, err = calllog.Open(calllog.Config{Path: w.AccessLog, Sample: w.AccessLogSample, Traffic: s.traffic, Logger: s.log})
	}
	if err == nil && w.TraceEndpoint != "" {
		s.watchers.traces, err = tracing.New(tracing.Config{
			Endpoint: w.TraceEndpoint, Sample: w.TraceSample, Version: s.config.Version, Traffic: s.traffic, Logger: s.log})
	}
	return err
}

// observer is whom the transport tells of calls; nil for nobody.
func (w *watchers) observer() rpc.Observer {
	switch {
	case w.log != nil && w.traces != nil:
		return w
	case w.log != nil:
		return w.log
	case w.traces != nil:
		return w.traces
	}
	return nil
}

// Answered implements rpc.Observer.
func (w *watchers) Answered(r *rpc.Request, o *rpc.Observed) {
	w.log.Answered(r, o)
	w.traces.Answered(r, o)
}

// close ends both, when no more calls are answered.
func (w *watchers) close() {
	if w.log != nil {
		w.log.Close()
	}
	if w.traces != nil {
		w.traces.Close()
	}
}

// measure is how both do.
func (w *watchers) measure(m *metrics.Server) {
	if w.log != nil {
		m.Access.Written, m.Access.Lost = w.log.Lines()
	}
	if w.traces != nil {
		m.Spans.Written, m.Spans.Lost = w.traces.Calls()
	}
}

// ErrNoAccessLog is returned where there is no access log to be opened anew.
var ErrNoAccessLog = errors.New("there is no access log")

// ReopenAccessLog goes on in a file of the same path, so that the old one can be moved away before. It may be called by any goroutine while the server serves.
//
// Errors: ErrNoAccessLog; those of opening the file, and then nothing has changed.
func (s *Server) ReopenAccessLog() error {
	if s.watchers.log == nil {
		return ErrNoAccessLog
	}
	return s.watchers.log.Reopen()
}
