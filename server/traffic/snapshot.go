package traffic

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Report is all traffic since the server's start, by protocol, procedure and export.
type Report struct {
	SinceNS   int64  `json:"since_ns" doc:"when the server began to count"`
	Rows      []Row  `json:"rows" doc:"what has been called, by protocol, procedure and export"`
	Calls     uint64 `json:"calls" doc:"calls in sum"`
	Errors    uint64 `json:"errors" doc:"of these, those that were answered with an error"`
	Offloaded uint64 `json:"offloaded" doc:"of these, those that were answered beside their connection's others, as they had to wait"`
	BytesIn   uint64 `json:"bytes_in" doc:"bytes of calls"`
	BytesOut  uint64 `json:"bytes_out" doc:"bytes of replies"`
}

// Row is one procedure on one export.
type Row struct {
	Protocol  string   `json:"protocol" doc:"nfs3, nfsacl, mount, nlm, nsm, rquota, portmap, 9p or unknown"`
	Procedure string   `json:"procedure" doc:"its name in the protocol"`
	Image     string   `json:"image,omitempty" doc:"the image of the export; none where the call is about none"`
	Export    string   `json:"export,omitempty" doc:"the export; none where the call is about none"`
	Calls     uint64   `json:"calls" doc:"calls"`
	Errors    uint64   `json:"errors" doc:"of these, those that were answered with an error"`
	Statuses  []Reason `json:"statuses,omitempty" doc:"errors by status"`
	BytesIn   uint64   `json:"bytes_in" doc:"bytes of calls"`
	BytesOut  uint64   `json:"bytes_out" doc:"bytes of replies"`
	Latency   Latency  `json:"latency" doc:"time in the server"`
}

// Reason is how often a status was the answer.
type Reason struct {
	Status string `json:"status" doc:"its name in the protocol"`
	Calls  uint64 `json:"calls" doc:"calls"`
}

// Latency is how long calls were in the server, in seconds.
type Latency struct {
	Sum     float64  `json:"sum" doc:"of all calls, in seconds"`
	P50     float64  `json:"p50" doc:"half of the calls took no longer, in seconds"`
	P90     float64  `json:"p90" doc:"9 of 10"`
	P99     float64  `json:"p99" doc:"99 of 100"`
	P999    float64  `json:"p999" doc:"999 of 1,000"`
	Max     float64  `json:"max" doc:"the longest, in seconds"`
	Buckets []Bucket `json:"buckets" doc:"those with calls, to make quantiles of the difference of two readings"`
}

// Bucket is calls of about the same latency.
type Bucket struct {
	Most  float64 `json:"most" doc:"the longest that it has, in seconds; 0 for without bound"`
	Calls uint64  `json:"calls" doc:"calls"`
}

// Client is one client address.
type Client struct {
	Client      string   `json:"client" doc:"its address, of IPv6 the network of 64 bits; unix for sockets of this machine; udp for all datagrams"`
	Connections int      `json:"connections" doc:"open connections"`
	Protocols   []string `json:"protocols,omitempty" doc:"what is spoken on them: rpc, 9p"`
	Calls       uint64   `json:"calls" doc:"calls"`
	Errors      uint64   `json:"errors" doc:"of these, those that were answered with an error"`
	BytesIn     uint64   `json:"bytes_in" doc:"bytes of calls"`
	BytesOut    uint64   `json:"bytes_out" doc:"bytes of replies"`
	Seconds     float64  `json:"seconds" doc:"time of its calls in the server, in sum"`
	LastNS      int64    `json:"last_ns" doc:"when its last call was answered; 0 for never"`
}

// Calls is one procedure on one export, for those who want its histogram.
type Calls struct {
	Protocol         Protocol
	Procedure        Procedure
	Image, Export    string
	Calls, In, Out   uint64
	Seconds, Longest float64
	Errors           []StatusSum
	buckets          [bucketCount]uint64
}

// Within is how many calls took no longer than d, which is one of bounds.
func (c *Calls) Within(d time.Duration) (n uint64) {
	for i := 0; i < boundCount && bounds[i] <= uint64(d); i++ {
		n += c.buckets[i]
	}
	return n
}

// All is everything that has been called.
func (t *Table) All() []Calls {
	cells, _ := t.sumCells()
	list := make([]Calls, 0, len(cells))
	for key, c := range cells {
		image, export := t.ExportName(key.export)
		list = append(list, Calls{
			Protocol: key.procedure.Protocol(), Procedure: key.procedure, Image: image, Export: export, Calls: c.calls, In: c.in, Out: c.out,
			Seconds: seconds(c.sum), Longest: seconds(c.longest), Errors: c.errors, buckets: c.buckets,
		})
	}
	slices.SortFunc(list, func(a, b Calls) int {
		return cmp.Or(cmp.Compare(a.Procedure, b.Procedure), strings.Compare(a.Image, b.Image), strings.Compare(a.Export, b.Export))
	})
	return list
}

