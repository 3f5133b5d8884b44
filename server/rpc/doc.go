// Package rpc is ONC RPC version 2 (RFC 5531) over TCP and UDP: record marking, call and reply headers, AUTH_NONE and
// AUTH_SYS credentials, XDR (RFC 4506) over byte slices, the transport that programs are served on, and the calls that a server
// has to make itself.
//
// Everything here treats its input as hostile: a length is compared with what is there before anything is allocated or
// sliced, and failure is a value, not a panic.
//
// # Transport
//
// Each connection has one goroutine. It reads all that has arrived, answers call after call in place, and sends all the
// replies in one write: under load a system call serves many calls, and nothing is allocated. A program that would have to
// wait, for a lock or for the medium, returns Wait instead; the call then runs in a goroutine of its own, and later calls
// of the connection overtake it, which the protocol allows.
//
//	socket -> inbuf -> reply (serve -> Program.Serve) -> out ----------> sender -> socket
//	                      \-- Wait --> waiter (a goroutine) --> pend --/
//
// A socket of UDP has one goroutine too. Each datagram is a call, or the reply to one of the server's own calls: both leave from the
// one port that others know. Calls that wait are few, and those for which there is no room are dropped, as the client repeats them.
//
// Another protocol whose messages begin with their length can share all of this by a Session for each connection, in place of programs.
//
// # Bounds
//
// Calls that wait are bounded per connection and per server; when a bound is met the connection is not read, and TCP makes
// the client wait. An idle connection has no buffers. Large ones, for records and replies of more than 128 KiB, need one of the
// server's large slots, each for one connection or one waiting call; a slot is asked for when 128 KiB of a record have arrived, so
// a claim alone takes no memory. Who waits for a slot holds none, so slots come free as their holders are served, or timed out.
//
// A datagram's sender may be forged. So what is no call has no answer, neither have hosts that Config.Admit does not know, nothing longer than
// DatagramBytes leaves, and the long replies of all clients together are limited in number.
//
// Silence, a record that does not arrive and replies that are not taken end a connection; so does a record that is too large
// or no call. When the server stops, calls in progress are answered first.
//
// # Concurrency
//
// A Server and its programs are for any number of goroutines. A Decoder, an Encoder and a RecordReader belong to one goroutine at
// a time. Lock order:
//
//	Server.mu             the set of connections
//	sender.wmu            a write to the socket
//	  sender.mu           what waits to be written
//	Datagrams.mu          calls that wait, in both directions
//	bucket.mu             how many long replies have left
package rpc
