// Package top shows in a terminal what a server does now: what is called, on which exports, by whom, and how long it takes. It reads the
// same counters as the status page, twice, and shows the difference.
//
// # Concurrency
//
// A model belongs to its program.
package top
