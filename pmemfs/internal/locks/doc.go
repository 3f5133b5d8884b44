// Package locks is the table of byte-range locks and share reservations of an open filesystem. It knows files by number and
// owners by name, and nothing of protocols or of the medium.
//
// # What an owner gets
//
// POSIX semantics: an owner never conflicts with itself. What it sets replaces what it had in the range, so that locks are
// split, merged, upgraded and downgraded; a downgrade and an unlock may let others in.
//
// A request that does not wait looks at the locks that are held, as fcntl does on a local filesystem. Requests that wait are in
// one queue for each file, and none overtakes an earlier one that it conflicts with: a stream of readers does not starve a
// writer that waits. Grants are calls of a function; nobody has to wait in a goroutine.
//
// # Deadlock
//
// A waiting owner has two kinds of edges to others: hard ones, to those that hold what it asks for, and barriers, to those
// that asked before it. Owners may wait in several files, so there may be circles.
//
//   - No circle is all hard. A request that would close one is refused with ErrDeadlock. A lock that an owner gets while it waits
//     elsewhere gives edges to it, so its other requests are looked at again, and end if they are in a circle now.
//   - A barrier does not count while the earlier owner waits, by edges of either kind, for the later one, and the later one has
//     more than this request. Every circle with a barrier in it has such a barrier: who has nothing but a request is waited for
//     only by those behind it in the same queue, and a circle does not lead ever further back in one queue.
//
// So at any time some owner waits for nobody in the table. A search that takes too long counts as if it had found a circle.
//
// # Bounds
//
// Every lock, request and reservation costs a unit, and one more for every 64 bytes of names. A client may hold no more units than
// are left over: one alone can have half of them, two a third each, and a newcomer always finds some. The same holds of the locks, requests
// and reservations of each file. A request pays at once for what its grant may need, so a grant never fails, except that it may take more of
// a file than its client's share.
//
// # Concurrency and durability
//
// A Table is for any number of goroutines. Nothing is on a medium: after a restart clients claim their locks again. Functions
// that are told of a grant are called without any lock of the table, by whoever made the grant possible, and must return at once.
//
// # Lock order
//
//	Table.mu   all of it; leaf
package locks
