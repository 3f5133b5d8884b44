// Package lossylog is a log that a server can lose, and that cannot stop the server. Whoever logs never waits: lines go to a bounded queue,
// and one goroutine writes them. What does not fit, because the reader of the log stalls or is gone, is lost, and how many
// lines were is the first thing that a reader who is back is told.
//
// # Rates
//
// A client can make the server log: by being refused, by breaking connections, by mounting. So of each cause (a message) a client
// gets ten lines at once and one a second after that, and all clients together a hundred and then ten a second. What is left out is
// counted, and the next line of that cause, or one of its own after ten seconds, says how often. Lines below the level info
// are asked for by whoever debugs, and have no rate. Strings of clients are cut to 64 bytes, others to a kilobyte.
//
// # Concurrency
//
// A Handler is for any number of goroutines. Lock order: limiter.mu and queue.mu are leaves.
package lossylog
