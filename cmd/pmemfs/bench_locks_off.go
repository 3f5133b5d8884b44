//go:build !locktimes

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// benchLocks says where it is to be had: ordinary builds do not time their locks.
func benchLocks() []*cobra.Command {
	return []*cobra.Command{{
		Use:     "locks",
		Short:   "How long each lock is held: in builds with the tag locktimes",
		Long:    "An ordinary build does not time its locks. In a checkout, make bench-locks builds one that does (tag locktimes), and runs it.",
		Example: "  make bench-locks",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("this build does not time its locks: make bench-locks builds one with the tag locktimes, and runs it")
		},
	}}
}
