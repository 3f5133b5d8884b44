package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

func newScrub() *cobra.Command {
	var asJSON, resume bool
	var rate size
	var reach controlFlags
	couldNot := func(err error) error {
		if err == nil {
			return nil
		}
		return &statusError{exitCouldNot, err}
	}
	cmd := &cobra.Command{
		Use:   "scrub IMAGE",
		Short: "Read everything in an image in search of damage, also while it is served",
		Long: `Read all metadata and all file data of an image and verify their checksums; file data without checksums is read
all the same, which finds memory that cannot be read. What check does it does not: compare things with each other. A damaged
superblock or journal head is written anew from the other copy; nothing else is changed but the note of how far it is.

If the image is served, the server does it, beside its clients. A server also scrubs its image itself (serve --scrub-every, --scrub-rate): a pass
that is under way already is the one whose end is waited for.

When interrupted it notes where it is; --resume goes on there. Exit status: 0 clean, 1 repaired, 4 damage left, 8 could not
run or was interrupted.`,
		Example: `  pmemfs scrub fs.img
  pmemfs scrub fs.img --rate 100MiB             read no more than that in a second
  pmemfs scrub fs.img --resume --json`,
		Args: func(cmd *cobra.Command, args []string) error { return couldNot(oneImage(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o := pmemfs.ScrubOptions{Rate: int64(rate), Resume: resume, Progress: progress(cmd, "scrubbing")}
			report, err := scrubAnywhere(ctx, reach, args[0], o)
			if report == nil {
				return couldNot(err)
			}
			if asJSON {
				err = errors.Join(err, printJSON(cmd.OutOrStdout(), report))
			} else {
				printScrub(cmd.OutOrStdout(), args[0], report)
			}
			if errors.Is(err, context.Canceled) {
				err = fmt.Errorf("%s: interrupted; --resume goes on", args[0])
			}
			if err != nil {
				return couldNot(err)
			}
			return scrubStatus(args[0], report)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return couldNot(err) })
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&resume, "resume", false, "go on with the pass that was interrupted, if there is one")
	reach.add(cmd.Flags())
	cmd.Flags().Var(&rate, "rate", "bytes to read in a second at most (default no limit)")
	return cmd
}

// scrubAnywhere scrubs an image that nobody has in use, or has its server do it.
func scrubAnywhere(ctx context.Context, reach controlFlags, image string, o pmemfs.ScrubOptions) (*pmemfs.ScrubReport, error) {
	report, err := pmemfs.ScrubImage(ctx, image, o)
	if !errors.Is(err, pmemfs.ErrLocked) {
		return report, err
	}
	client, err := control.Dial(ctx, image, reach.place)
	if err != nil {
		return nil, err
	}
	before, err := control.GetJobs.Call(ctx, client, control.JobsRequest{})
	if err != nil {
		return nil, err
	}
	job, err := control.StartScrub.Call(ctx, client, control.ScrubRequest{RateBytes: o.Rate, Resume: o.Resume})
	if err != nil {
		return nil, err
	}
	report = new(pmemfs.ScrubReport)
	return report, follow(ctx, client, job, before.Jobs, o.Progress, report)
}

// scrubStatus is the error, with its exit status, of a report that is not clean.
func scrubStatus(path string, r *pmemfs.ScrubReport) error {
	if r.Clean() {
		return nil
	}
	left := uint64(r.Suppressed) + r.Earlier
	for _, f := range r.Findings {
		if !f.Repaired {
			left++
		}
	}
	if left == 0 {
		return &statusError{exitRepaired, fmt.Errorf("%s was damaged: %s, all repaired", path, count(len(r.Findings), "object"))}
	}
	return &statusError{exitDamage, fmt.Errorf("%s is damaged: %s", path, count(left, "object"))}
}

func printScrub(w io.Writer, path string, r *pmemfs.ScrubReport) {
	for _, f := range r.Findings {
		fmt.Fprintln(w, f)
	}
	if r.Suppressed > 0 {
		fmt.Fprintf(w, "not kept: %s\n", count(r.Suppressed, "further finding"))
	}
	if r.Earlier > 0 {
		fmt.Fprintf(w, "%s before this pass was interrupted\n", count(r.Earlier, "finding"))
	}
	verdict := "clean"
	switch {
	case !r.Clean():
		verdict = "DAMAGED"
	case !r.Complete:
		verdict = "clean so far"
	}
	fmt.Fprintf(w, "%s: %s: %s, %s, %s of data, %s read\n", path, verdict, count(r.Inodes, "inode"), count(r.Nodes, "node"), count(r.DataBlocks, "block"), formatBytes(r.Bytes))
}
