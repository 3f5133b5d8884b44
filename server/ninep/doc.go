// Package ninep serves 9P2000.L, the variant of 9P for Linux, straight from the engine, on the transport of package rpc.
//
// # What a fid is
//
// A fid is a file by its handle, the user who attached, and the export: no path is kept, so what other clients and other protocols do
// is seen at once, and a file that is renamed stays the fid's. Only Tremove and Trename go by a name, the one by which the fid was
// found, and fail where the file has it no more. Permissions are the engine's, for the user of the fid; an open fid keeps what it was opened
// for, and its file, also when that has no name any more: the engine frees it when the fid is given up, or at the next start.
//
// Who can connect is believed. The protocol names users and, in requests that make something, a group; their other groups are those that the
// machine of the server knows, or those of files like passwd(5) and group(5).
//
// # Requests
//
// All that can be answered without waiting is answered in place, and other requests beside each other: those that wait for the medium,
// for locks or for other requests. Tflush makes a request that waits for a lock end; it waits for every other one, and is answered after it. Tversion does so with all of them, in place.
//
// A fid never changes once others can see it: to open it, or to lead it elsewhere, puts another one in its place. Requests under
// way keep theirs.
//
// # Concurrency and durability
//
// A Server is for any number of goroutines. Every answer to a change says that it is durable, Rwrite's included; of a Tclunk too, by which
// an attribute is set.
//
// Lock order:
//
//	xattr.mu          the value that a fid writes; held over the engine's setting it
//	  the engine's
//	table.mu          the fids of a session; a leaf
//	fid.mu            what changes in a fid; a leaf
//	session.mu        what waits; a leaf
package ninep