// sumCells adds up what the shards have counted.
func (t *Table) sumCells() (cells map[pair]*cell, offloaded uint64) {
	cells = make(map[pair]*cell)
	for i := range t.shards {
		s := &t.shards[i]
		for e := range s.rows {
			s.mu.Lock() // for one export at a time, as calls wait meanwhile
			if r := s.rows[e]; r != nil {
				r.addTo(cells, Export(e))
			}
			s.mu.Unlock()
		}
		s.mu.Lock()
		offloaded += s.offloaded
		s.mu.Unlock()
	}
	return cells, offloaded
}

func (r *row) addTo(cells map[pair]*cell, e Export) {
	for p, c := range r {
		if c == nil {
			continue
		}
		key := pair{e, Procedure(p)}
		if cells[key] == nil {
			cells[key] = new(cell)
		}
		cells[key].add(c)
	}
}

// Offloaded is how many calls were answered beside their connection's others.
func (t *Table) Offloaded() (n uint64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += s.offloaded
		s.mu.Unlock()
	}
	return n
}

// Report is all traffic until now.
func (t *Table) Report() Report {
	r := Report{SinceNS: t.begun.UnixNano(), Rows: []Row{}, Offloaded: t.Offloaded()}
	for _, c := range t.All() {
		row := c.row()
		r.Calls += row.Calls
		r.Errors += row.Errors
		r.BytesIn += row.BytesIn
		r.BytesOut += row.BytesOut
		r.Rows = append(r.Rows, row)
	}
	return r
}

func (c *Calls) row() Row {
	row := Row{
		Protocol: c.Protocol.String(), Procedure: c.Procedure.String(), Image: c.Image, Export: c.Export, Calls: c.Calls, BytesIn: c.In, BytesOut: c.Out,
		Latency: Latency{Sum: c.Seconds, Max: c.Longest, Buckets: []Bucket{}},
	}
	for _, e := range c.Errors {
		row.Errors += e.Calls
		row.Statuses = append(row.Statuses, Reason{c.Protocol.StatusName(e.Status), e.Calls})
	}
	slices.SortFunc(row.Statuses, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), strings.Compare(a.Status, b.Status))
	})
	longest := uint64(c.Longest * 1e9)
	l := &row.Latency
	for _, q := range []struct {
		to *float64
		q  float64
	}{{&l.P50, 0.5}, {&l.P90, 0.9}, {&l.P99, 0.99}, {&l.P999, 0.999}} {
		*q.to = quantile(&c.buckets, longest, q.q)
	}
	for i, n := range c.buckets {
		if n == 0 {
			continue
		}
		b := Bucket{Calls: n}
		if i < boundCount {
			b.Most = seconds(bounds[i])
		}
		l.Buckets = append(l.Buckets, b)
	}
	return row
}

// Clients are at most most clients, busiest first, and in sum all others, datagrams among them; how many of those there are is said too.
func (t *Table) Clients(most int) (list []Client, others int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, udp := t.sumClients()
	rest := t.gone
	list = []Client{}
	for i := range all {
		c := &all[i]
		if i >= most {
			rest.add(&c.sums)
			others++
			continue
		}
		one := t.client(clientName(c.addr), &c.sums, c.conns)
		for kind := range c.kinds {
			one.Protocols = append(one.Protocols, kind)
		}
		slices.Sort(one.Protocols)
		list = append(list, one)
	}
	if udp.calls > 0 {
		list = append(list, t.client("udp", &udp, 0))
	}
	if rest.calls > 0 || others > 0 {
		list = append(list, t.client(OtherName, &rest, 0))
	}
	return list, others
}

func (t *Table) client(name string, s *Sums, conns int) Client {
	c := Client{Client: name, Connections: conns, Calls: s.calls, Errors: s.errors, BytesIn: s.in, BytesOut: s.out, Seconds: seconds(s.took)}
	if s.last > 0 {
		c.LastNS = t.At(s.last).UnixNano()
	}
	return c
}

// Connections is how many connections are open, by what is spoken on them.
func (t *Table) Connections() map[string]int {
	n := make(map[string]int)
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for c := range s.conns {
			if c != t.udp {
				n[c.kind]++
			}
		}
		s.mu.Unlock()
	}
	return n
}
