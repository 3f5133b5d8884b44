package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

func newSnapshot() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Make, list, compare and delete snapshots, and roll back to one",
		Long: `Make, list, compare and delete snapshots of all files of an image, and roll back to one. The image may be served.

A snapshot is made at one instant and takes no space at first; what is changed or deleted afterwards stays in it. Clients
find it in .snapshots/NAME below what they have mounted. Older programs refuse an image that has had a snapshot.`,
		Example: `  pmemfs snapshot create fs.img before-upgrade
  pmemfs snapshot diff fs.img before-upgrade
  pmemfs snapshot rollback fs.img before-upgrade`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSnapshotCreate(), newSnapshotList(), newSnapshotDelete(), newSnapshotDiff(), newSnapshotCheck(), newSnapshotRollback(),
		newSnapshotHold(), newSnapshotRelease())
	return cmd
}

// imageAnd vets the arguments IMAGE and others.
func imageAnd(least, most int, what string) cobra.PositionalArgs {
	all := most
	if most >= 0 {
		all = 1 + most
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := takes(1+least, all, "an image and "+what)(cmd, args); err != nil {
			return err
		}
		for _, name := range args[1:] {
			if !utf8.ValidString(name) { // which JSON would replace by another name
				return snapshotError(name, pmemfs.ErrInvalid)
			}
		}
		return oneImage(cmd, args[:1])
	}
}

func newSnapshotCreate() *cobra.Command {
	var text string
	var asJSON bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "create IMAGE NAME",
		Short: "Make a snapshot",
		Long: `Make a snapshot of all files as they are at this instant. Whatever a client was told is done is in it. A name has 1 to 255
bytes of UTF-8, without spaces, control characters, "/", "@" and ":", and begins neither with "-" nor with ".".`,
		Example: `  pmemfs snapshot create fs.img before-upgrade --description "release 7"`,
		Args:    imageAnd(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := control.SnapshotCreateRequest{Name: args[1], Description: text}
			s, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.SnapshotCreate, req)
			if err != nil {
				return snapshotError(args[1], err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s\n", s.Name, count(s.Files, "file"), formatBytes(s.ReferencedBytes))
			return err
		},
	}
	cmd.Flags().StringVar(&text, "description", "", "what it is for, up to 512 bytes")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}

// snapshotError says of which snapshot an error is.
func snapshotError(name string, err error) error {
	switch {
	case errors.Is(err, pmemfs.ErrNotExist):
		return fmt.Errorf("no snapshot has the name %q", name)
	case errors.Is(err, pmemfs.ErrExist):
		return fmt.Errorf("a snapshot has the name %q already", name)
	case errors.Is(err, pmemfs.ErrTooMany):
		return fmt.Errorf("%q: there are as many as there may be", name)
	}
	if errors.Is(err, pmemfs.ErrInvalid) {
		return fmt.Errorf("%q: a name has 1 to 255 bytes of UTF-8 without spaces, control characters, /, @ and :, and begins neither with - nor "+
			"with .; a description has up to 512", name)
	}
	return fmt.Errorf("snapshot %q: %w", name, err)
}

func newSnapshotList() *cobra.Command {
	var asJSON bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "list IMAGE",
		Short: "Show the snapshots of an image and what they take",
		Long: `Show the snapshots of an image, oldest first. "alone" is what would be free without the snapshot; what several hold
together is in no line of its own.`,
		Example: `  pmemfs snapshot list fs.img`,
		Args:    oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.SnapshotList, control.None{})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printSnapshots(cmd.OutOrStdout(), &list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}

func printSnapshots(w io.Writer, list *control.SnapshotListReply) error {
	if len(list.Snapshots) == 0 && list.Deleting == 0 {
		_, err := fmt.Fprintln(w, "no snapshots")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\ttime\tfiles\treferenced\talone\tholds\tdescription")
	for i := range list.Snapshots {
		s := &list.Snapshots[i]
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", s.Name, time.Unix(0, s.TimeNS).UTC().Format(time.RFC3339), s.Files,
			formatBytes(s.ReferencedBytes), formatBytes(s.AloneBytes), strings.Join(s.Holds, ","), printable(s.Description))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "all of them hold %s that no file has, and %s to keep account of it\n", formatBytes(list.DataBytes), formatBytes(list.OverheadBytes))
	if err == nil && list.Deleting > 0 {
		_, err = fmt.Fprintf(w, "the space of %d deleted ones is being freed\n", list.Deleting)
	}
	return err
}

