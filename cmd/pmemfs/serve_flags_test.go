package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"pmemfs/server/config"
)

// onlyFlags are the options that the file has not: those that make an image, that are of this start alone, or of the log.
var onlyFlags = []string{"config", "size", "root-owner", "root-mode", "volatile", "scrub-every", "scrub-rate", "log-level", "log-format"}

// onlyKeys are keys without an option: the image is an argument, the export that options are about is the whole filesystem, with its snapshots
// hidden, and schedules take more words than an option has.
var onlyKeys = []string{"image", "name", "subtree", "directory_offsets", "snapdir", "snapshots"}

// TestOneName holds each option to one name: with hyphens on the command line, with underscores in the file.
func TestOneName(t *testing.T) {
	file, export := config.Names()
	keys := slices.Concat(file, export)
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	newServeFlags().add(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		key := strings.ReplaceAll(f.Name, "-", "_")
		if slices.Contains(keys, key) == slices.Contains(onlyFlags, f.Name) {
			t.Errorf("--%s: the file's key %s is there: %v", f.Name, key, slices.Contains(keys, key))
		}
	})
	for _, key := range keys {
		flag := strings.ReplaceAll(key, "_", "-")
		if (flags.Lookup(flag) != nil) == slices.Contains(onlyKeys, key) {
			t.Errorf("key %s: --%s is there: %v", key, flag, flags.Lookup(flag) != nil)
		}
	}
	for _, name := range oneExportFlags {
		if !slices.Contains(export, strings.ReplaceAll(name, "-", "_")) {
			t.Errorf("--%s is no key of an export", name)
		}
	}
}
