package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/server/admin"
)

// defaultAdmin is where the admin port is unless something else is said.
const defaultAdmin = "127.0.0.1:9049"

func newHealth() *cobra.Command {
	var ready, asJSON, insecure bool
	var address string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health [ADDR]",
		Short: "Ask a server whether it answers; for probes without a shell",
		Long: `Ask the admin port of a server (default: PMEMFS_ADMIN, else ` + defaultAdmin + `) whether it answers. The server then calls itself as clients do: NFS with NULL and
with GETATTR of each export's root, and 9P. With --ready the question is whether clients are served: not while the image is being
recovered, or the server is stopping.

Exit status: 0 yes, 1 no, or no answer in time.`,
		Example: `  pmemfs health
  pmemfs health 10.0.0.5:9049 --timeout 2s
  pmemfs health --admin https://10.0.0.5:9049 --insecure
  pmemfs health --ready --json`,
		Args: takes(0, 1, "at most one address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case cmd.Flags().Changed("admin") && address == "":
				return errors.New("--admin is empty: leave it out for the default")
			case address != "" && len(args) > 0:
				return errors.New("--admin and an argument name two addresses: choose one")
			}
			address := cmp.Or(address, probed(args))
			if !strings.Contains(address, ":") {
				return fmt.Errorf("%q is no address of an admin port: write host:port, such as %s; pmemfs status asks about an image", address, defaultAdmin)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			report, err := askHealth(ctx, address, path, insecure)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				err = tableOf(func(t *tabular) { printHealth(t, report) })(cmd.OutOrStdout())
			}
			if err == nil && !report.OK {
				err = errors.New(wrong(report))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&address, "admin", "", "address of the admin port, in place of the argument")
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether clients are served")
	cmd.Flags().DurationVar(&timeout, "timeout", admin.HealthTime+time.Second, "how long to wait for the answer")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&insecure, "insecure", false, "with an address of https: take any certificate, as a probe on the same machine may")
	return cmd
}

// probed is the address to ask: a probe in a container has the server's environment, and often no other word of it.
func probed(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return cmp.Or(os.Getenv("PMEMFS_ADMIN"), defaultAdmin)
}

// askHealth asks the admin port at an address, host:port or a URL.
func askHealth(ctx context.Context, address, path string, insecure bool) (*admin.Report, error) {
	url := address
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: healthTransport(insecure)}
	resp, err := client.Do(r)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s does not answer in time", address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s does not answer: %w", address, err)
	}
	defer resp.Body.Close()
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", address, err)
	}
	var report admin.Report
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("%s is no admin port of pmemfs: it answers %s: %.100q", address, resp.Status, text)
	}
	return &report, nil
}

// healthTransport makes one connection. It goes to the address itself, through no proxy that the environment names.
func healthTransport(insecure bool) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure}}
}

func printHealth(t *tabular, r *admin.Report) {
	state := r.State
	if r.Grace {
		state += ", clients are claiming their locks"
	}
	t.row("state", state)
	for _, c := range r.Checks {
		verdict := "ok"
		if !c.OK {
			verdict = "FAILED"
		}
		t.row(c.Name, verdict, fmt.Sprintf("%.1f ms", c.Seconds*1e3), c.Message)
	}
}

// wrong says in one line what is not as it should be.
func wrong(r *admin.Report) string {
	list := []string{"the server is " + r.State}
	for _, c := range r.Checks {
		if !c.OK {
			list = append(list, c.Name+": "+c.Message)
		}
	}
	return strings.Join(list, "; ")
}
