package metrics

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pmemfs/server/traffic"
)

const (
	// ClientsShown is how many clients have metrics of their own.
	ClientsShown = 100
	// HoldersShown is of how many clients it is shown how much memory they hold.
	HoldersShown = 10
	// QuotasShown is how many accounts with limits an image shows, and QuotasRead how many it looks at for that.
	QuotasShown, QuotasRead = 500, 10_000
)

// Config says where to read.
type Config struct {
	Version  string // of the program
	Revision string // of its source; empty if that is not known
	Traffic  *traffic.Table
	Server   func() Server
	Images   func() []Image
}

// Metrics answers Prometheus.
type Metrics struct {
	c        Config
	registry *prometheus.Registry
}

// New returns what shows a server.
func New(c Config) *Metrics {
	m := &Metrics{c: c, registry: prometheus.NewRegistry()}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers GET /metrics. It has no bounds of its own: whoever has the port makes answers in turn. A bound of the library's would refuse those who
// come while one is being made, and count one whose client is gone.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.HTTPErrorOnError}))
}

// Registry is what the handler shows.
func (m *Metrics) Registry() prometheus.Gatherer { return m.registry }

// metric is one that is declared.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	desc       *prometheus.Desc
}

// all are the metrics of this package, in the order of their declaration.
var all []*metric

func declare(kind prometheus.ValueType, name, help string, labels ...string) *metric {
	m := &metric{name: name, help: help, kind: kind, labels: labels, desc: prometheus.NewDesc(name, help, labels, nil)}
	all = append(all, m)
	return m
}

func counter(name, help string, labels ...string) *metric {
	return declare(prometheus.CounterValue, name, help, labels...)
}

func gauge(name, help string, labels ...string) *metric {
	return declare(prometheus.GaugeValue, name, help, labels...)
}

// histogram is one whose values are made otherwise.
func histogram(name, help string, labels ...string) *metric {
	return declare(prometheus.UntypedValue, name, help, labels...)
}

// sink takes what is collected.
type sink chan<- prometheus.Metric

// put adds a value.
func (s sink) put(m *metric, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(m.desc, m.kind, v, texts(labels)...)
}

// putHistogram adds a histogram.
func (s sink) putHistogram(m *metric, n uint64, sum float64, buckets map[float64]uint64, labels ...string) {
	s <- prometheus.MustNewConstHistogram(m.desc, n, sum, buckets, texts(labels)...)
}

// texts are values of labels as Prometheus takes them: text in UTF-8, which a path need not be. Other bytes are written in hexadecimal.
func texts(labels []string) []string {
	for i, l := range labels {
		if !utf8.ValidString(l) {
			labels = slices.Clone(labels)
			labels[i] = text(l)
		}
	}
	return labels
}

func text(label string) string {
	var b strings.Builder
	for i, r := range label {
		if _, size := utf8.DecodeRuneInString(label[i:]); r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, label[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// putTime adds a time, unless there is none.
func (s sink) putTime(m *metric, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.put(m, float64(t.UnixMilli())/1e3, labels...)
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, x := range all {
		to <- x.desc
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	s := sink(to)
	m.collectCalls(s)
	m.collectClients(s)
	server := m.c.Server()
	m.collectServer(s, &server)
	for _, i := range m.c.Images() {
		collectImage(s, &i)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
