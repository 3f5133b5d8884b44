// Package serverbench measures servers of NFSv3 or 9P2000.L against what the socket allows: one load generator, several servers in turn.
//
// # What is compared
//
// Each server is a process of its own. The floor is an echo: a Go server that knows nothing of a record but where it ends,
// and answers it with a record as long as pmemfs's reply to the same call (of 9P also its kind, as each has its length). It comes in two forms: one reply per write, and
// all replies to what was read in one write. A server's figure is its operations per second divided by the echo's in the
// same round (the plain echo's at one outstanding call, else the batched one's); the median over the rounds counts, since
// a machine's speed changes more between rounds than within one. Peers that cannot be run are in the report with the reason.
//
// # The load
//
// A cell is an operation with so many connections and so many outstanding calls on each. Calls are built beforehand; what is
// sent differs in xid, and in name or offset where the operation needs it. All that is ready on a connection leaves in one
// write, and what has arrived is read in large pieces. A worker is one thread with several connections, and there are half as
// many as processors at most, so that the server has the rest. Every reply's xid and status are verified. So is what the reply
// holds: handle, file number and counts wholly, data by words that cover a part of each reply and all of some.
//
// # Processors
//
// The two sides of a single connection mostly wait for each other. Where they run on two processors each has to wake the
// other's, which takes several times as long as a call, above all on a virtual machine; where the system happens to put them on
// one it does not. Figures then fall into two heaps by chance. So with one connection both sides run on one processor (unless
// Spread is set), and what is compared is the time that both take together. With more connections the system decides.
//
// # Operations
//
// With NFS, GETATTR, LOOKUP and ACCESS go over 1,000 files of one directory. READ goes over one file, WRITE (FILE_SYNC) over a file per
// connection, both of 2 MiB. CREATE, REMOVE and RENAME have a directory per connection. READDIRPLUS lists the directory of
// 1,000 files in replies of up to 32 KiB; a whole listing counts as one operation, as servers cut it differently.
//
// With 9P every connection has fids of its own, for the file of each slot or for the file or directory that all work on. WALK walks one
// name and gives the fid up: two requests, one after the other. CREATE+UNLINK takes a fid of the directory, makes a file by it, gives it
// up and removes the file: four requests, or five where the server knows no Tunlinkat and Linux would walk to the file and Tremove
// it. Depth is how many slots go through such a sequence at once. A server whose messages hold less than an operation's data gets it in
// as large pieces as it takes, and depth is then pieces.
//
// Durability: none is measured. Images and exports are in memory, and pmemfs serves in the volatile domain.
package serverbench
