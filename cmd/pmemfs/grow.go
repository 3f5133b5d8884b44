package main

import (
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

func newGrow() *cobra.Command {
	var bytes size
	var asJSON, sparse bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "grow IMAGE --size SIZE",
		Short: "Make an image larger, also while it is served",
		Long: `Make an image larger. If it is served, the server does it: clients go on, and see the new space at once.

The new size is the whole image's. Without --size it is what a device, or a file that somebody has made longer, has become.
A file gets blocks from the disk for all of it; if there is no room, nothing has changed. A server that was started with
--sparse leaves that to the disk, and so does this command with --sparse, if nobody serves the image. An image cannot become
smaller.

A growth that is interrupted, by a power cut too, has happened or not.`,
		Example: `  pmemfs grow fs.img --size 64GiB
  pmemfs grow /dev/dax0.0                       all that the device has become
  pmemfs grow fs.img --size 1TiB --sparse`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			path := args[0]
			if bytes == 0 {
				if err := vetNoSize(path); err != nil {
					return err
				}
			}
			r, err := perform(ctx, reach, path, pmemfs.Options{Sparse: sparse, Reach: int64(bytes)}, control.Grow, control.GrowRequest{SizeBytes: int64(bytes)})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			printGrowth(cmd.OutOrStdout(), path, r)
			return nil
		},
	}
	cmd.Flags().Var(&bytes, "size", "size of the image, such as 64GiB or a number of bytes; not needed for a device that has become larger")
	cmd.Flags().BoolVar(&sparse, "sparse", false, "leave it to the disk to find blocks when they are written to; for an image that nobody serves")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}

// vetNoSize refuses to guess a size where there is nothing to go by.
func vetNoSize(path string) error {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return err
	}
	info, err := pmemfs.ReadInfo(path)
	if err == nil && st.Size()>>12 <= int64(info.SizeBytes)>>12 {
		err = errors.New(path + ": give the size that the image is to have, for example --size 64GiB")
	}
	return err
}

func printGrowth(w io.Writer, path string, r pmemfs.GrowResult) {
	if r.OldBytes == r.NewBytes {
		fmt.Fprintf(w, "%s: %s already, %s free\n", path, formatBytes(r.NewBytes), formatBytes(r.FreeBytes))
		return
	}
	fmt.Fprintf(w, "%s: %s, was %s, %s free\n", path, formatBytes(r.NewBytes), formatBytes(r.OldBytes), formatBytes(r.FreeBytes))
}
