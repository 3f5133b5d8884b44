package control

import (
	"context"
	"net/http"

	"pmemfs/pmemfs"
)

// Snapshot is a snapshot of an image.
type Snapshot struct {
	Name            string   `json:"name" doc:"its name"`
	Description     string   `json:"description,omitempty" doc:"what was said about it"`
	TimeNS          int64    `json:"time_ns" doc:"when it was made"`
	Files           uint64   `json:"files" doc:"files of all types that it has"`
	ReferencedBytes uint64   `json:"referenced_bytes" doc:"what its files take"`
	AloneBytes      uint64   `json:"alone_bytes" doc:"what would be free without it; 0 in the reply of its creation"`
	Holds           []string `json:"holds,omitempty" doc:"tags that keep it from being deleted"`
}

// SnapshotListReply is all snapshots of an image.
type SnapshotListReply struct {
	Snapshots     []Snapshot `json:"snapshots" doc:"oldest first"`
	DataBytes     uint64     `json:"data_bytes" doc:"what no live file has, and snapshots hold"`
	OverheadBytes uint64     `json:"overhead_bytes" doc:"what keeps account of that"`
	Deleting      int        `json:"deleting" doc:"deleted snapshots whose space is being freed"`
}

// SnapshotCreateRequest asks for a snapshot.
type SnapshotCreateRequest struct {
	Name        string `json:"name" doc:"1 to 255 bytes of UTF-8 without control characters, spaces, /, @ and :, not beginning with - or ."`
	Description string `json:"description,omitempty" doc:"up to 512 bytes"`
}

// SnapshotName says which snapshot.
type SnapshotName struct {
	Name string `json:"name" doc:"its name"`
}

// SnapshotHold is a hold of a snapshot.
type SnapshotHold struct {
	Name string `json:"name" doc:"the snapshot's"`
	Tag  string `json:"tag" doc:"1 to 32 bytes, as a name"`
}

// SnapshotRollbackRequest asks for a rollback.
type SnapshotRollbackRequest struct {
	Name  string `json:"name" doc:"the snapshot to go back to"`
	Force bool   `json:"force,omitempty" doc:"delete newer snapshots"`
}

// SnapshotDiffRequest asks for what differs.
type SnapshotDiffRequest struct {
	Earlier string `json:"earlier" doc:"name of a snapshot"`
	Later   string `json:"later,omitempty" doc:"name of a later one; without it, the files as they are now"`
}

// SnapshotDifference is a name that differs.
type SnapshotDifference struct {
	Kind string `json:"kind" doc:"added, removed, changed or renamed"`
	Type string `json:"type" doc:"file, directory, symlink, fifo, socket, block or char"`
	Path string `json:"path" doc:"from the root; of what was renamed, the old one"`
	To   string `json:"to,omitempty" doc:"of what was renamed, the new path"`
}

// SnapshotDiffReply is what differs.
type SnapshotDiffReply struct {
	Differences []SnapshotDifference `json:"differences" doc:"sorted by path"`
}

func snapshotOf(s *pmemfs.Snapshot) Snapshot {
	return Snapshot{s.Name, s.Text, s.Time, s.Inodes, s.Referenced, s.Alone, s.Holds}
}

// SnapshotList lists snapshots.
var SnapshotList = Operation[None, SnapshotListReply]{
	Method: http.MethodGet, Path: "/v1/snapshots", Summary: "Lists snapshots, with what each takes.",
	Do: func(_ context.Context, i Image, _ None) (SnapshotListReply, error) {
		list, space, err := i.FS.Snapshots()
		reply := SnapshotListReply{Snapshots: []Snapshot{}, DataBytes: space.Data, OverheadBytes: space.Overhead, Deleting: space.Deleting}
		for n := range list {
			reply.Snapshots = append(reply.Snapshots, snapshotOf(&list[n]))
		}
		return reply, err
	},
}

// SnapshotCreate makes a snapshot.
var SnapshotCreate = Operation[SnapshotCreateRequest, Snapshot]{
	Method: http.MethodPost, Path: "/v1/snapshots", Summary: "Makes a snapshot of all files as they are at this instant.",
	Again: "it is answered exists.",
	Do: func(_ context.Context, i Image, req SnapshotCreateRequest) (Snapshot, error) {
		s, err := i.FS.CreateSnapshot(req.Name, req.Description)
		return snapshotOf(&s), err
	},
}

// SnapshotDelete deletes a snapshot.
var SnapshotDelete = Operation[SnapshotName, None]{
	Method: http.MethodDelete, Path: "/v1/snapshots", Summary: "Deletes a snapshot; its space is freed in the background.",
	Again: "it is answered not_found.",
	Do: func(_ context.Context, i Image, req SnapshotName) (None, error) {
		return None{}, i.FS.DeleteSnapshot(req.Name)
	},
}

// SnapshotKeep holds a snapshot.
var SnapshotKeep = Operation[SnapshotHold, None]{
	Method: http.MethodPost, Path: "/v1/snapshots/hold", Summary: "Keeps a snapshot from being deleted.",
	Again: "the tag holds it as before.",
	Do: func(_ context.Context, i Image, req SnapshotHold) (None, error) {
		return None{}, i.FS.HoldSnapshot(req.Name, req.Tag)
	},
}

// SnapshotRelease ends a hold.
var SnapshotRelease = Operation[SnapshotHold, None]{
	Method: http.MethodDelete, Path: "/v1/snapshots/hold", Summary: "Ends a hold.",
	Again: "it is answered not_found.",
	Do: func(_ context.Context, i Image, req SnapshotHold) (None, error) {
		return None{}, i.FS.ReleaseSnapshot(req.Name, req.Tag)
	},
}

// SnapshotRollback rolls back.
var SnapshotRollback = Operation[SnapshotRollbackRequest, None]{
	Method: http.MethodPost, Path: "/v1/snapshots/rollback", Summary: "Makes all files what they were in a snapshot.",
	Again: "it goes back again, and what clients have changed since the first time is gone: use a key.",
	Do: func(_ context.Context, i Image, req SnapshotRollbackRequest) (None, error) {
		return None{}, i.FS.RollbackSnapshot(req.Name, req.Force)
	},
}

// SnapshotDiff compares snapshots.
var SnapshotDiff = Operation[SnapshotDiffRequest, SnapshotDiffReply]{
	Method: http.MethodPost, Path: "/v1/snapshots/diff", Summary: "Lists the names that differ between two snapshots, or between one and now.",
	Do: func(_ context.Context, i Image, req SnapshotDiffRequest) (SnapshotDiffReply, error) {
		list, err := i.FS.DiffSnapshots(req.Earlier, req.Later)
		reply := SnapshotDiffReply{Differences: []SnapshotDifference{}}
		for _, d := range list {
			reply.Differences = append(reply.Differences, SnapshotDifference{differenceKinds[d.Kind], fileTypes[d.Type], d.Path, d.To})
		}
		return reply, err
	},
}

var differenceKinds = map[pmemfs.DifferenceKind]string{
	pmemfs.Added: "added", pmemfs.Removed: "removed", pmemfs.Changed: "changed", pmemfs.Renamed: "renamed",
}

var fileTypes = map[pmemfs.FileType]string{
	pmemfs.TypeRegular: "file", pmemfs.TypeDir: "directory", pmemfs.TypeSymlink: "symlink", pmemfs.TypeFIFO: "fifo",
	pmemfs.TypeSocket: "socket", pmemfs.TypeBlock: "block", pmemfs.TypeChar: "char",
}
