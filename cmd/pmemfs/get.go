package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pmemfs/archive"
	"pmemfs/archive/hostdir"
	"pmemfs/archive/tarball"
)

// copied is what get and put print as JSON.
type copied struct {
	From string `json:"from"`
	To   string `json:"to"`
	archive.Report
}

// oneFile lets only what is no directory through.
type oneFile struct {
	tarball.Sink
	name string
}

func (s oneFile) Begin(e *tarball.Entry) error {
	if e.Type == tarball.Dir {
		return fmt.Errorf("%s is a directory: --recursive copies it with all that is in it", s.name)
	}
	return s.Sink.Begin(e)
}

func newGet() *cobra.Command {
	var asJSON, recursive, force bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "get IMAGE[@SNAPSHOT]:PATH... [TO]",
		Short: "Copy files out of an image",
		Long: `Copy files out of an image into a folder or a file (default: the current folder), as cp -a does: with modes, times, holes, hard links, and with
owners, extended attributes and devices as far as the caller may. Nothing is written outside TO, whatever the image holds.

A file that is there already is an error, unless --force has it replaced. A file appears when it is whole. Where data cannot be read,
zeros are in its place, the file is named, and the exit status is 4: so all that can be rescued is.`,
		Example: `  pmemfs get fs.img:/etc/hosts
  pmemfs get -r fs.img@monday:/projects/ship restored
  pmemfs get -r fs.img:/ everything`,
		Args: takes(1, -1, "files in images, and where to copy them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			to := "."
			if last := args[len(args)-1]; len(args) > 1 {
				args, to = args[:len(args)-1], last
			}
			var list []copied
			var damaged error
			for _, arg := range args {
				t, err := fileTarget(arg)
				if err != nil {
					return err
				}
				dest, err := destination(to, t.path, len(args) > 1)
				if err != nil {
					return err
				}
				out, err := hostdir.NewUnpacker(dest)
				if err != nil {
					return err
				}
				out.Force = force
				out.Note = func(name, text string) { fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s: %s\n", dest, printable(name), text) }
				var sink tarball.Sink = out
				if !recursive {
					sink = oneFile{out, arg}
				}
				r, err := exportTo(ctx, reach, t, archive.ExportRequest{Top: true}, sink, progress(cmd, "copying"))
				if err != nil {
					return errors.Join(err, out.Abort())
				}
				damaged = errors.Join(damaged, problems(cmd, t, r))
				list = append(list, copied{arg, dest, r})
			}
			if asJSON {
				damaged = errors.Join(damaged, printJSON(cmd.OutOrStdout(), list))
			}
			return damaged
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "directories with all that is in them")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "replace files that are there")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what has been copied as JSON")
	reach.add(cmd.Flags())
	return cmd
}

// destination is where a file comes to be: in the folder that is named, or under the name that is.
func destination(to, path string, several bool) (string, error) {
	st, err := os.Stat(to)
	isDir := err == nil && st.IsDir()
	switch {
	case to == "":
		return "", errors.New("no folder is named to copy to")
	case isDir && baseName(path) == "":
		return to, nil
	case isDir:
		name := baseName(path)
		if name == "." || name == ".." {
			return "", fmt.Errorf("%q has no name of its own: name the file to copy to", path)
		}
		return filepath.Join(to, name), nil
	case several || to[len(to)-1] == '/' && err != nil && baseName(path) != "":
		return "", fmt.Errorf("%s is no folder that is there", to)
	}
	return to, nil
}
