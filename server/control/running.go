package control

import (
	"context"
	"net/http"

	"pmemfs/server/events"
	"pmemfs/server/traffic"
)

// Running is the server that an operation reaches: what it knows beyond the image that the operation is about. Its methods may be called
// by any number of goroutines.
type Running interface {
	Worker
	Carrier
	Status() Status
	Locks(most int) LocksReply
	Clients(most int) ClientsReply
	Traffic() traffic.Report
	Events() []events.Event
}

// errNotServed is the answer of an operation about a server where there is none.
var errNotServed = &Error{Code: codeNotServed, Message: "no server serves the image"}

// Status is how a server is.
type Status struct {
	Version   string        `json:"version" doc:"of the program"`
	PID       int           `json:"pid" doc:"process"`
	StartedNS int64         `json:"started_ns" doc:"when it started, in nanoseconds since 1970"`
	State     string        `json:"state" doc:"starting, recovering, serving or stopping"`
	Grace     bool          `json:"grace" doc:"clients are claiming their locks after a restart, and new ones wait"`
	NFS       string        `json:"nfs" doc:"address of NFS"`
	NineP     []string      `json:"nine_p" doc:"addresses of 9P"`
	Admin     string        `json:"admin" doc:"address of the admin port; empty if there is none"`
	Memory    MemoryStatus  `json:"memory" doc:"for requests"`
	Requests  RequestStatus `json:"requests" doc:"what is under way"`
	Images    []ImageStatus `json:"images" doc:"what is served"`
}

// MemoryStatus is the memory of requests.
type MemoryStatus struct {
	LimitBytes int64          `json:"limit_bytes" doc:"the most that requests of all clients take"`
	UsedBytes  int64          `json:"used_bytes" doc:"what they take"`
	Holders    []MemoryHolder `json:"holders" doc:"the clients that hold most of it"`
}

// MemoryHolder is a client that holds memory of requests.
type MemoryHolder struct {
	Client string `json:"client" doc:"its address"`
	Bytes  int64  `json:"bytes" doc:"what it holds"`
}

// RequestStatus is what is under way.
type RequestStatus struct {
	Connections int   `json:"connections" doc:"open connections"`
	Working     int64 `json:"working" doc:"connections that are at work, while there is more than one client"`
	Waiting     int64 `json:"waiting" doc:"calls that are answered beside their connection's others, as they have to wait"`
}

// ImageStatus is how one image is.
type ImageStatus struct {
	Path       string          `json:"path" doc:"where it is"`
	UUID       string          `json:"uuid" doc:"its identity"`
	State      string          `json:"state" doc:"ok, read-only or failed"`
	Reason     string          `json:"reason,omitempty" doc:"why it is not ok"`
	Domain     string          `json:"domain" doc:"persistence domain"`
	Grace      bool            `json:"grace" doc:"clients are claiming their locks"`
	Space      SpaceStatus     `json:"space" doc:"bytes"`
	Inodes     uint64          `json:"inodes" doc:"inodes in use, with those of the filesystem itself"`
	Engine     EngineStatus    `json:"engine" doc:"since the start"`
	Journal    JournalStatus   `json:"journal" doc:"the journal"`
	Recovery   RecoveryStatus  `json:"recovery" doc:"what the start had to do"`
	Duplicates DuplicateStatus `json:"duplicates" doc:"calls of NFS that clients have sent again"`
	Snaps      SnapsStatus     `json:"snapshots" doc:"snapshots"`
	Quotas     bool            `json:"quotas" doc:"use is accounted to users, groups and trees"`
	Locks      LockCounts      `json:"locks" doc:"locks of files"`
	Scrub      ScrubStatus     `json:"scrub" doc:"search for damage"`
	Damage     DamageStatus    `json:"damage" doc:"bad memory"`
	Exports    []ExportStatus  `json:"exports" doc:"its exports"`
}

// SpaceStatus is what an image's space is used for.
type SpaceStatus struct {
	SizeBytes     uint64 `json:"size_bytes" doc:"of the image"`
	LiveBytes     uint64 `json:"live_bytes" doc:"what live files take, and the filesystem itself"`
	SnapshotBytes uint64 `json:"snapshot_bytes" doc:"what snapshots alone hold"`
	FreeBytes     uint64 `json:"free_bytes" doc:"free"`
	AvailBytes    uint64 `json:"avail_bytes" doc:"free, less what is kept for operations that free space"`
	BadBytes      uint64 `json:"bad_bytes" doc:"out of use since the memory is bad"`
}

