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
// What requests take of memory comes from a Budget, which may be that of several servers, in five rations: connections, beginnings of records, work
// sets, calls that wait, large slots. Each is shared by client address. A connection has no buffers while it is idle; a work set of 256 KiB while it
// works, a large slot while a record or a reply is larger than that has room for. A large slot is asked for when 128 KiB of a record have arrived, so
// a claim alone takes no memory. What is to be had is taken in the order of the rations, and who has a large slot waits for nothing but its client,
// so there is no circle; a client that does not go on gives back what others wait for, after Limits.Yield.
//
// Who finds no memory is not read, and TCP makes its client wait. Who connects when there are too many connections ends an idle one of
// the client that has most.
//
// A datagram's sender may be forged. So what is no call has no answer, neither have hosts that Config.Admit does not know, nothing longer than
// DatagramBytes leaves, and by how much replies are longer than their calls is limited for each client and for all.
//
// Silence, a record that does not arrive and replies that are not taken end a connection; so does a record that is too large
// or no call. When the server stops, calls in progress are answered first, for as long as Limits.Drain.
//
// # Fairness
//
// Connections work in turns, which are passed on from client to client; see turn. How many connections a client has does not matter.
//
// # Concurrency
//
// A Server and its programs are for any number of goroutines. A Decoder, an Encoder and a RecordReader belong to one goroutine at
// a time. No goroutine of the package can end the process. What ends a connection from outside waits for nothing; see watch.go. Lock order, where what
// stands apart is held alone:
//
//	sender.wmu            a write to the socket
//	  sender.mu           what waits to be written
//	  ration.mu           who has how much, and who waits
//	Datagrams.mu          calls that wait, in both directions
//	  share.Pool          how many there are
//	  Budget.mu           clients and their connections
//	  ration.mu
//	Server.mu             the set of connections
//	shelf.mu              free buffers
//	excess.mu             by how much replies over UDP were longer than their calls
package rpc
