package metrics

import (
	"time"

	"pmemfs/pmemfs"
)

// Server is how a server is.
type Server struct {
	State       string // starting, recovering, serving or stopping
	Connections Ends
	Waiting     int64 // calls that are answered beside their connection's others
	Working     int64 // connections that are at work, while there is more than one client
	MemoryLimit int64 // bytes of requests
	Panics      uint64
	Memory      []Part
	Holders     []Holder // those who hold most of it

	Certificates  []Certificate
	Access, Spans Lossy
}

// Ends is how many connections have ended, by how.
type Ends struct{ Ended, Lost, Junk, Cut, Evicted, Refused uint64 }

// Part is one of the parts that the memory of requests has.
type Part struct {
	Name        string
	Limit, Held int64 // bytes
	Waiting     int   // clients
}

// Holder is a client that holds memory of requests.
type Holder struct {
	Client string
	Bytes  int64
}

// Certificate is one that the server shows.
type Certificate struct {
	Of    string // what it is for
	Until time.Time
}

// Lossy is what is written beside the calls, which do not wait for it.
type Lossy struct{ Written, Lost uint64 }

// Image is how an image is.
type Image struct {
	Name      string
	Info      pmemfs.Info
	Counters  pmemfs.Counters
	Activity  pmemfs.Activity
	Media     pmemfs.MediaErrors
	Locks     pmemfs.LockUsage
	Held      pmemfs.SnapshotSpace
	Snapshots int
	Schedules []Schedule
	Quotas    []pmemfs.Quota // those with limits that are shown
	Failure   string         // why nothing is acknowledged any more; empty while it is
	Grace     bool           // clients claim their locks
	Hosts     int            // that are told of a restart
	ScrubDue  time.Time      // when the next complete pass is to begin, or should have begun; zero for never
	Duplicates
}

// Schedule is how a schedule of snapshots does.
type Schedule struct {
	Name    string
	Every   time.Duration
	Last    time.Time // when it last made one; zero for never
	Failing bool
}

// Duplicates is what the duplicate request cache has met: retransmissions, and other calls that it looked up.
type Duplicates struct {
	Hits, Misses uint64
	Entries      int64
}
