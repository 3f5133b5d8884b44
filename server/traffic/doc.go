// Package traffic counts what clients ask and how it is answered: calls, errors by status, bytes and latency for each protocol, procedure and export,
// and the same in sum for each client. Everything that shows traffic reads these counters: metrics, commands and the status page.
//
//	Batch     calls that are answered and whose replies have not left; belongs to one goroutine
//	  Conn    one connection; it publishes a batch before its replies leave
//	  shard   counters of some of the connections, under a lock that seldom has to be waited for
//	Table     all shards, and the clients
//
// Counts are exact: a call is counted before its reply leaves, so whoever has a reply finds the call in the next reading.
//
// # Latency
//
// The latency of a call is the time from when the server begins with the calls that arrived together until its reply is ready to leave. Calls that
// are answered together leave together, so they have one latency: that is what their client sees of the server, and it takes two readings of the
// clock for all of them. A reading takes 20 to 25 ns, which is more than all the rest that a call costs here.
//
// # Bounds
//
// What is counted apart is bounded, whatever clients do. Procedures have known names, and one for the rest. Exports are those of the configuration,
// the first ExportsMax of a server's life; further ones are counted together. So are pairs of procedure and export beyond cellsMax. Clients are those
// that have a connection, and of the others those with most calls, clientsKept of them; the rest are counted together. Whoever sends datagrams
// may be somebody else, so they all are one client.
//
// # Concurrency
//
// A Table is for any number of goroutines. A Batch belongs to one at a time. Lock order:
//
//	Table.mu        clients
//	  shard.mu      counters
//	    Table.cells which pairs are counted apart; a leaf
//	  Table.names   exports; a leaf
package traffic
