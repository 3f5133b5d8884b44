//go:build !locktimes

package main

import "github.com/spf13/cobra"

// benchLocks is empty: ordinary builds do not time their locks.
func benchLocks() []*cobra.Command { return nil }
