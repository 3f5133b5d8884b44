package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
)

// runRepair is check --repair.
func runRepair(cmd *cobra.Command, path string, asJSON bool, couldNot func(error) error) error {
	r, err := pmemfs.Repair(path, pmemfs.RepairOptions{Progress: progress(cmd, "checking")})
	if r == nil {
		return couldNot(whileServed(err))
	}
	failed := err
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		printRepair(cmd.OutOrStdout(), path, r)
	}
	switch {
	case failed != nil:
		return couldNot(failed)
	case err != nil:
	case !r.After.Clean():
		err = &statusError{exitDamage, fmt.Errorf("%s is still damaged: %s", path, count(len(r.After.Faults)+r.After.Suppressed, "fault"))}
	case !r.Before.Clean():
		err = &statusError{exitRepaired, fmt.Errorf("%s was damaged and is repaired", path)}
	}
	return err
}

// printRepair prints a line for each fault that was there, for what was done about it beyond making things consistent,
// and for each that is left.
func printRepair(w io.Writer, path string, r *pmemfs.RepairReport) {
	for i, f := range r.Before.Faults {
		if i == checkFaultRows {
			fmt.Fprintf(w, "and %d more\n", len(r.Before.Faults)-i)
			break
		}
		outcome := "repaired"
		if r.Left(f) {
			outcome = "NOT REPAIRED"
		}
		fmt.Fprintf(w, "offset %#x: %s: expected %s, found %s: %s (%s)\n", f.Offset, f.Object, f.Expected, f.Found, outcome, f.Class)
	}
	for i, n := range r.Notes {
		if i == checkFaultRows {
			fmt.Fprintf(w, "and %d more\n", len(r.Notes)-i)
			break
		}
		kind := "note"
		if n.Lost {
			kind = "lost"
		}
		fmt.Fprintf(w, "%s: %s: %s\n", kind, n.Object, n.Text)
	}
	if r.Skipped > 0 {
		fmt.Fprintf(w, "not kept: %s\n", count(r.Skipped, "further note"))
	}
	if r.Written > 0 {
		fmt.Fprintf(w, "%s: %s written\n", path, count(r.Written, "block"))
	}
	printReport(w, path, r.After)
}
