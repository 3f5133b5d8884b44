package main

import (
	"context"

	"github.com/spf13/cobra"

	"pmemfs/cmd/pmemfs/internal/bench"
)

func newBenchDurable() *cobra.Command {
	var (
		output benchOutput
		o      bench.DurableOptions
	)
	cmd := &cobra.Command{
		Use:   "durable DIR",
		Short: "Durable changes in an image, beside durable writes to a file of the same folder",
		Long: `Measure changes that are durable when the call returns: of the engine, in a temporary image in the folder, and of an ordinary
file there, written with O_DSYNC (as dd does it with oflag=dsync), with fdatasync after each write, and with O_DIRECT and
O_DSYNC. The engine's small changes stand beside writes of 4 KiB. "engine to it" is the engine's time divided by the file's, the
median of the rounds' own ratios: below 1 the engine is faster.`,
		Example: `  pmemfs bench durable .
  pmemfs bench durable /mnt/disk --large 256`,
		Args: takes(1, 1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Dir = args[0]
			return output.run(cmd, func(ctx context.Context) (bench.Report, error) { return bench.Durable(ctx, o) })
		},
	}
	output.add(cmd)
	cmd.Flags().IntVar(&o.Rounds, "rounds", 5, "rounds, of which the median counts, 1 to 100")
	cmd.Flags().IntVar(&o.Large, "large", 64, "writes of 1 MiB in a round, 1 to 1024")
	cmd.Flags().IntVar(&o.Small, "small", 500, "small changes of each kind in a round, 1 to 20000")
	return cmd
}
