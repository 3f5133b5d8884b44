package tracing

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pmemfs/server/rpc"
	"pmemfs/server/traffic"
)

// observe has a tracer see a call.
func observe(t *Tracer, table *traffic.Table, status traffic.Status) {
	r := &rpc.Request{Remote: netip.MustParseAddrPort("10.0.0.1:700")}
	r.Counted.File = 17
	now := table.Now()
	t.Answered(r, &rpc.Observed{Event: traffic.Event{Procedure: traffic.NFS3.Procedure(6), Export: table.Export("image", "/a"), Status: status, In: 1, Out: 2},
		Arrived: now - 3000, Began: now - 2000, Ended: now, Beside: true})
}

// TestSpans has a collector decode what arrives.
func TestSpans(t *testing.T) {
	got := make(chan request, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req request
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&req); err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		got <- req
	}))
	defer collector.Close()
	table := traffic.New()
	tracer, err := New(Config{Endpoint: collector.URL, Sample: 1, Version: "v1", Traffic: table})
	if err != nil {
		t.Fatal(err)
	}
	observe(tracer, table, 5)
	req := <-got
	for sent, _ := tracer.Calls(); sent == 0; sent, _ = tracer.Calls() {
		time.Sleep(time.Millisecond)
	}
	defer tracer.Close()
	rs := req.ResourceSpans[0]
	if *rs.Resource.Attributes[0].Value.String != "pmemfs" || rs.ScopeSpans[0].Scope.Version != "v1" {
		t.Errorf("%+v", rs.Resource)
	}
	spans := rs.ScopeSpans[0].Spans
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	root, wait, serve := spans[0], spans[1], spans[2]
	if root.Name != "nfs3 READ" || root.Kind != kindServer || len(root.TraceID) != 32 || len(root.SpanID) != 16 || root.Parent != "" ||
		root.Status == nil || root.Status.Code != statusError || root.Status.Message != "NFS3ERR_IO" {
		t.Errorf("the span of the call is %+v", root)
	}
	for i, child := range []span{wait, serve} {
		if child.TraceID != root.TraceID || child.Parent != root.SpanID || child.SpanID == root.SpanID || child.Name != []string{"wait", "serve"}[i] {
			t.Errorf("child %d is %+v", i, child)
		}
	}
	if wait.Start != root.Start || wait.End != serve.Start || serve.End != root.End || wait.Start >= wait.End || serve.Start >= serve.End {
		t.Errorf("times are %s to %s, %s to %s, %s to %s", root.Start, root.End, wait.Start, wait.End, serve.Start, serve.End)
	}
	attributes := make(map[string]string)
	for _, a := range root.Attributes {
		text, err := json.Marshal(a.Value)
		if err != nil {
			t.Fatal(err)
		}
		attributes[a.Key] = string(text)
	}
	for key, want := range map[string]string{"rpc.system": `{"stringValue":"nfs3"}`, "rpc.method": `{"stringValue":"READ"}`, "client.address": `{"stringValue":"10.0.0.1"}`,
		"pmemfs.export": `{"stringValue":"/a"}`, "pmemfs.image": `{"stringValue":"image"}`, "pmemfs.file": `{"intValue":"17"}`, "pmemfs.beside": `{"boolValue":true}`} {
		if attributes[key] != want {
			t.Errorf("%s is %s, want %s", key, attributes[key], want)
		}
	}
}

// TestNoCollector traces towards one that hangs: who traces does not wait, what waits is bounded, and Close ends it.
func TestNoCollector(t *testing.T) {
	hung, goOn := make(chan struct{}, 100), make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		hung <- struct{}{}
		<-goOn
	}))
	defer collector.Close()
	defer close(goOn)
	table := traffic.New()
	tracer, err := New(Config{Endpoint: collector.URL + "/", Sample: 1, Traffic: table})
	if err != nil {
		t.Fatal(err)
	}
	observe(tracer, table, 0)
	<-hung
	for range 2 * queueMost {
		observe(tracer, table, 0)
	}
	tracer.mu.Lock()
	waiting := len(tracer.waiting)
	tracer.mu.Unlock()
	if waiting != queueMost {
		t.Errorf("%d calls wait", waiting)
	}
	tracer.Close()
	if sent, lost := tracer.Calls(); sent != 0 || lost < queueMost {
		t.Errorf("%d calls are sent and %d lost", sent, lost)
	}
}

// TestSample traces a part of calls.
func TestSample(t *testing.T) {
	table := traffic.New()
	tracer := &Tracer{sample: 0.1, traffic: table, wake: make(chan struct{}, 1)}
	for range 10_000 {
		observe(tracer, table, 0)
	}
	if n := len(tracer.waiting); n < 800 || n > 1200 { // six standard deviations
		t.Errorf("%d of 10,000 calls are traced", n)
	}
}

// TestRefusals are configurations that could not work.
func TestRefusals(t *testing.T) {
	for _, c := range []Config{{Endpoint: "localhost:4318", Sample: 1}, {Endpoint: "grpc://host:4317", Sample: 1}, {Endpoint: "http://", Sample: 1},
		{Endpoint: "http://host", Sample: 0}, {Endpoint: "http://host", Sample: 1.5}} {
		if tracer, err := New(c); err == nil {
			tracer.Close()
			t.Errorf("%+v is taken", c)
		}
	}
	if got, err := Endpoint("https://host:4318/otlp/v1/traces"); err != nil || !strings.HasSuffix(got, "/otlp/v1/traces") {
		t.Errorf("%s, %v", got, err)
	}
}

// TestSecret does not tell of the URL, which may have a token in it, when the collector is not there.
func TestSecret(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tracer := &Tracer{endpoint: gone.URL + "/v1/traces?token=secret", client: http.DefaultClient}
	err := tracer.post(t.Context(), nil)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
}
