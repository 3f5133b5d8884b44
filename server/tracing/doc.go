// Package tracing tells a collector of OpenTelemetry about single calls: one in so many, chosen by chance, by OTLP over HTTP in JSON.
//
// A call is a span of its protocol and procedure, with client, export and status, and two children: "wait" from when the server begins with what has arrived
// until the call's turn, "serve" while it is carried out. Traces begin here: neither NFS nor 9P tells of a parent.
//
// The exporter is our own. That of OpenTelemetry brings gRPC along and makes the program larger by 6 MB, two fifths of all of it, for something that is off
// unless it is asked for; of what it does beside, nothing is needed here.
//
// No call waits for the collector: spans that find no room, or that it does not take, are lost and counted.
//
// # Concurrency
//
// A Tracer is for any number of goroutines. Its mutex is a leaf.
package tracing