// JournalStatus is the ring of the journal.
type JournalStatus struct {
	SizeBytes uint64 `json:"size_bytes" doc:"of the ring"`
	UsedBytes uint64 `json:"used_bytes" doc:"what the next start would replay after a crash"`
}

// RecoveryStatus is what the start had to do.
type RecoveryStatus struct {
	Records uint64  `json:"records" doc:"records that were replayed"`
	Seconds float64 `json:"seconds" doc:"how long it took to open the image"`
}

// DuplicateStatus is the memory of replies.
type DuplicateStatus struct {
	Hits       uint64 `json:"hits" doc:"calls that were answered again and not carried out again"`
	Misses     uint64 `json:"misses" doc:"changes that were new"`
	Remembered int64  `json:"remembered" doc:"replies that are remembered"`
}

// EngineStatus is what the engine has done.
type EngineStatus struct {
	Changes     uint64 `json:"changes" doc:"changes that were recorded in the journal"`
	Fences      uint64 `json:"fences" doc:"fences"`
	Lines       uint64 `json:"lines" doc:"lines flushed"`
	NTLines     uint64 `json:"nt_lines" doc:"lines stored past the cache"`
	Syncs       uint64 `json:"syncs" doc:"system calls that make durable"`
	Checkpoints uint64 `json:"checkpoints" doc:"checkpoints"`
}

// SnapsStatus is the snapshots of an image.
type SnapsStatus struct {
	Count    int   `json:"count" doc:"snapshots"`
	Deleting int   `json:"deleting" doc:"deleted ones whose space is being freed"`
	NewestNS int64 `json:"newest_ns" doc:"when the last one was made; 0 for none"`
}

// LockCounts is how many locks there are.
type LockCounts struct {
	Files   int `json:"files" doc:"files that have any"`
	Held    int `json:"held" doc:"locks and reservations"`
	Waiting int `json:"waiting" doc:"requests that wait"`
	Clients int `json:"clients" doc:"clients that have any"`
}

// ScrubStatus is how scrubbing stands.
type ScrubStatus struct {
	Running  bool   `json:"running" doc:"a pass is under way"`
	Passes   uint64 `json:"passes" doc:"complete ones"`
	BeganNS  int64  `json:"began_ns" doc:"when the last one began"`
	EndedNS  int64  `json:"ended_ns" doc:"when the last complete one ended; 0 for none"`
	Bytes    uint64 `json:"bytes" doc:"read in this pass, or in the last one"`
	Findings uint64 `json:"findings" doc:"of this pass, or of the last one"`
}

// DamageStatus is the memory that cannot be used.
type DamageStatus struct {
	BadBlocks  uint64 `json:"bad_blocks" doc:"out of use"`
	LostBlocks uint64 `json:"lost_blocks" doc:"in use, and refused"`
}

// ExportStatus is one export.
type ExportStatus struct {
	Name     string   `json:"name" doc:"what clients mount"`
	Subtree  string   `json:"subtree" doc:"directory that it shows"`
	ReadOnly bool     `json:"read_only" doc:"changes are refused"`
	Squash   string   `json:"squash" doc:"who loses his identity: none, root or all"`
	Clients  []string `json:"clients" doc:"networks that may use it; empty for all"`
	Snapdir  string   `json:"snapdir" doc:"hidden, visible or disabled"`
	Missing  string   `json:"missing,omitempty" doc:"why it cannot be mounted"`
	// The quota of the tree that the directory is in.
	UsedBytes  uint64 `json:"used_bytes,omitempty" doc:"what the tree takes, if a quota accounts for it"`
	LimitBytes uint64 `json:"limit_bytes,omitempty" doc:"what it may take; 0 for no limit"`
}

// GetStatus describes the server.
var GetStatus = Operation[None, Status]{
	Method: http.MethodGet, Path: "/v1/status", Summary: "Describes the server and the images that it serves, as they are now.", Public: true, Whole: true,
	Do: func(_ context.Context, i Image, _ None) (Status, error) {
		if i.Running == nil {
			return Status{}, errNotServed
		}
		return i.Running.Status(), nil
	},
}
