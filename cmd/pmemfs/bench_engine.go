package main

import (
	"context"

	"github.com/spf13/cobra"

	"pmemfs/cmd/pmemfs/internal/bench"
)

// How many operations a round has unless --count says it. Several goroutines need a while until all of them are at work.
const (
	benchCount         = 5000
	benchCountParallel = 20000
)

func newBenchEngine() *cobra.Command {
	var (
		output   benchOutput
		common   bench.Common
		count    int
		parallel []int
	)
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Nanoseconds, fences and flushed lines of each operation, or what several goroutines gain",
		Long: `Measure the engine without a network: for each operation the nanoseconds, the fences and the cache lines flushed,
over a temporary image in memory (domain volatile: no flush takes time), or in a folder that decides the domain. One
goroutine; the median of several rounds. A fence is one wait for the medium. "lines" are the cache lines of 64 bytes that were
flushed, and "past cache" those that were stored past the cache and need no flush; both include the operation's share of
checkpoints. A small --count measures first touches of memory, which cost a page fault each.

With --parallel: operations per second of several goroutines, in directories of their own, in one directory and in one file.
"gain" is operations per second divided by those of one goroutine, the median of the rounds' own ratios.

With --compare: the same by system calls in a folder, in the same rounds. Nothing is synced there. "engine to it" is the engine's
time divided by the folder's, the median of the rounds' own ratios: below 1 the engine is faster.`,
		Example: `  pmemfs bench engine
  pmemfs bench engine --json
  pmemfs bench engine --compare /dev/shm         the same by system calls, here in a tmpfs
  pmemfs bench engine --parallel 1,2,4           what several goroutines gain
  pmemfs bench engine --image-dir /mnt/pmem      in the domain of that filesystem`,
		Args: takes(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			several := cmd.Flags().Changed("parallel")
			if several && !cmd.Flags().Changed("count") {
				count = benchCountParallel
			}
			return output.run(cmd, func(ctx context.Context) (bench.Report, error) {
				if several {
					return bench.Parallel(ctx, bench.ParallelOptions{Common: common, Count: count, Goroutines: parallel})
				}
				return bench.Engine(ctx, bench.EngineOptions{Common: common, Count: count})
			})
		},
	}
	output.add(cmd)
	addCommon(cmd.Flags(), &common, 5)
	cmd.Flags().IntVar(&count, "count", benchCount, "operations per round, of each goroutine, 1 to 20000; with --parallel 20000 unless set")
	cmd.Flags().IntSliceVar(&parallel, "parallel", nil, "compare so many goroutines with one, such as 2,4")
	return cmd
}