func newSnapshotDelete() *cobra.Command {
	var said echo
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "delete IMAGE NAME...",
		Short: "Delete snapshots",
		Long: `Delete snapshots, one after the other, up to the first that cannot be deleted. What only they hold is freed in the
background while the image is served. It works on a full image too.`,
		Example: `  pmemfs snapshot delete fs.img before-upgrade`,
		Args:    imageAnd(1, -1, "names"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args[1:] {
				if _, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.SnapshotDelete, control.SnapshotName{Name: name}); err != nil {
					return snapshotError(name, err)
				}
			}
			return said.done(cmd, map[string][]string{"deleted": args[1:]})
		},
	}
	said.add(cmd)
	reach.add(cmd.Flags())
	return cmd
}

func newSnapshotRollback() *cobra.Command {
	var force bool
	var said echo
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "rollback IMAGE NAME",
		Short: "Make all files what they were in a snapshot",
		Long: `Make all files what they were in a snapshot. What has been written since is lost, unless another snapshot has it. Clients can
go on: files that existed then are the same files, those that were made since are gone.`,
		Example: `  pmemfs snapshot rollback fs.img before-upgrade`,
		Args:    imageAnd(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := control.SnapshotRollbackRequest{Name: args[1], Force: force}
			_, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.SnapshotRollback, req)
			if errors.Is(err, pmemfs.ErrBusy) && !force {
				return fmt.Errorf("snapshot %q is not the newest: --force deletes those that are newer", args[1])
			}
			if err != nil {
				return snapshotError(args[1], err)
			}
			return said.done(cmd, req)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete newer snapshots")
	said.add(cmd)
	reach.add(cmd.Flags())
	return cmd
}

// defaultTag is the tag of a hold for which none is given.
const defaultTag = "keep"

func newSnapshotHold() *cobra.Command {
	return holdCommand("hold", "Keep a snapshot from being deleted", `Keep a snapshot from being deleted until it is released. It may have up to 8 holds, each with a tag of its own.`, control.SnapshotKeep)
}

func newSnapshotRelease() *cobra.Command {
	return holdCommand("release", "End a hold of a snapshot", `End a hold of a snapshot.`, control.SnapshotRelease)
}

func holdCommand(verb, short, long string, op control.Operation[control.SnapshotHold, control.None]) *cobra.Command {
	var tag string
	var said echo
	var reach controlFlags
	cmd := &cobra.Command{
		Use:     verb + " IMAGE NAME",
		Short:   short,
		Long:    long,
		Example: "  pmemfs snapshot " + verb + " fs.img before-upgrade --tag audit",
		Args:    imageAnd(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := control.SnapshotHold{Name: args[1], Tag: tag}
			_, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, op, req)
			switch {
			case errors.Is(err, pmemfs.ErrInvalid):
				return fmt.Errorf("%q: a tag has 1 to 32 bytes, and else is like the name of a snapshot: pmemfs help snapshot create", tag)
			case errors.Is(err, pmemfs.ErrNotExist) && verb == "release":
				return fmt.Errorf("there is no snapshot %q that has a hold %q: pmemfs snapshot list shows both", args[1], tag)
			case errors.Is(err, pmemfs.ErrTooMany):
				return fmt.Errorf("snapshot %q has 8 holds, as many as there may be", args[1])
			case err != nil:
				return snapshotError(args[1], err)
			}
			return said.done(cmd, req)
		},
	}
	cmd.Flags().StringVar(&tag, "tag", defaultTag, "name of the hold, up to 32 bytes")
	said.add(cmd)
	reach.add(cmd.Flags())
	return cmd
}

// printable returns a text as it may go to a terminal: in quotes, with escapes, if it has control characters or is not UTF-8.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return strconv.Quote(text)
	}
	return text
}

// signs are what a line of a comparison begins with.
var signs = map[string]string{"added": "+", "removed": "-", "changed": "M", "renamed": "R"}

func newSnapshotDiff() *cobra.Command {
	var asJSON bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "diff IMAGE EARLIER [LATER]",
		Short: "Show what differs between two snapshots, or between one and now",
		Long: `Show the names that differ between two snapshots, or between one and the files as they are now: "+" is added, "-" removed, "M"
changed, "R" renamed.`,
		Example: `  pmemfs snapshot diff fs.img monday tuesday`,
		Args:    imageAnd(1, 2, "one or two names"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := control.SnapshotDiffRequest{Earlier: args[1]}
			if len(args) > 2 {
				req.Later = args[2]
			}
			reply, err := perform(cmd.Context(), reach, args[0], pmemfs.Options{}, control.SnapshotDiff, req)
			if errors.Is(err, pmemfs.ErrNotExist) && len(args) > 2 {
				return fmt.Errorf("no snapshot has one of the names %q", args[1:])
			}
			if errors.Is(err, pmemfs.ErrNotExist) {
				return snapshotError(args[1], err)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), reply)
			}
			for _, d := range reply.Differences {
				line := signs[d.Kind] + " " + printable(d.Path)
				if d.To != "" {
					line += " -> " + printable(d.To)
				}
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}
