package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/server/control"
)

func newClients() *cobra.Command {
	var most uint
	cmd := newWatch(&cobra.Command{
		Use:   "clients [IMAGE]",
		Short: "Show the clients of a server, the busiest first",
		Long: `Show who uses a server (default that of ./` + defaultImage + `): connections, calls, errors, bytes, and the time that the server has spent on them, since the
client came. Clients beyond those that are listed are counted together.`,
		Example: `  pmemfs clients
  pmemfs clients --most 10 -o yaml`,
	}, control.GetClients, func() control.ClientsRequest { return control.ClientsRequest{Most: most} },
		func(t *tabular, r *control.ClientsReply) { printClients(t, r, time.Now()) })
	cmd.Flags().UintVar(&most, "most", 0, "how many to list at most, up to 10000 (default 100)")
	return cmd
}

func printClients(t *tabular, r *control.ClientsReply, now time.Time) {
	if len(r.Clients) == 0 {
		t.row("no clients")
		return
	}
	t.row("client", "protocols", "connections", "calls", "errors", "in", "out", "mean", "last")
	for n := range r.Clients {
		c := &r.Clients[n]
		mean, last := "-", "never"
		if c.Calls > 0 {
			mean = fmt.Sprintf("%.1f us", c.Seconds/float64(c.Calls)*1e6)
		}
		if c.LastNS != 0 {
			last = since(c.LastNS, now) + " ago"
		}
		t.row(c.Client, strings.Join(c.Protocols, ","), c.Connections, c.Calls, c.Errors, formatBytes(c.BytesIn), formatBytes(c.BytesOut), mean, last)
	}
}
