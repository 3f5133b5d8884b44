package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/archive"
	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

// showName is a name as it is printed: with quotes where a terminal would take it for a command, and as it is for a program.
func showName(w io.Writer, name string) string {
	if onTerminal(w) {
		return printable(name)
	}
	return name
}

// lister lists a part of a directory.
type lister func(req archive.ListRequest) (archive.Listing, error)

// withLister opens an image once, or finds its server, for any number of lists.
func withLister(ctx context.Context, reach controlFlags, image string, use func(lister) error) error {
	_, err := anywhere(ctx, reach, image, pmemfs.Options{ReadOnly: true},
		func(fs *pmemfs.FS) (struct{}, error) {
			return struct{}{}, use(func(req archive.ListRequest) (archive.Listing, error) { return archive.List(fs, req) })
		},
		func(client *control.Client) (struct{}, error) {
			return struct{}{}, use(func(req archive.ListRequest) (archive.Listing, error) {
				return control.FilesList.Call(ctx, client, req)
			})
		})
	return err
}

// list returns a file and, if asked, all entries of a directory, by name. What could not be read is an error beside what could.
func list(one lister, t target, req archive.ListRequest) (archive.Listing, error) {
	req.Path, req.Snapshot = t.path, t.snapshot
	var all archive.Listing
	for {
		l, err := one(req)
		if err != nil {
			return all, fmt.Errorf("%s: %w", t.image, err)
		}
		all.File, all.Entries, all.Problem = l.File, append(all.Entries, l.Entries...), l.Problem
		if req.Cursor = l.Next; l.Next == 0 {
			break
		}
	}
	slices.SortFunc(all.Entries, func(a, b archive.File) int { return strings.Compare(a.RealName(), b.RealName()) })
	return all, listProblem(t, &all)
}

// listProblem is the error of a list that is not whole.
func listProblem(t target, l *archive.Listing) error {
	var err error
	if l.Problem != "" {
		err = fmt.Errorf("%s: %s", t, l.Problem)
	}
	for i := range l.Entries {
		if e := &l.Entries[i]; e.Problem != "" {
			err = errors.Join(err, fmt.Errorf("%s: %q: %s", t, e.RealName(), e.Problem))
		}
	}
	if err != nil {
		return &statusError{exitDamage, err}
	}
	return nil
}

func newLs() *cobra.Command {
	var long, itself, asJSON bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "ls IMAGE[@SNAPSHOT][:PATH]",
		Short: "List a directory in an image",
		Long: `List a directory in an image, without a mount, as it is now or as it was in a snapshot. All names are listed, one a line,
in the order of their bytes. A symbolic link that is named is followed if it leads to a directory, unless --long or --directory is given.`,
		Example: `  pmemfs ls fs.img
  pmemfs ls -l fs.img:/home
  pmemfs ls fs.img@monday:/home --json`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseTarget(args[0])
			if err != nil {
				return err
			}
			var l archive.Listing
			problem := withLister(cmd.Context(), reach, t.image, func(one lister) (err error) {
				l, err = list(one, t, archive.ListRequest{Follow: !itself && !long, Entries: !itself})
				return err
			})
			if problem != nil && l.File.Type == "" {
				return problem
			}
			if asJSON {
				return errors.Join(problem, printJSON(cmd.OutOrStdout(), l))
			}
			files := l.Entries
			if itself || l.File.Type != "dir" {
				files = []archive.File{l.File}
			}
			return errors.Join(problem, printFiles(cmd.OutOrStdout(), files, long))
		},
	}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "with mode, links, owner, group, size and time of the last change")
	cmd.Flags().BoolVarP(&itself, "directory", "d", false, "the directory itself, not what is in it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}

func printFiles(w io.Writer, files []archive.File, long bool) error {
	if !long {
		for i := range files {
			if _, err := fmt.Fprintln(w, showName(w, files[i].RealName())); err != nil {
				return err
			}
		}
		return nil
	}
	return tableOf(func(tab *tabular) {
		for i := range files {
			f := &files[i]
			name := showName(w, f.RealName())
			if f.Type == "symlink" {
				name += " -> " + f.Target
			}
			size := fmt.Sprint(f.Size)
			if f.Type == "char" || f.Type == "block" {
				size = fmt.Sprintf("%d,%d", f.Major, f.Minor)
			}
			tab.row(modeText(f), f.Links, f.UID, f.GID, size, time.Unix(0, f.MtimeNS).Format("2006-01-02 15:04:05"), name)
		}
	})(w)
}

// modeText is a type and a mode as ls(1) shows them.
func modeText(f *archive.File) string {
	kind := map[string]byte{"file": '-', "dir": 'd', "symlink": 'l', "char": 'c', "block": 'b', "fifo": 'p', "socket": 's'}[f.Type]
	if kind == 0 {
		return "?---------"
	}
	b := []byte("?rwxrwxrwx")
	b[0] = kind
	for i := range 9 {
		if f.Mode&(0o400>>i) == 0 {
			b[i+1] = '-'
		}
	}
	for i, bit := range []uint32{0o4000, 0o2000, 0o1000} {
		if f.Mode&bit == 0 {
			continue
		}
		at, letters := 3*(i+1), "sS"
		if bit == 0o1000 {
			letters = "tT"
		}
		if b[at] == 'x' {
			b[at] = letters[0]
		} else {
			b[at] = letters[1]
		}
	}
	return string(b)
}

func newStat() *cobra.Command {
	var asJSON, follow bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:     "stat IMAGE[@SNAPSHOT]:PATH",
		Short:   "Describe a file in an image",
		Long:    `Describe a file in an image: type, mode, owner, size, times, names of extended attributes. A symbolic link is described itself, unless --follow is given.`,
		Example: "  pmemfs stat fs.img:/etc/hosts\n  pmemfs stat fs.img@monday:/etc/hosts --json",
		Args:    oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseTarget(args[0])
			if err != nil {
				return err
			}
			var l archive.Listing
			err = withLister(cmd.Context(), reach, t.image, func(one lister) (err error) {
				l, err = list(one, t, archive.ListRequest{Follow: follow, Xattrs: true})
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), l.File)
			}
			return printStat(cmd.OutOrStdout(), t, &l.File)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "L", false, "what a symbolic link leads to, not the link")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}

func printStat(w io.Writer, t target, f *archive.File) error {
	when := func(ns int64) string { return time.Unix(0, ns).Format("2006-01-02 15:04:05.000000000 -0700") }
	return tableOf(func(tab *tabular) {
		tab.row("path", t.path)
		tab.row("type", f.Type)
		if f.Type == "symlink" {
			tab.row("target", f.Target)
		}
		tab.row("mode", fmt.Sprintf("%04o %s", f.Mode, modeText(f)))
		tab.row("owner", fmt.Sprintf("%d:%d", f.UID, f.GID))
		tab.row("links", f.Links)
		tab.row("size", fmt.Sprintf("%d bytes, takes %d", f.Size, f.Used))
		if f.Type == "char" || f.Type == "block" {
			tab.row("device", fmt.Sprintf("%d,%d", f.Major, f.Minor))
		}
		tab.row("inode", f.ID)
		tab.row("accessed", when(f.AtimeNS))
		tab.row("modified", when(f.MtimeNS))
		tab.row("changed", when(f.CtimeNS))
		tab.row("made", when(f.BtimeNS))
		for _, x := range f.Xattrs {
			tab.row("attribute", x)
		}
		if f.Problem != "" {
			tab.row("problem", f.Problem)
		}
	})(w)
}
