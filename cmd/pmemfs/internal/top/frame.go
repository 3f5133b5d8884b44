package top

import (
	"math"
	"slices"
	"time"

	"pmemfs/server/control"
	"pmemfs/server/traffic"
)

// Reading is what a server told at one time.
type Reading struct {
	At      time.Time
	Status  control.Status
	Traffic traffic.Report
	Clients control.ClientsReply
}

// Row is what was called in the time between two readings: of one procedure, export or client.
type Row struct {
	Name    string  `json:"name"`
	Calls   float64 `json:"calls"`        // a second
	Errors  float64 `json:"errors"`       // a second
	In      float64 `json:"in"`           // bytes a second
	Out     float64 `json:"out"`          // bytes a second
	Mean    float64 `json:"mean_seconds"` // of a call; 0 if there was none
	P50     float64 `json:"p50_seconds"`  // of clients there is none
	P99     float64 `json:"p99_seconds"`  // likewise
	buckets map[float64]uint64
	took    float64
}

// Frame is what a server does.
type Frame struct {
	State      string  `json:"state"`
	Seconds    float64 `json:"seconds"` // between the readings
	Total      Row     `json:"total"`
	Changes    float64 `json:"changes"` // recorded, a second
	Fences     float64 `json:"fences"`  // a second
	Procedures []Row   `json:"procedures"`
	Exports    []Row   `json:"exports"`
	Clients    []Row   `json:"clients"`
}

// Between is what happened between two readings. What an earlier process of the server has counted does not count: after a restart everything
// is new.
func Between(before, now *Reading) Frame {
	if before.Status.StartedNS != now.Status.StartedNS {
		before = &Reading{At: before.At, Status: control.Status{Images: nil}}
	}
	seconds := max(now.At.Sub(before.At).Seconds(), 1e-3)
	f := Frame{State: now.Status.State, Seconds: seconds, Total: Row{Name: "all"}}
	procedures, exports := newGroup(), newGroup()
	old := make(map[[4]string]*traffic.Row)
	for i := range before.Traffic.Rows {
		r := &before.Traffic.Rows[i]
		old[keyOf(r)] = r
	}
	for i := range now.Traffic.Rows {
		d := difference(old[keyOf(&now.Traffic.Rows[i])], &now.Traffic.Rows[i])
		r := &now.Traffic.Rows[i]
		procedures.add(r.Protocol+" "+r.Procedure, &d)
		if r.Export != "" {
			exports.add(r.Export, &d)
		}
		f.Total.add(&d)
	}
	f.Total.finish(seconds)
	f.Procedures, f.Exports = procedures.rows(seconds), exports.rows(seconds)
	f.Clients = clientRows(before, now, seconds)
	engine := func(r *Reading) (changes, fences float64) {
		for i := range r.Status.Images {
			changes += float64(r.Status.Images[i].Engine.Changes)
			fences += float64(r.Status.Images[i].Engine.Fences)
		}
		return changes, fences
	}
	changes, fences := engine(now)
	changesBefore, fencesBefore := engine(before)
	f.Changes, f.Fences = (changes-changesBefore)/seconds, (fences-fencesBefore)/seconds
	return f
}

func keyOf(r *traffic.Row) [4]string { return [4]string{r.Protocol, r.Procedure, r.Image, r.Export} }

// difference is what was called since an earlier reading, nil for the start: in sum and not a second yet.
func difference(before, now *traffic.Row) Row {
	if before == nil {
		before = new(traffic.Row)
	}
	d := Row{
		Calls: float64(now.Calls - before.Calls), Errors: float64(now.Errors - before.Errors), In: float64(now.BytesIn - before.BytesIn),
		Out: float64(now.BytesOut - before.BytesOut), took: now.Latency.Sum - before.Latency.Sum, buckets: make(map[float64]uint64),
	}
	for _, b := range now.Latency.Buckets {
		d.buckets[bound(b)] += b.Calls
	}
	for _, b := range before.Latency.Buckets {
		d.buckets[bound(b)] -= b.Calls
	}
	return d
}

// bound is the longest latency of a bucket.
func bound(b traffic.Bucket) float64 {
	if b.Most == 0 {
		return math.Inf(1)
	}
	return b.Most
}

func (r *Row) add(d *Row) {
	r.Calls, r.Errors, r.In, r.Out, r.took = r.Calls+d.Calls, r.Errors+d.Errors, r.In+d.In, r.Out+d.Out, r.took+d.took
	if r.buckets == nil {
		r.buckets = make(map[float64]uint64)
	}
	for most, calls := range d.buckets {
		r.buckets[most] += calls
	}
}

// finish turns sums into what there is in a second.
func (r *Row) finish(seconds float64) {
	if r.Calls > 0 {
		r.Mean = r.took / r.Calls
	}
	r.P50, r.P99 = r.quantile(0.5), r.quantile(0.99)
	r.Calls, r.Errors, r.In, r.Out = r.Calls/seconds, r.Errors/seconds, r.In/seconds, r.Out/seconds
	r.buckets = nil
}

// quantile is the latency that a part of the calls did not exceed, as far as buckets tell.
func (r *Row) quantile(part float64) float64 {
	bounds := make([]float64, 0, len(r.buckets))
	all := uint64(0)
	for most, calls := range r.buckets {
		bounds, all = append(bounds, most), all+calls
	}
	slices.Sort(bounds)
	last, seen := 0.0, uint64(0)
	for _, most := range bounds {
		if seen += r.buckets[most]; all > 0 && float64(seen) >= part*float64(all) {
			if math.IsInf(most, 1) {
				return last // it was longer, which JSON has no number for
			}
			return most
		}
		last = most
	}
	return 0
}

// group collects rows by name, in the order in which they come.
type group struct {
	byName map[string]*Row
	order  []string
}

func newGroup() *group { return &group{byName: make(map[string]*Row)} }

func (g *group) add(name string, d *Row) {
	r := g.byName[name]
	if r == nil {
		r = &Row{Name: name}
		g.byName[name] = r
		g.order = append(g.order, name)
	}
	r.add(d)
}

func (g *group) rows(seconds float64) []Row {
	list := make([]Row, 0, len(g.order))
	for _, name := range g.order {
		r := g.byName[name]
		r.finish(seconds)
		list = append(list, *r)
	}
	return list
}

// clientRows are what clients asked. One that was away and is back may have fewer calls than before: it begins anew.
func clientRows(before, now *Reading, seconds float64) []Row {
	old := make(map[string]*traffic.Client)
	for i := range before.Clients.Clients {
		old[before.Clients.Clients[i].Client] = &before.Clients.Clients[i]
	}
	list := make([]Row, 0, len(now.Clients.Clients))
	for i := range now.Clients.Clients {
		c := &now.Clients.Clients[i]
		o := old[c.Client]
		if o == nil || o.Calls > c.Calls {
			o = new(traffic.Client)
		}
		r := Row{Name: c.Client, Calls: float64(c.Calls - o.Calls), Errors: float64(c.Errors - o.Errors), In: float64(c.BytesIn - o.BytesIn),
			Out: float64(c.BytesOut - o.BytesOut), took: c.Seconds - o.Seconds}
		r.finish(seconds)
		list = append(list, r)
	}
	return list
}
