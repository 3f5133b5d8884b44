// Package metrics shows Prometheus what a server does and how it is.
//
// Nothing is counted here. What is shown is read when Prometheus asks: calls from package traffic, everything else from plain values that whoever makes a
// Metrics gathers. The hot paths so know nothing of Prometheus, whose own histograms take longer than many a call.
//
// Every metric is declared in a table with its name, its labels and what it says; docs/metrics.md has the same, and a test holds the two together. What has
// a label that others choose is bounded: see the tables of clients, quotas and exports.
//
// # Concurrency
//
// A Metrics is for any number of goroutines. How many requests are answered at once is up to whoever has the port.
package metrics
