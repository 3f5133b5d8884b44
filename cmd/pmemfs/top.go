package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/spf13/cobra"

	"pmemfs/cmd/pmemfs/internal/top"
	"pmemfs/server/control"
)

const (
	topEveryLeast = 200 * time.Millisecond // between readings
	topClients    = 1000                   // that are asked for
)

func newTop() *cobra.Command {
	var f watchFlags
	var once bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "top [IMAGE]",
		Short: "Show live what a server does: by procedure, export and client",
		Long: `Show live in a terminal what a server does (default that of ./` + defaultImage + `): calls, errors, bytes and latency by procedure, export and client.
p, e and c choose the view, < and > the column that it is sorted by, q ends it. With --once it looks for as long as --every says and
prints what happened meanwhile.`,
		Example: `  pmemfs top
  pmemfs top --admin 127.0.0.1:9049
  pmemfs top fs.img --once --json`,
		Args: takes(0, 1, "at most one image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.form.vet(); err != nil {
				return err
			}
			if every < topEveryLeast {
				return fmt.Errorf("--every is at least %v", topEveryLeast)
			}
			if !once && f.form.form != "table" {
				return errors.New("a screen has one form: with --json or --output give --once")
			}
			if !once && !onTerminal(cmd.OutOrStdout()) {
				return errors.New("standard output is no terminal: --once prints what happens in a while, and ends")
			}
			client, err := f.client(cmd.Context(), args)
			if err != nil {
				return err
			}
			source := func(ctx context.Context) (*top.Reading, error) { return readServer(ctx, client) }
			if once {
				return topOnce(cmd, &f.form, source, every)
			}
			_, err = tea.NewProgram(top.New(cmd.Context(), source, every), tea.WithContext(cmd.Context()), tea.WithAltScreen(),
				tea.WithInput(cmd.InOrStdin()), tea.WithOutput(cmd.OutOrStdout())).Run()
			return err
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "print what happens in the time of --every, and end")
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "how often to read")
	f.add(cmd.Flags())
	return cmd
}

// readServer asks for everything that top shows.
func readServer(ctx context.Context, client *control.Client) (*top.Reading, error) {
	r := &top.Reading{At: time.Now()}
	var err error
	if r.Status, err = control.GetStatus.Call(ctx, client, control.None{}); err != nil {
		return nil, err
	}
	if r.Traffic, err = control.GetTraffic.Call(ctx, client, control.None{}); err != nil {
		return nil, err
	}
	r.Clients, err = control.GetClients.Call(ctx, client, control.ClientsRequest{Most: topClients})
	return r, err
}

// topOnce prints what happens in a while.
func topOnce(cmd *cobra.Command, form *outputForm, source top.Source, while time.Duration) error {
	before, err := source(cmd.Context())
	if err != nil {
		return err
	}
	select {
	case <-cmd.Context().Done():
		return cmd.Context().Err()
	case <-time.After(while):
	}
	now, err := source(cmd.Context())
	if err != nil {
		return err
	}
	frame := top.Between(before, now)
	return form.print(cmd.OutOrStdout(), &frame, tableOf(func(t *tabular) { printFrame(t, &frame) }))
}

func printFrame(t *tabular, f *top.Frame) {
	t.row("state", f.State)
	t.row("changes/s", top.Count(f.Changes), "fences/s", top.Count(f.Fences))
	for _, group := range []struct {
		name string
		rows []top.Row
	}{{"all", []top.Row{f.Total}}, {"procedures", f.Procedures}, {"exports", f.Exports}, {"clients", f.Clients}} {
		t.row("")
		t.row(group.name, "calls/s", "errors/s", "in/s", "out/s", "mean", "p50", "p99")
		for i := range group.rows {
			r := &group.rows[i]
			t.row(r.Name, top.Count(r.Calls), top.Count(r.Errors), top.Bytes(r.In), top.Bytes(r.Out), top.Seconds(r.Mean), top.Seconds(r.P50), top.Seconds(r.P99))
		}
	}
}
