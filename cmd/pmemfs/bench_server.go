package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/cmd/pmemfs/internal/serverbench"
)

// serverFlags are the options of bench server.
type serverFlags struct {
	serverbench.Options
	json  bool
	svg   string
	quick bool
}

func newBenchServer() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   "server",
		Short: "NFS or 9P operations per second, as ratios to what the socket allows, beside other servers",
		Long: `Measure servers of NFSv3 or 9P2000.L with one load generator. Of NFSv3: both stacks of this program, and nfs-ganesha over
memory and over a tmpfs where it is installed and this command runs as root (it then runs in namespaces of its own). Of 9P: this
program, the Go library p9 over memory (its server is a program of its own, p9mem, beside this one), and diod over a tmpfs where it is
installed. Figures are operations per second, as ratios to an echo that answers messages of the same sizes and does nothing else. Rounds are interleaved, and
the median counts. Every reply is verified. What cannot be measured is named with the reason.`,
		Example: `  pmemfs bench server --quick
  pmemfs bench server --protocol 9p --depths 1,16 --conns 1
  pmemfs bench server --json --svg plot.svg
  pmemfs bench server --rows getattr,read-4k --depths 16 --conns 1 --targets native,go-nfs
  pmemfs bench server --idle 10000               memory that idle connections take`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.quick {
				f.hurry(cmd)
			}
			if err := f.Fill(); err != nil {
				return err
			}
			if f.WantsEnclosure() {
				return serverbench.Enclose(append(os.Args[1:], "--enclosed"))
			}
			f.Progress = progressLine(cmd.ErrOrStderr())
			report, err := serverbench.Run(cmd.Context(), f.Options)
			if err != nil {
				return err
			}
			if f.svg != "" {
				if err := os.WriteFile(f.svg, report.SVG(), 0o644); err != nil {
					return err
				}
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), report)
			}
			return report.Print(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.StringVar(&f.svg, "svg", "", "also write a plot to this file")
	flags.BoolVar(&f.quick, "quick", false, "one short round with few cells, to see that it works")
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
	return cmd
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
func (f *serverFlags) hurry(cmd *cobra.Command) {
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

// newBenchEcho is the floor that bench server starts for itself.
func newBenchEcho() *cobra.Command {
	var listen, protocol string
	var batched bool
	cmd := &cobra.Command{
		Use:     "echo",
		Short:   "Answer messages of one size with messages of another",
		Long:    "What bench server compares servers with. A connection begins with the answers that it is to give.",
		Example: "  pmemfs bench echo --listen 127.0.0.1:12049 --batched",
		Hidden:  true,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return err
			}
			return errors.Join(serverbench.Echo(l, protocol, batched), l.Close())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address, host:port")
	cmd.Flags().StringVar(&protocol, "protocol", serverbench.ProtocolNFS, strings.Join(serverbench.Protocols, " or "))
	cmd.Flags().BoolVar(&batched, "batched", false, "answer all that was read in one write")
	return cmd
}

// progressLine returns a function that prints what is being done, every five seconds.
func progressLine(w io.Writer) func(string) {
	next := time.Now().Add(progressAfter)
	return func(what string) {
		if now := time.Now(); now.After(next) {
			next = now.Add(5 * time.Second)
			fmt.Fprintln(w, what)
		}
	}
}
