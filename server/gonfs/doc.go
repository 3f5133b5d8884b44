// Package gonfs serves NFSv3 with go-nfs v0.0.4, mended from outside, and whatever MOUNT program it is given. It is the stack
// that runs first, and the other half of differential tests against the native one. LIMITS.md says what stays wrong.
//
// # How it is built
//
// go-nfs never sees a client. A session reads records off the real connection, of any number of fragments and of bounded
// size; checks the RPC header and every argument; finds out whom the caller is taken for; and then either answers from the
// engine itself, or hands the record to a worker: a go-nfs server of its own, behind an in-memory connection, that does
// one request at a time. So a request's credential, its true error and the attributes it saw can be kept beside it, and
// the reply is mended with them before it leaves: POSIX modes, all three times, fsid, the right status, attributes on
// failures. Requests of one connection run concurrently, up to a limit; replies that are ready together leave in one write.
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
// verifier is the engine's, new with every start.
//
// # Concurrency
//
// A Server is safe for any number of goroutines. Per connection there is one reader, one writer and a bounded number of
// requests; workers are shared by all connections. Waits happen in this order only: a connection's slot, the memory
// budget, a worker. Locks (Server.mu, budget.mu, session.mu) are leaves.
//
// # Panics
//
// Every request runs under recover and is answered SYSTEM_ERR; so is every call from go-nfs into this package. go-nfs's own
// goroutines cannot be given a recover from outside: what protects them is that they get checked arguments only.
package gonfs
