package control

import (
	"context"
	"net/http"

	"pmemfs/pmemfs"
	"pmemfs/server/jobs"
)

// The kinds of jobs.
const (
	JobScrub          = "scrub"
	JobSnapshotCheck  = "snapshot-check"
	JobSnapshotDelete = "snapshot-delete" // which cannot be cancelled: the snapshot is gone, its space is being freed
)

// Worker does what takes long.
type Worker interface {
	Jobs() []jobs.Job
	CancelJob(ctx context.Context, id uint64) (jobs.Job, error)
	Scrub(fs *pmemfs.FS, rate int64, resume bool) (jobs.Job, error)
	CheckSnapshot(fs *pmemfs.FS, name string, rate int64) (jobs.Job, error)
}

// ScrubRequest asks for a scrub.
type ScrubRequest struct {
	RateBytes int64 `json:"rate_bytes,omitempty" doc:"bytes to read in a second at most; 0 for no limit"`
	Resume    bool  `json:"resume,omitempty" doc:"go on with the pass that was stopped, if there is one"`
}

// StartScrub begins a scrub.
var StartScrub = Operation[ScrubRequest, jobs.Job]{
	Method: http.MethodPost, Path: "/v1/scrub",
	Summary: "Begins to read everything in the image in search of damage, or returns the pass that is under way.",
	Again:   "the answer is the pass that is under way; if that has ended, another one begins.",
	Do: func(_ context.Context, i Image, req ScrubRequest) (jobs.Job, error) {
		switch {
		case i.Running == nil:
			return jobs.Job{}, errNotServed
		case req.RateBytes < 0:
			return jobs.Job{}, badRequest("rate_bytes is negative")
		}
		return i.Running.Scrub(i.FS, req.RateBytes, req.Resume)
	},
}

// SnapshotCheckRequest asks for the check of a snapshot.
type SnapshotCheckRequest struct {
	Name      string `json:"name" doc:"the snapshot's"`
	RateBytes int64  `json:"rate_bytes,omitempty" doc:"bytes of data to read in a second at most; 0 for no limit"`
}

// StartSnapshotCheck begins the check of a snapshot.
var StartSnapshotCheck = Operation[SnapshotCheckRequest, jobs.Job]{
	Method: http.MethodPost, Path: "/v1/snapshots/check",
	Summary: "Begins to read a snapshot whole, as a restore would, or returns the check that is under way.",
	Again:   "the answer is the check that is under way; if that has ended, another one begins.",
	Do: func(_ context.Context, i Image, req SnapshotCheckRequest) (jobs.Job, error) {
		switch {
		case i.Running == nil:
			return jobs.Job{}, errNotServed
		case req.RateBytes < 0:
			return jobs.Job{}, badRequest("rate_bytes is negative")
		}
		return i.Running.CheckSnapshot(i.FS, req.Name, req.RateBytes)
	},
}

// JobsRequest says which jobs.
type JobsRequest struct {
	ID uint64 `json:"id,omitempty" doc:"of one job, with what it found; without it all are listed, without that"`
}

// JobsReply is jobs.
type JobsReply struct {
	Jobs []jobs.Job `json:"jobs" doc:"in the order in which they began; those that have ended are remembered for a while"`
}

// GetJobs lists jobs.
var GetJobs = Operation[JobsRequest, JobsReply]{
	Method: http.MethodGet, Path: "/v1/jobs", Summary: "Lists what takes long, how far it is, and what it has found.", Public: true, Whole: true,
	Do: func(_ context.Context, i Image, req JobsRequest) (JobsReply, error) {
		if i.Running == nil {
			return JobsReply{}, errNotServed
		}
		reply := JobsReply{Jobs: []jobs.Job{}}
		for _, j := range i.Running.Jobs() {
			switch {
			case req.ID == 0:
				j.Result = nil // which may be long, and the list is asked for again and again
			case j.ID != req.ID:
				continue
			}
			reply.Jobs = append(reply.Jobs, j)
		}
		if req.ID != 0 && len(reply.Jobs) == 0 {
			return reply, pmemfs.ErrNotExist
		}
		return reply, nil
	},
}

// JobID names a job.
type JobID struct {
	ID uint64 `json:"id" doc:"its number"`
}

// CancelJob ends a job.
var CancelJob = Operation[JobID, jobs.Job]{
	Method: http.MethodDelete, Path: "/v1/jobs", Summary: "Ends a job and waits until it has ended; one that has ended stays as it is.", Whole: true,
	Again: "the answer is the job, as it has ended.",
	Do: func(ctx context.Context, i Image, req JobID) (jobs.Job, error) {
		if i.Running == nil {
			return jobs.Job{}, errNotServed
		}
		return i.Running.CancelJob(ctx, req.ID)
	},
}
