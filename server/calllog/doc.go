// Package calllog writes a line for each call that a server has answered, or for one of so many: the access log.
//
// A line is an object of JSON. Its keys are always the same, in the same order:
//
//	time      when the call was answered
//	client    address and port; unix for a socket of this machine
//	protocol  procedure  image  export  as in metrics
//	file      number of the file, as clients see it; left out where there is none
//	name      that the client has named in it, or a path; left out where there is none
//	user      whom the client says it is; left out where it does not say
//	status    OK, or the protocol's name for the error
//	in  out   bytes of the call and of the reply
//	latency   seconds in the server
//
// What clients have chosen is escaped and cut. No call waits for the log: lines that find no room are lost, and counted.
//
// # Concurrency
//
// A Log is for any number of goroutines. Its mutex is a leaf.
package calllog
