package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
	"pmemfs/server/jobs"
)

func newJobs() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "Show and end what a server does that takes long",
		Long:  `Show and end what a server does that takes long: scrubs, checks of snapshots, the freeing of deleted snapshots.`,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWatch(&cobra.Command{
		Use:     "list [IMAGE]",
		Short:   "Show what takes long, and how far it is",
		Long:    `Show what the server of an image (default ./` + defaultImage + `) does that takes long, and the last of what it did.`,
		Example: "  pmemfs jobs list\n  pmemfs jobs list --admin 127.0.0.1:9049 -o yaml",
	}, control.GetJobs, func() (none control.JobsRequest) { return none }, func(t *tabular, r *control.JobsReply) { printJobs(t, r.Jobs, time.Now()) }), newJobsCancel())
	return cmd
}

func printJobs(t *tabular, list []jobs.Job, now time.Time) {
	if len(list) == 0 {
		t.row("no jobs")
		return
	}
	t.row("id", "kind", "image", "of", "state", "done", "began", "message")
	for i := range list {
		j := &list[i]
		id, done, began := "-", "-", "-"
		if j.ID != 0 {
			id, began = strconv.FormatUint(j.ID, 10), since(j.BeganNS, now)+" ago"
		}
		if j.Total > 0 {
			done = fmt.Sprintf("%d%% of %s", j.Done*100/j.Total, formatBytes(uint64(j.Total)))
		}
		t.row(id, j.Kind, j.Image, j.Subject, j.State, done, began, j.Message)
	}
}

func newJobsCancel() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:     "cancel IMAGE ID",
		Short:   "End a job",
		Long:    `End a job of the server of an image. What it has found until then stays; a scrub can go on later.`,
		Example: "  pmemfs jobs cancel fs.img 3\n  pmemfs jobs cancel --admin 127.0.0.1:9049 --admin-token token 3",
		Args:    takes(1, 2, "an image and the number of a job"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.form.vet(); err != nil {
				return err
			}
			last := len(args) - 1
			id, err := strconv.ParseUint(args[last], 10, 64)
			if err != nil || id == 0 {
				return fmt.Errorf("%q is no number of a job: jobs list shows them", args[last])
			}
			client, err := f.client(cmd.Context(), args[:last])
			if err != nil {
				return err
			}
			job, err := control.CancelJob.Call(cmd.Context(), client, control.JobID{ID: id})
			if errors.Is(err, pmemfs.ErrNotExist) {
				return fmt.Errorf("there is no job %d: jobs list shows those that there are", id)
			}
			if err != nil {
				return err
			}
			return f.form.print(cmd.OutOrStdout(), job, tableOf(func(t *tabular) { t.row(fmt.Sprintf("job %d, %s of %s: %s", job.ID, job.Kind, job.Image, job.State)) }))
		},
	}
	f.add(cmd.Flags())
	return cmd
}
