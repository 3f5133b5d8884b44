package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pmemfs/server/control"
)

func newReload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload [IMAGE]",
		Short: "Have a server read its configuration file anew",
		Long: `Have the server of an image (default ./` + defaultImage + `) read its configuration file anew, as SIGHUP does, wait until that is done, and print
what has come of it. Either everything is applied that can be, or nothing: then the command fails and says why.

Clients stay connected. What counts at the next start only is named.`,
		Example: `  pmemfs reload fs.img
  pmemfs reload --control /run/pmemfs.sock
  pmemfs reload --admin 127.0.0.1:9049 --admin-token token`,
	}
	var f watchFlags
	cmd.Args = takes(0, 1, "at most one image")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.form.vet(); err != nil {
			return err
		}
		client, err := f.client(cmd.Context(), args)
		if err != nil {
			return err
		}
		reply, err := control.Reload.Call(cmd.Context(), client, control.None{})
		if err != nil {
			return f.refused(cmd.OutOrStdout(), err)
		}
		return f.form.print(cmd.OutOrStdout(), reply, func(w io.Writer) error {
			printReload(w, reply)
			return nil
		})
	}
	f.add(cmd.Flags())
	return cmd
}

// refused prints why nothing was reloaded, each mistake on a line as config check does it, and returns an error that counts them. One alone is the
// error, and so are all for a program.
func (f *watchFlags) refused(w io.Writer, err error) error {
	lines := strings.Split(err.Error(), "\n")
	if f.form.form != "table" || len(lines) == 1 {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, printable(line)); err != nil {
			return err
		}
	}
	return fmt.Errorf("not reloaded, everything stays as it was: %d mistakes", len(lines))
}

// printReload says what has come of a reload, without what a terminal would take for a command.
func printReload(w io.Writer, r control.ReloadReply) {
	if len(r.Applied)+len(r.Restart) == 0 {
		fmt.Fprintln(w, "reloaded: nothing has changed")
	}
	for _, c := range r.Applied {
		fmt.Fprintf(w, "applied: %s\n", printable(changeLine(c)))
	}
	for _, c := range r.Restart {
		fmt.Fprintf(w, "at the next start: %s\n", printable(changeLine(c)))
	}
	for _, over := range r.Overridden {
		fmt.Fprintf(w, "overridden: %s\n", printable(over))
	}
}

// changeLine says what was and what is.
func changeLine(c control.ConfigurationChange) string {
	key := c.Key
	if c.Image != "" {
		key = c.Image + ": " + key
	}
	switch {
	case c.Now == "":
		return fmt.Sprintf("%s is new: %s", key, c.Next)
	case c.Next == "":
		return fmt.Sprintf("%s is gone; it was %s", key, c.Now)
	}
	return fmt.Sprintf("%s is %s; it was %s", key, c.Next, c.Now)
}
