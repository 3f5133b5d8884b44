package main

import (
	"fmt"
	"io"
	"os/user"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/server/control"
)

func newQuotaList() *cobra.Command {
	var asJSON, all bool
	var path string
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "list IMAGE",
		Short: "Show what users, groups and directory trees use, and may",
		Long: `Show what users, groups and directory trees use, and may. Users and groups without limits are left out, unless --all is
given. A plus behind a limit says that it is exceeded; the time beside a soft one is when it counts like a hard one.`,
		Example: `  pmemfs quota list fs.img
  pmemfs quota list fs.img --all --json`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := listQuotas(cmd.Context(), reach, args[0], path)
			if err != nil {
				return err
			}
			if !all {
				list.Accounts = limited(list.Accounts)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printQuotas(cmd.OutOrStdout(), &list, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&all, "all", false, "also those without limits")
	cmd.Flags().StringVar(&path, "path", "", "only the tree that this directory of the image is in")
	reach.add(cmd.Flags())
	return cmd
}

// limited returns the accounts that have limits, or belong to a directory.
func limited(all []control.QuotaAccount) []control.QuotaAccount {
	list := []control.QuotaAccount{}
	for _, a := range all {
		if a.Bytes|a.SoftBytes|a.Files|a.SoftFiles != 0 || a.Path != "" {
			list = append(list, a)
		}
	}
	return list
}

func printQuotas(w io.Writer, list *control.QuotaListReply, now time.Time) error {
	switch {
	case !list.On:
		_, err := fmt.Fprintln(w, "no quotas")
		return err
	case list.Counting:
		if _, err := fmt.Fprintln(w, "files are still being counted: what is used is more than what is shown"); err != nil {
			return err
		}
	}
	return printAccounts(w, list.Accounts, now)
}

func printAccounts(w io.Writer, list []control.QuotaAccount, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "of\tbytes\tsoft\thard\tfiles\tsoft\thard\t")
	for i := range list {
		a := &list[i]
		if a.Damaged {
			fmt.Fprintf(t, "%s\tdamaged: check --repair counts it anew\n", ofWhom(a))
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t", ofWhom(a),
			formatBytes(a.UsedBytes), limitBytes(a.SoftBytes, a.UsedBytes)+until(a.BytesDeadlineNS, now), limitBytes(a.Bytes, a.UsedBytes),
			a.UsedFiles, limitFiles(a.SoftFiles, a.UsedFiles)+until(a.FilesDeadlineNS, now), limitFiles(a.Files, a.UsedFiles))
		if a.Converting {
			fmt.Fprint(t, "being converted")
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// ofWhom names an account.
func ofWhom(a *control.QuotaAccount) string {
	id := strconv.FormatUint(uint64(a.ID), 10)
	switch a.Kind {
	case "user":
		if u, err := user.LookupId(id); err == nil {
			return "user " + u.Username
		}
	case "group":
		if g, err := user.LookupGroupId(id); err == nil {
			return "group " + g.Name
		}
	case "tree":
		if a.Path != "" {
			return printable(a.Path)
		}
	}
	return a.Kind + " " + id
}

func limitBytes(limit, used uint64) string {
	if limit == 0 {
		return "-"
	}
	return formatBytes(limit) + exceeded(limit, used)
}

func limitFiles(limit, used uint64) string {
	if limit == 0 {
		return "-"
	}
	return strconv.FormatUint(limit, 10) + exceeded(limit, used)
}

func exceeded(limit, used uint64) string {
	if used > limit {
		return "+"
	}
	return ""
}

// until says how long a soft limit may still be exceeded.
func until(deadlineNS int64, now time.Time) string {
	if deadlineNS == 0 {
		return ""
	}
	if left := time.Unix(0, deadlineNS).Sub(now).Round(time.Minute); left > 0 {
		return " (" + left.String() + ")"
	}
	return " (over)"
}

func printDifferences(w io.Writer, r *control.QuotaCheckReply) error {
	if len(r.Differences) == 0 {
		_, err := fmt.Fprintln(w, "all accounts are right")
		return err
	}
	for _, d := range r.Differences {
		if _, err := fmt.Fprintf(w, "%s %d: says %d bytes and %d files, files take %d and %d\n", d.Kind, d.ID, d.UsedBytes, d.UsedFiles, d.TakenBytes, d.TakenFiles); err != nil {
			return err
		}
	}
	return nil
}
