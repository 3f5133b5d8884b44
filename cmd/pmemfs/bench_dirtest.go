package main

import (
	"context"

	"github.com/spf13/cobra"

	"pmemfs/cmd/pmemfs/internal/bench"
)

func newBenchDirTest() *cobra.Command {
	var (
		output benchOutput
		o      bench.DirTestOptions
	)
	cmd := &cobra.Command{
		Use:   "dirtest",
		Short: "Random creates and removes in many directories",
		Long: `Create and remove files at random, on the engine and in folders, in the manner of the program dir-test by which the filesystem
nvfs was compared with others: each operation picks one of the names and removes its file, or creates it where there is none.
Nothing is synced in folders. With --parallel each goroutine has names of its own, and directories of its own where there
are enough; with --dirs 1 all work in one directory. "engine to it" is the engine's
time divided by the target's, and "gain" operations per second divided by those of one goroutine; both are medians of the rounds'
own ratios.`,
		Example: `  pmemfs bench dirtest --compare /dev/shm --compare /mnt/ext4
  pmemfs bench dirtest --parallel 2,4
  pmemfs bench dirtest --dirs 1 --parallel 2     all goroutines in one directory
  pmemfs bench dirtest --image-dir /mnt/pmem     in the domain of that filesystem`,
		Args: takes(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return output.run(cmd, func(ctx context.Context) (bench.Report, error) { return bench.DirTest(ctx, o) })
		},
	}
	output.add(cmd)
	addCommon(cmd.Flags(), &o.Common, 3)
	cmd.Flags().IntVar(&o.Operations, "operations", 524288, "creates and removes per round, of all goroutines together")
	cmd.Flags().IntVar(&o.Names, "names", 63000, "names to choose from")
	cmd.Flags().IntVar(&o.Dirs, "dirs", 64, "directories that the names are spread over")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "of the random numbers")
	cmd.Flags().IntSliceVar(&o.Goroutines, "parallel", nil, "compare so many goroutines with one, such as 2,4")
	return cmd
}
