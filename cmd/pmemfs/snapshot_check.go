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

func newSnapshotCheck() *cobra.Command {
	var asJSON bool
	var rate size
	var reach controlFlags
	couldNot := func(err error) error {
		if err == nil {
			return nil
		}
		return &statusError{exitCouldNot, err}
	}
	cmd := &cobra.Command{
		Use:   "check IMAGE NAME",
		Short: "Read a snapshot whole, as a restore would",
		Long: `Read a snapshot whole, as a restore would: all names, attributes, links and data, whose checksums are verified if the image has
them. If the image is served, the server does it, beside its clients.

Exit status: 0 clean, 4 damage, 8 could not run or was interrupted.`,
		Example: `  pmemfs snapshot check fs.img before-upgrade
  pmemfs snapshot check fs.img before-upgrade --rate 100MiB --json`,
		Args: func(cmd *cobra.Command, args []string) error { return couldNot(imageAnd(1, 1, "a name")(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o := pmemfs.SnapshotCheckOptions{Rate: int64(rate), Progress: progress(cmd, "checking")}
			report, err := checkSnapshot(ctx, reach, args[0], args[1], o)
			if report == nil {
				return couldNot(snapshotError(args[1], err))
			}
			if asJSON {
				err = errors.Join(err, printJSON(cmd.OutOrStdout(), report))
			} else {
				err = errors.Join(err, printSnapshotCheck(cmd.OutOrStdout(), args[1], report))
			}
			if errors.Is(err, context.Canceled) {
				err = fmt.Errorf("snapshot %s: interrupted", args[1])
			}
			if err != nil {
				return couldNot(err)
			}
			if !report.Clean() {
				return &statusError{exitDamage, fmt.Errorf("snapshot %s is damaged: %s", args[1], count(len(report.Findings)+report.Suppressed, "finding"))}
			}
			return nil
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return couldNot(err) })
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().Var(&rate, "rate", "bytes of data to read in a second at most (default no limit)")
	reach.add(cmd.Flags())
	return cmd
}

// checkSnapshot checks a snapshot of an image that nobody has in use, or has its server do it.
func checkSnapshot(ctx context.Context, reach controlFlags, image, name string, o pmemfs.SnapshotCheckOptions) (*pmemfs.SnapshotCheckReport, error) {
	fs, err := pmemfs.Open(image, pmemfs.Options{ReadOnly: true, NoBackground: true})
	if err == nil {
		report, err := fs.CheckSnapshot(ctx, name, o)
		return report, errors.Join(err, fs.Close())
	}
	if !errors.Is(err, pmemfs.ErrLocked) {
		return nil, err
	}
	client, err := control.Dial(ctx, image, reach.place)
	if err != nil {
		return nil, err
	}
	before, err := control.GetJobs.Call(ctx, client, control.JobsRequest{})
	if err != nil {
		return nil, err
	}
	job, err := control.StartSnapshotCheck.Call(ctx, client, control.SnapshotCheckRequest{Name: name, RateBytes: o.Rate})
	if err != nil {
		return nil, err
	}
	report := new(pmemfs.SnapshotCheckReport)
	return report, follow(ctx, client, job, before.Jobs, o.Progress, report)
}

func printSnapshotCheck(w io.Writer, name string, r *pmemfs.SnapshotCheckReport) error {
	return tableOf(func(t *tabular) {
		for _, f := range r.Findings {
			t.row(f.Path + ": " + f.Problem)
		}
		if r.Suppressed > 0 {
			t.row("not kept: " + count(r.Suppressed, "further finding"))
		}
		verdict := "clean"
		switch {
		case !r.Clean():
			verdict = "DAMAGED"
		case !r.Complete:
			verdict = "clean so far"
		}
		t.row(fmt.Sprintf("%s: %s: %s, %s, %s, %s read", name, verdict, count(r.Dirs, "directory"), count(r.Files, "file"), count(r.Others, "other"), formatBytes(r.Bytes)))
	})(w)
}
