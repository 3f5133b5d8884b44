// Package rpc has what the NFS family shares of ONC RPC version 2 (RFC 5531) over TCP: record marking, the call and
// reply headers, AUTH_SYS credentials, and XDR (RFC 4506) over byte slices.
//
// Everything here treats its input as hostile: a length is compared with what is there before anything is allocated or
// sliced, and failure is a value, not a panic.
//
// Concurrency: a Decoder, an Encoder and a RecordReader belong to one goroutine at a time. There is no other state.
package rpc
