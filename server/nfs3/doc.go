// Package nfs3 is NFS version 3 (RFC 1813), all 22 procedures, straight on the engine.
//
// # How a call is answered
//
// The transport (package rpc) hands a call over in place. A call decodes all its arguments, finds the files that its handles name
// and whom the caller is taken for (admit), has the engine do the work, and appends the reply to the connection's
// buffer. Nothing is allocated. Data of a READ is copied once: see package filedata.
//
// What the reply says of a file before and after the operation (wcc_data, post_op_attr) the engine has seen under the locks of the
// operation (pmemfs.Call), so it is one picture, and it is there on errors too.
//
// # Access control lists
//
// NFSACL (program 100227, version 3), as Linux and Solaris speak it, is beside NFS: see acl.go. What the lists say the engine enforces, for
// every procedure. New files inherit default lists as from knfsd: the mode that the client sends bounds them, and no umask
// is known. A Linux client that sees a default list does not apply its umask; any other has applied it to the mode already.
//
// # Waiting
//
// A call that cannot have a lock at once, or that changes something where a fence is a system call, asks the transport to be called
// beside the connection's other calls.
//
// # Durability
//
// A change is durable when its reply is built: the engine says so, and no reply is built before. Where a fence is
// cheap every WRITE is answered FILE_SYNC, whatever was asked for; where it is not, UNSTABLE means what it says, and COMMIT ends it.
//
// # Retransmissions
//
// Procedures that must not be carried out twice go through the duplicate request cache (drc.go). The keys of their requests are in the
// journal's records too, as request notes, and so outlive a crash of the server (drc_call.go).
//
// # Exports
//
// Every handle names the export that it was given out for, with a digest. A call is about one export, whose rules apply: client
// networks, squashing, read-only. Above the root of an export nothing is shown.
//
// # Concurrency
//
// A Server is for any number of goroutines. Lock order:
//
//	drc.sweeping       one sweep of the cache at a time
//	  drcShard.mu      the entries of some clients; held over a question to the socket about a reply (rpc.Receipt)
//
// Nothing of the engine or of the transport's locks is taken under them.
package nfs3
