package tracing

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
)

// What follows is the JSON of OTLP (opentelemetry-proto, trace/v1), as far as it is used. Ids are in hexadecimal, 64-bit numbers are strings.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	span struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		Parent     string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Status     *status     `json:"status,omitempty"`
	}
	status struct {
		Code    int    `json:"code"`
		Message string `json:"message,omitempty"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string `json:"stringValue,omitempty"`
		Int    string  `json:"intValue,omitempty"`
		Bool   *bool   `json:"boolValue,omitempty"`
	}
)

// Kinds of spans, and the status of one that failed.
const (
	kindInternal = 1
	kindServer   = 2
	statusError  = 2
)

func text(key, v string) attribute { return attribute{key, value{String: &v}} }
func whole(key string, v uint64) attribute {
	return attribute{key, value{Int: strconv.FormatUint(v, 10)}}
}
func truth(key string, v bool) attribute { return attribute{key, value{Bool: &v}} }

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// spans makes the three spans of a call.
func (c *call) spans() []span {
	trace := hex.EncodeToString(c.ids[:16])
	root := span{
		TraceID: trace, SpanID: hex.EncodeToString(c.ids[16:24]), Name: c.protocol + " " + c.procedure, Kind: kindServer, Start: nanos(c.arrived), End: nanos(c.ended),
		Attributes: []attribute{text("rpc.system", c.protocol), text("rpc.method", c.procedure), text("client.address", c.client), text("pmemfs.status", c.status),
			truth("pmemfs.beside", c.beside), whole("pmemfs.bytes_in", uint64(c.in)), whole("pmemfs.bytes_out", uint64(c.out))},
	}
	for key, v := range map[string]string{"pmemfs.image": c.image, "pmemfs.export": c.export} {
		if v != "" {
			root.Attributes = append(root.Attributes, text(key, v))
		}
	}
	if c.file != 0 {
		root.Attributes = append(root.Attributes, whole("pmemfs.file", c.file))
	}
	if c.failed {
		root.Status = &status{statusError, c.status}
	}
	child := func(ids []byte, name string, from, to time.Time) span {
		return span{TraceID: trace, SpanID: hex.EncodeToString(ids), Parent: root.SpanID, Name: name, Kind: kindInternal, Start: nanos(from), End: nanos(to)}
	}
	return []span{root, child(c.ids[24:32], "wait", c.arrived, c.began), child(c.ids[32:40], "serve", c.began, c.ended)}
}

// encode makes the body of a request.
func encode(calls []call, version string) ([]byte, error) {
	var all []span
	for i := range calls {
		all = append(all, calls[i].spans()...)
	}
	return json.Marshal(request{[]resourceSpans{{
		Resource:   resource{[]attribute{text("service.name", "pmemfs"), text("service.version", version)}},
		ScopeSpans: []scopeSpans{{scope{"pmemfs", version}, all}},
	}}})
}
