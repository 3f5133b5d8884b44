package main

import (
	"github.com/spf13/cobra"
)

// echo is the --json of commands that print nothing when they have done what they were asked for: then they print that.
type echo struct{ asJSON bool }

func (e *echo) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&e.asJSON, "json", false, "print what has been done as JSON")
}

// done prints what has been done.
func (e *echo) done(cmd *cobra.Command, what any) error {
	if !e.asJSON {
		return nil
	}
	return printJSON(cmd.OutOrStdout(), what)
}
