package server

import (
	"context"
	"errors"
	"fmt"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
	"pmemfs/server/jobs"
)

// Jobs are what takes long, of all images. The freeing of deleted snapshots is no job that somebody could end.
func (r running) Jobs() []jobs.Job {
	list := r.s.jobs.All()
	for _, i := range r.s.images {
		if _, deleting := i.eng.SnapshotIndex(); deleting > 0 {
			list = append(list, jobs.Job{Kind: control.JobSnapshotDelete, Image: i.path, Subject: fmt.Sprintf("%d snapshots", deleting), State: jobs.Running})
		}
	}
	return list
}

// CancelJob ends a job.
func (r running) CancelJob(ctx context.Context, id uint64) (jobs.Job, error) {
	return r.s.jobs.Cancel(ctx, id)
}

// Scrub begins a pass over an image.
func (r running) Scrub(fs *pmemfs.FS, rate int64, resume bool) (jobs.Job, error) {
	i, err := r.image(fs)
	if err != nil {
		return jobs.Job{}, err
	}
	if i.readOnly {
		return jobs.Job{}, pmemfs.ErrReadOnly
	}
	job, _, err := i.startScrub(rate, resume)
	return job, err
}

// CheckSnapshot begins to read a snapshot whole.
func (r running) CheckSnapshot(fs *pmemfs.FS, name string, rate int64) (jobs.Job, error) {
	i, err := r.image(fs)
	if err != nil {
		return jobs.Job{}, err
	}
	if _, err := fs.SnapshotNamed(name); err != nil {
		return jobs.Job{}, err
	}
	job, _, err := r.s.jobs.Start(control.JobSnapshotCheck, i.path, name, func(ctx context.Context, progress func(done, total int64)) (any, error) {
		report, err := fs.CheckSnapshot(ctx, name, pmemfs.SnapshotCheckOptions{Rate: rate, Progress: progress})
		if report == nil {
			return nil, err
		}
		for _, f := range report.Findings {
			i.log.Warn("a snapshot is damaged", "snapshot", name, "path", f.Path, "problem", f.Problem)
		}
		return report, err
	})
	return job, err
}

// image is the one with an engine.
func (r running) image(fs *pmemfs.FS) (*Image, error) {
	for _, i := range r.s.images {
		if i.eng == fs {
			return i, nil
		}
	}
	return nil, pmemfs.ErrNotExist
}

// Carry does what a client waits for, as a job that is listed and can be ended; it ends when the client goes.
func (r running) Carry(ctx context.Context, image, kind, subject string, work jobs.Work) error {
	var failed error
	job, _, err := r.s.jobs.Start(kind, image, subject, func(ctx context.Context, progress func(done, total int64)) (any, error) {
		result, err := work(ctx, progress)
		failed = err
		return result, err
	})
	if err != nil {
		return err
	}
	ended, err := r.s.jobs.Wait(ctx, job.ID)
	if err != nil { // its client has gone
		ended, err = r.s.jobs.Cancel(context.WithoutCancel(ctx), job.ID)
	}
	if err != nil {
		return err
	}
	if failed == nil && ended.State != jobs.Done {
		return errors.New(ended.Message)
	}
	return failed
}
