// Package gonfs serves NFSv3 with go-nfs v0.0.4, mended from outside. It is the stack that ran first, and is the other half of
// differential tests against the native one. LIMITS.md says what stays wrong.
//
// # How it is built
//
// go-nfs never sees a client. The transport (package rpc) hands over a call, beside the others of its connection; serve checks
// every argument, finds out whom the caller is taken for, and then either answers from the engine itself, or gives the
// record to a worker: a go-nfs server of its own, behind an in-memory connection, that does one request at a time. So a
// request's credential, its true error and the attributes it saw can be kept beside it, and the reply is mended with them before
// it leaves: POSIX modes, all three times, fsid, the right status, attributes on failures.
//
// go-nfs answers NULL, GETATTR, LOOKUP, READLINK, READ, WRITE, REMOVE, RMDIR and RENAME. The other procedures are wrong there
// in ways that no mending of the reply can repair (an atomic change done in several, a check not made, a cookie that means
// something else tomorrow), so answer*.go does them.
//
// # Handles
//
// A handle is 40 bytes: filesystem, export, inode, generation, and a keyed digest, so that it survives restarts and
// renames, and cannot be guessed. go-nfs thinks in paths; the view gives it paths that start with a handle (see view.go).
//
// # Durability
//
// The engine makes every change durable before it returns, and no reply is built before that: FILE_SYNC is the truth. The write
// verifier is the engine's.
//
// # Concurrency
//
// A Server is safe for any number of goroutines. Workers are shared by all connections; who waits for one holds nothing but
// what the transport gave it. The lock of the pool is a leaf.
//
// # Panics
//
// Every request runs under recover and is answered SYSTEM_ERR; so is every call from go-nfs into this package. go-nfs's own
// goroutines cannot be given a recover from outside: what protects them is that they get checked arguments only.
package gonfs
