package top

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pmemfs/server/control"
	"pmemfs/server/traffic"
)

// reading is what a server told so many seconds after the first one.
func reading(second int, started int64, create, lookup uint64, changes uint64) *Reading {
	return &Reading{
		At:     time.Unix(int64(1000+second), 0),
		Status: control.Status{StartedNS: started, State: "serving", Images: []control.ImageStatus{{Engine: control.EngineStatus{Changes: changes, Fences: changes}}}},
		Traffic: traffic.Report{Rows: []traffic.Row{
			{Protocol: "nfs3", Procedure: "CREATE", Export: "/", Calls: create, Errors: create / 2, BytesIn: 100 * create, BytesOut: 200 * create,
				Latency: traffic.Latency{Sum: 1e-3 * float64(create), Buckets: []traffic.Bucket{{Most: 1e-3, Calls: create}}}},
			{Protocol: "nfs3", Procedure: "LOOKUP", Export: "/", Calls: lookup,
				Latency: traffic.Latency{Sum: 1e-6 * float64(lookup), Buckets: []traffic.Bucket{{Most: 1e-6, Calls: lookup - lookup/50}, {Most: 0, Calls: lookup / 50}}}},
			{Protocol: "mount", Procedure: "NULL", Calls: 1},
		}},
		Clients: control.ClientsReply{Clients: []traffic.Client{{Client: "10.0.0.1", Calls: create + lookup, Seconds: float64(create) * 1e-3}}},
	}
}

// TestBetween compares what is shown with what was done between two readings.
func TestBetween(t *testing.T) {
	f := Between(reading(0, 1, 100, 1000, 50), reading(2, 1, 120, 3000, 70))
	if f.Seconds != 2 || f.Changes != 10 || f.Fences != 10 || f.State != "serving" {
		t.Errorf("frame %+v", f)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	near("calls", f.Total.Calls, 1010)
	near("median", f.Total.P50, 1e-6)
	if len(f.Procedures) != 3 || len(f.Exports) != 1 || len(f.Clients) != 1 {
		t.Fatalf("rows %+v", f)
	}
	c := f.Procedures[0]
	near("creates", c.Calls, 10)
	near("errors", c.Errors, 5)
	near("bytes in", c.In, 1000)
	near("mean", c.Mean, 1e-3)
	near("99 of 100", c.P99, 1e-3)
	near("beyond all buckets", f.Procedures[1].P99, 1e-6)
	near("the export's calls", f.Exports[0].Calls, 1010)
	near("the client's calls", f.Clients[0].Calls, 1010)
	if _, err := json.Marshal(&f); err != nil {
		t.Error(err)
	}
}

// TestBetweenRestart takes nothing of an earlier process into account.
func TestBetweenRestart(t *testing.T) {
	f := Between(reading(0, 1, 1000, 1000, 500), reading(1, 2, 10, 20, 5))
	if f.Total.Calls != 31 || f.Changes != 5 {
		t.Errorf("after a restart: %+v, %g changes", f.Total, f.Changes)
	}
}

// TestFormat writes figures short.
func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Count(0), "0"}, {Count(1.25), "1.2"}, {Count(1234), "1234"}, {Count(12345), "12.3k"}, {Count(2.5e6), "2.5M"}, {Count(7e9), "7.0G"},
		{Bytes(0), "0B"}, {Bytes(1023), "1023B"}, {Bytes(1536), "1.5KiB"}, {Bytes(200 << 20), "200MiB"}, {Bytes(3 << 50), "3PiB"},
		{Seconds(0), "-"}, {Seconds(2e-6), "2.0us"}, {Seconds(0.25), "250.0ms"}, {Seconds(3), "3.00s"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
