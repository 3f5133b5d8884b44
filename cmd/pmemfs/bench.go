package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pmemfs/cmd/pmemfs/internal/bench"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure",
		Long: `Measure the engine without a network, and other filesystems beside it by system calls. Compare ratios of one run; the times of
two runs differ by more than most changes do. A ratio is the median of the rounds' own ratios, so it need not be the quotient of
the medians that stand beside it. Everything is made in temporary folders or images, which go away with the measurement.`,
		Example: `  pmemfs bench engine
  pmemfs bench engine --compare /dev/shm
  pmemfs bench engine --parallel 1,2,4
  pmemfs bench dirtest --compare /dev/shm --compare /mnt/xfs
  pmemfs bench durable /mnt/disk`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return plainFlag(err) })
	cmd.AddCommand(newBenchEngine(), newBenchDirTest(), newBenchDurable())
	cmd.AddCommand(benchLocks()...)
	return cmd
}

// plainFlag says in words what is wrong with a number.
func plainFlag(err error) error {
	var value *pflag.InvalidValueError
	var number *strconv.NumError
	if !errors.As(err, &value) || !errors.As(err, &number) {
		return err
	}
	why := "is no whole number"
	if errors.Is(number, strconv.ErrRange) {
		why = "is too large a number"
	}
	return fmt.Errorf("--%s: %q %s", value.GetFlag().Name, number.Num, why)
}

// benchOutput are the options of all benchmarks.
type benchOutput struct {
	json, markdown bool
}

func (o *benchOutput) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&o.markdown, "markdown", false, "print a table for a document")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
}

// run measures and prints. A signal ends the measurement, which then leaves nothing behind.
func (o *benchOutput) run(cmd *cobra.Command, measure func(context.Context) (bench.Report, error)) error {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), signals...)
	defer stop()
	report, err := measure(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	for i, table := range report.Tables() {
		if i > 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		if o.markdown {
			err = table.Markdown(cmd.OutOrStdout())
		} else {
			err = table.Text(cmd.OutOrStdout())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addCommon declares the options that concern what is measured.
func addCommon(flags *pflag.FlagSet, c *bench.Common, rounds int) {
	flags.IntVar(&c.Rounds, "rounds", rounds, "rounds, of which the median counts, 1 to 100")
	flags.BoolVar(&c.ProcessorTime, "processor-time", false, "measure the processor time of this process, which is steadier while others run, "+
		"in place of the time that passes; what the kernel does in threads of its own is not in it")
	addImage(flags, &c.Image)
	flags.StringArrayVar(&c.Folders, "compare", nil, "also measure the same by system calls in this folder; may be repeated")
}

// addImage declares the options of the temporary image.
func addImage(flags *pflag.FlagSet, i *bench.Image) {
	i.Bytes = 1 << 30
	flags.StringVar(&i.Dir, "image-dir", "", "make the temporary image in this folder, which decides the domain, instead of in memory")
	flags.StringVar(&i.Domain, "domain", "", "of an image in memory: volatile, where flushes are only counted (default), cache-flush or eadr, where they are carried out")
	flags.Var((*size)(&i.Bytes), "image-size", "size of the temporary image")
}
