package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
)

// checkFaultRows is how many faults are printed; --json has all that were kept.
const checkFaultRows = 1000

func newCheck() *cobra.Command {
	var asJSON, data, fix bool
	couldNot := func(err error) error {
		if err == nil {
			return nil
		}
		return &statusError{exitCouldNot, err}
	}
	cmd := &cobra.Command{
		Use:     "check IMAGE",
		Aliases: []string{"fsck"},
		Short:   "Look for damage in an image that is not in use, and repair it",
		Long: `Check everything in an image against everything else: superblocks, journal, inodes, directories, link
counts, free space. Each fault is reported with its offset, the object, what was expected and what was found. Without
--repair the image is never changed.

With --repair, what is damaged is made consistent: from the other copy where there is one, else by the rules in REPAIR.md.
Files that have no name any more are in /lost+found afterwards. What is lost is said. A clean image is not written to, and
a repair that was interrupted can be run again. Nothing is kept of the state before: copy the image first if it matters.

File data is looked at with --data alone. A repair could not bring it back, so --data and --repair exclude each other.

Exit status: 0 clean, 1 repaired, 4 damage left, 8 could not run.`,
		Example: `  pmemfs check fs.img
  pmemfs check fs.img --data
  pmemfs check fs.img --json
  pmemfs check --repair fs.img`,
		Args: func(cmd *cobra.Command, args []string) error { return couldNot(oneImage(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if fix && data {
				return couldNot(errors.New("--data finds what --repair cannot bring back: check with --data before a repair, or after it"))
			}
			if fix {
				return runRepair(cmd, args[0], asJSON, couldNot)
			}
			report, err := pmemfs.Check(args[0], pmemfs.CheckOptions{Progress: progress(cmd, "checking"), Data: data})
			if err != nil {
				return couldNot(whileServed(err))
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				printReport(cmd.OutOrStdout(), args[0], report)
			}
			if err == nil && !report.Clean() {
				err = &statusError{exitDamage, fmt.Errorf("%s is damaged: %s", args[0], count(len(report.Faults)+report.Suppressed, "fault"))}
			}
			return err
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return couldNot(err) })
	cmd.Flags().BoolVar(&data, "data", false, "read all file data as well and compare it with its checksums, if the image has them; not with --repair")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&fix, "repair", false, "repair what is damaged")
	return cmd
}

// whileServed says of an image that somebody serves what can be done.
func whileServed(err error) error {
	if !errors.Is(err, pmemfs.ErrLocked) {
		return err
	}
	return fmt.Errorf("%w: stop the server, or use pmemfs scrub, which works while the image is served", err)
}

func printReport(w io.Writer, path string, r *pmemfs.CheckReport) {
	for i, f := range r.Faults {
		if i == checkFaultRows {
			fmt.Fprintf(w, "and %d more\n", len(r.Faults)-i)
			break
		}
		fmt.Fprintf(w, "offset %#x: %s: expected %s, found %s\n", f.Offset, f.Object, f.Expected, f.Found)
	}
	if r.Suppressed > 0 {
		fmt.Fprintf(w, "not kept: %s\n", count(r.Suppressed, "further fault"))
	}
	if r.Stopped != "" {
		fmt.Fprintf(w, "the check could not go on to the end: %s\n", r.Stopped)
	}
	verdict := "clean"
	if !r.Clean() {
		verdict = "DAMAGED"
	}
	fmt.Fprintf(w, "%s: %s: %s, %s, %s, %s, %d of %s used, %s to replay\n", path, verdict, count(r.Files, "file"), count(r.Dirs, "directory"),
		count(r.Symlinks, "link"), count(r.Others, "other"), r.UsedBlocks, count(r.TotalBlocks, "block"), count(r.ReplayedRecords, "record"))
}
