//go:build locktimes

package main

import (
	"context"

	"github.com/spf13/cobra"

	"pmemfs/cmd/pmemfs/internal/bench"
)

// benchLocks measures what builds with the locktimes tag count.
func benchLocks() []*cobra.Command {
	var (
		output benchOutput
		o      bench.LocksOptions
	)
	cmd := &cobra.Command{
		Use:   "locks",
		Short: "How often each lock is taken and how long it is held, and what that allows many processors",
		Long: `Count the engine's locks for each operation, in one goroutine. The second table computes what they allow so many processors: with
t the time of an operation and s the time in which it holds locks that all operations share, n processors do n / (t + (n-1) s)
operations in a second at most (Amdahl). A lock that is one of many counts as its share, and time under two locks
at once counts twice. This is a computation, not a measurement. It knows nothing of memory, of cache lines that travel and of
readers of one lock, nor that a commit waits until the record in front of its own is durable.`,
		Example: `  go run -tags locktimes ./cmd/pmemfs bench locks
  go run -tags locktimes ./cmd/pmemfs bench locks --image-dir /mnt/pmem`,
		Args: takes(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return output.run(cmd, func(ctx context.Context) (bench.Report, error) { return bench.Locks(ctx, o) })
		},
	}
	output.add(cmd)
	cmd.Flags().IntVar(&o.Rounds, "rounds", 9, "rounds, of which the median counts, 1 to 100")
	addImage(cmd.Flags(), &o.Image)
	cmd.Flags().IntVar(&o.Count, "count", benchCount, "operations per round, 1 to 20000")
	cmd.Flags().BoolVar(&o.Sums, "sums", false, "leave out the table of single locks")
	cmd.Flags().IntSliceVar(&o.Processors, "processors", []int{16, 64}, "compute what so many processors could do")
	return []*cobra.Command{cmd}
}
