package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pmemfs/cmd/benchserver/internal/serverbench"
)

// benchFlags are the options of the command.
type benchFlags struct {
	serverbench.Options
	at    []string
	json  bool
	md    bool
	svg   string
	quick bool
}

func newRoot() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "benchserver",
		Short: "NFS or 9P operations per second, as ratios to what the socket allows, beside other servers",
		Long: `Measure servers of NFSv3 or 9P2000.L with one load generator. Of NFSv3: both stacks of pmemfs, and nfs-ganesha over memory
and over a tmpfs where it is installed and root runs this command (it then runs in namespaces of its own). Of 9P: pmemfs, the
Go library p9 over memory, and diod over a tmpfs where it is installed. Figures are operations per second, as ratios to an
echo that answers messages of the same sizes and does nothing else. Rounds are interleaved; a ratio is the median of the rounds'
own ratios. Every reply is verified. What cannot be measured is named with the reason. What is started has a volatile
image or a tmpfs: nothing durable is measured there.`,
		Example: `  benchserver --quick
  benchserver --protocol 9p --depths 1,16 --conns 1
  benchserver --json --svg plot.svg
  benchserver --rows getattr,read-4k --depths 16 --conns 1 --targets native,go-nfs
  benchserver --base /path/to/older/pmemfs       what a change of pmemfs costs: lead is new to old
  benchserver --at this=127.0.0.1:2049 --at knfsd=127.0.0.1:2050/0100010001000000
  benchserver --idle 10000                       memory that idle connections take`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.quick {
				f.hurry(cmd)
			}
			for _, text := range f.at {
				r, err := serverbench.ParseRunning(text)
				if err != nil {
					return fmt.Errorf("--at: %w", err)
				}
				f.Running = append(f.Running, r)
			}
			if err := f.Fill(); err != nil {
				return err
			}
			// A signal ends the run, which then leaves nothing behind. Who ignores SIGHUP, as nohup does, goes on.
			signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
			if !signal.Ignored(syscall.SIGHUP) {
				signals = append(signals, syscall.SIGHUP)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), signals...)
			defer stop()
			if f.WantsEnclosure() {
				return serverbench.Enclose(ctx, append(os.Args[1:], "--enclosed"))
			}
			f.Progress = progressLine(cmd.ErrOrStderr())
			report, err := serverbench.Run(ctx, f.Options)
			if err != nil {
				return err
			}
			if f.svg != "" {
				if err := os.WriteFile(f.svg, report.SVG(), 0o644); err != nil {
					return err
				}
			}
			if f.json {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(report)
			}
			if f.md {
				return report.Markdown(cmd.OutOrStdout())
			}
			return report.Print(cmd.OutOrStdout())
		},
	}
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.AddCommand(newEcho(), newP9Mem())
	f.add(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	return cmd
}

// add declares the flags.
func (f *benchFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVar(&f.md, "markdown", false, "print a table of the shares for a document")
	flags.StringVar(&f.svg, "svg", "", "also write a plot to this file")
	flags.BoolVar(&f.quick, "quick", false, "one short round with few cells, to see that it works")
	flags.StringVar(&f.Pmemfs, "pmemfs", "", "program to measure (default: pmemfs in the folder of this program, or in PATH)")
	flags.StringVar(&f.Base, "base", "", "another build of pmemfs, which is measured in the same rounds; alone beside native unless --targets are given")
	flags.StringArrayVar(&f.at, "at", nil, "an NFS server that runs already, NAME=HOST:PORT, with /HANDLE of the root in hexadecimal where nothing answers MOUNT at "+
		"the same port; may be repeated; these alone unless --targets are given; what is made on it stays there")
	flags.StringVar(&f.Protocol, "protocol", serverbench.ProtocolNFS, strings.Join(serverbench.Protocols, " or "))
	flags.StringSliceVar(&f.Rows, "rows", nil, "operations (default all): "+choices(serverbench.RowNames))
	flags.StringSliceVar(&f.Targets, "targets", nil, "servers (default all): "+choices(serverbench.Targets))
	flags.IntSliceVar(&f.Depths, "depths", nil, "outstanding calls on each connection (default 1,16,128)")
	flags.IntSliceVar(&f.Conns, "conns", nil, "connections (default 1,4,64)")
	flags.IntVar(&f.Rounds, "rounds", 5, "rounds, of which the median counts")
	flags.DurationVar(&f.Cell, "cell", 200*time.Millisecond, "how long each server is loaded in each cell and round")
	flags.StringVar(&f.Dir, "dir", "/dev/shm", "folder for images and exports, on a tmpfs")
	flags.IntVar(&f.Idle, "idle", 0, "only measure the memory that so many idle connections take")
	flags.BoolVar(&f.Spread, "spread", false, "do not put both sides of a single connection on one processor")
	flags.BoolVar(&f.Enclosed, "enclosed", false, "this process is in namespaces of its own")
	if err := flags.MarkHidden("enclosed"); err != nil {
		panic(err) // it was added one line above
	}
}

// choices lists what there is to choose from in each protocol.
func choices(of func(protocol string) []string) string {
	var lists []string
	for _, p := range serverbench.Protocols {
		lists = append(lists, p+": "+strings.ToLower(strings.Join(of(p), ",")))
	}
	return strings.Join(lists, "; ")
}

// hurry shortens what was not asked for by name.
func (f *benchFlags) hurry(cmd *cobra.Command) {
	for name, shorten := range map[string]func(){
		"depths": func() { f.Depths = []int{1, 16} },
		"conns":  func() { f.Conns = []int{1, 4} },
		"rounds": func() { f.Rounds = 1 },
		"cell":   func() { f.Cell = 20 * time.Millisecond },
	} {
		if !cmd.Flags().Changed(name) {
			shorten()
		}
	}
}

const (
	progressAfter = time.Second
	progressEvery = 5 * time.Second
)

// progressLine returns a function that prints what is being done, when it has taken a while and then every few seconds.
func progressLine(w io.Writer) func(string) {
	next := time.Now().Add(progressAfter)
	return func(what string) {
		if now := time.Now(); now.After(next) {
			next = now.Add(progressEvery)
			fmt.Fprintln(w, what)
		}
	}
}
