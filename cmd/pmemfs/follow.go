package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"pmemfs/server/control"
	"pmemfs/server/jobs"
)

const (
	followFirst = 20 * time.Millisecond // until a job is looked at again; then longer and longer
	followLast  = time.Second
)

// follow waits until a job of a server has ended, and says how far it is meanwhile. If ctx ends the job is cancelled, unless it was under way
// before. What it has found is read
// into result.
func follow(ctx context.Context, client *control.Client, job jobs.Job, before []jobs.Job, progress func(done, total int64), result any) error {
	others := slices.ContainsFunc(before, func(j jobs.Job) bool { return j.ID == job.ID })
	for wait := followFirst; job.State == jobs.Running; wait = min(2*wait, followLast) {
		select {
		case <-ctx.Done():
			if others {
				return fmt.Errorf("interrupted; job %d, which was under way before, goes on in the server", job.ID)
			}
			return cancelJob(context.WithoutCancel(ctx), client, job.ID, result)
		case <-time.After(wait):
		}
		reply, err := control.GetJobs.Call(ctx, client, control.JobsRequest{ID: job.ID})
		if ctx.Err() != nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("job %d goes on in the server, as far as is known: %w", job.ID, err)
		}
		job = reply.Jobs[0]
		progress(job.Done, job.Total)
	}
	return jobOutcome(&job, result)
}

// cancelJob ends a job, whose command was interrupted.
func cancelJob(ctx context.Context, client *control.Client, id uint64, result any) error {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	job, err := control.CancelJob.Call(ctx, client, control.JobID{ID: id})
	if err != nil {
		return fmt.Errorf("interrupted; job %d goes on in the server, as far as is known: %w", id, err)
	}
	return jobOutcome(&job, result)
}

// jobOutcome is what a job that has ended has come to.
func jobOutcome(job *jobs.Job, result any) error {
	if len(job.Result) > 0 {
		if err := json.Unmarshal(job.Result, result); err != nil {
			return err
		}
	}
	switch job.State {
	case jobs.Failed:
		return errors.New(job.Message)
	case jobs.Cancelled:
		return context.Canceled
	}
	return nil
}
