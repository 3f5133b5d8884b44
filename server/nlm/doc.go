// Package nlm is the Network Lock Manager (program 100021): versions 1 and 3 (X/Open XNFS chapter 10), which macOS speaks as well, and
// version 4 (RFC 1813 appendix II), over TCP and UDP. Locks are the engine's, so those of all protocols conflict.
//
// # Who owns a lock
//
// A client is the address that a call comes from and the name in it (caller_name), an owner is the client and a number (svid), as
// on other servers. What else says of its owner (oh) is only given back to those who meet the lock: it is made anew for each call by
// some clients. Reservations have no number; of them oh is the owner.
//
// Who may read or write a file may lock it. On a read-only export locks are shared: who may not change a file is not to keep others
// from it. Whoever owns a lock may let go of it,
// also when the export is gone.
//
// # Asynchronous forms
//
// A _MSG procedure is answered with nothing, and its result is a call of the _RES procedure at the client, whose portmapper is asked
// for its endpoint: over UDP from the server's own socket if the call came over UDP, over TCP if not.
//
// # Blocking locks
//
// LOCK with block that cannot be granted is answered with BLOCKED. When its turn comes the client is called, with GRANTED, or GRANTED_MSG if it
// asked by LOCK_MSG, several times if need be. A client that does not answer, or wants the lock no more, loses it. One that
// asks again meanwhile is told so: that counts as an answer. Calls are bounded; when there are too many, the lock is let go and the
// client, which asks again in its own time as all do, gets its next turn.
//
// # Repetitions
//
// A call that arrives a second time (same address, same bytes, xid included) after its lock has been released, or taken again, must do
// nothing. So answers that changed something are remembered for a while.
//
// # Concurrency and durability
//
// A Server is for any number of goroutines. Locks are in memory; that a client has some is in the image before it is told (package
// nsm). Lock order: Server.mu and drc.mu, leaves. The engine calls back under its own locks: then mu is taken and nothing else.
package nlm
