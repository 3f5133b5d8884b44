package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pmemfs/archive"
)

// treeDepthMax is how deep tree goes unless it is told otherwise.
const treeDepthMax = 1 << 20

// treeFile is a file of a tree, in JSON.
type treeFile struct {
	Path string `json:"path"`
	archive.File
}

// treeReport is what tree prints as JSON.
type treeReport struct {
	Files []treeFile `json:"files"`
	Dirs  int        `json:"directories"`
	Other int        `json:"others"`
}

// treeWalk is one walk of a tree.
type treeWalk struct {
	ctx    context.Context
	one    lister
	w      io.Writer
	depth  int
	asJSON bool
	report treeReport
	err    error // what could not be read
}

func newTree() *cobra.Command {
	var x treeWalk
	var reach controlFlags
	cmd := &cobra.Command{
		Use:     "tree IMAGE[@SNAPSHOT][:PATH]",
		Short:   "Show a directory in an image with all that is below it",
		Long:    `Show a directory in an image with all that is below it, as a tree. What cannot be read is said, and the rest is shown.`,
		Example: "  pmemfs tree fs.img\n  pmemfs tree fs.img@monday:/home --depth 2",
		Args:    oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if x.depth < 1 {
				return fmt.Errorf("--depth is at least 1, not %d", x.depth)
			}
			t, err := parseTarget(args[0])
			if err != nil {
				return err
			}
			x.ctx, x.w = cmd.Context(), cmd.OutOrStdout()
			err = withLister(x.ctx, reach, t.image, func(one lister) error {
				x.one = one
				return x.walk(t, "", 1)
			})
			if err != nil {
				return err
			}
			if x.asJSON {
				err = printJSON(x.w, x.report)
			} else {
				_, err = fmt.Fprintf(x.w, "\n%s, %s\n", count(x.report.Dirs, "directory"), count(x.report.Other, "file"))
			}
			return errors.Join(x.err, err)
		},
	}
	cmd.Flags().IntVar(&x.depth, "depth", treeDepthMax, "how many directories deep")
	cmd.Flags().BoolVar(&x.asJSON, "json", false, "print JSON")
	reach.add(cmd.Flags())
	return cmd
}

// walk shows what is in a directory. Its error ends the walk; what cannot be read does not.
func (x *treeWalk) walk(t target, indent string, depth int) error {
	l, err := list(x.one, t, archive.ListRequest{Entries: true, Follow: depth == 1})
	var damage *statusError
	switch {
	case err != nil && (depth == 1 && l.File.Type == "" || x.ctx.Err() != nil):
		return err
	case errors.As(err, &damage):
		x.err = errors.Join(x.err, err)
	case err != nil:
		x.err = errors.Join(x.err, &statusError{exitDamage, err})
		return nil
	}
	if depth == 1 && !x.asJSON {
		if _, err := fmt.Fprintln(x.w, showName(x.w, t.path)); err != nil {
			return err
		}
	}
	for i := range l.Entries {
		f := &l.Entries[i]
		branch, below := "├── ", "│   "
		if i == len(l.Entries)-1 {
			branch, below = "└── ", "    "
		}
		name := f.RealName()
		next := t
		next.path = strings.TrimSuffix(t.path, "/") + "/" + name
		if f.Type == "dir" {
			x.report.Dirs++
		} else {
			x.report.Other++
		}
		if x.asJSON {
			x.report.Files = append(x.report.Files, treeFile{next.path, *f})
		} else {
			text := showName(x.w, name)
			if f.Type == "symlink" {
				text += " -> " + showName(x.w, f.Target)
			}
			if _, err := fmt.Fprintln(x.w, indent+branch+text); err != nil {
				return err
			}
		}
		if f.Type == "dir" && depth < x.depth {
			if err := x.walk(next, indent+below, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
