package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pmemfs/archive"
	"pmemfs/archive/tarball"
)

// tarBuffer is how much of an archive is written at once, in bytes.
const tarBuffer = 1 << 20

func newTar() *cobra.Command {
	var asJSON bool
	var output string
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "tar IMAGE[@SNAPSHOT][:PATH]",
		Short: "Write what is in an image as a tar archive",
		Long: `Write what is in an image, or a part of it, as a tar archive to standard output or to a file. It is a PAX archive, as GNU tar and bsdtar
extract it: with owners, modes, times in nanoseconds, extended attributes, access control lists, hard links, devices and holes. Sockets
are left out.

Files that clients change meanwhile are met as they are then; those of a snapshot do not change. Where data cannot be read, zeros are in its
place, the file is named, and the exit status is 4. A file that is written appears when it is whole.`,
		Example: `  pmemfs tar fs.img | tar t
  pmemfs tar fs.img@monday:/home -o home.tar
  pmemfs tar fs.img | ssh backup 'zstd > fs.tar.zst'`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			t, err := parseTarget(args[0])
			switch {
			case err != nil:
				return err
			case cmd.Flags().Changed("output") && output == "":
				return errors.New("--output is empty: leave it out for standard output")
			case asJSON && (output == "" || output == "-"):
				return errors.New("--json needs --output: standard output has the archive")
			}
			out, err := openOutput(cmd, output)
			if err != nil {
				return err
			}
			w := bufio.NewWriterSize(out, tarBuffer)
			r, err := exportTo(ctx, reach, t, archive.ExportRequest{}, tarball.NewWriter(w), progress(cmd, "archiving"))
			if err == nil {
				err = w.Flush()
			}
			if err = out.end(err); err != nil {
				return err
			}
			err = problems(cmd, t, r)
			if asJSON {
				err = errors.Join(err, printJSON(cmd.OutOrStdout(), r))
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what has been written as JSON; with --output")
	reach.add(cmd.Flags())
	return cmd
}

// outputFile is a file that appears when it is whole, or standard output.
type outputFile struct {
	io.Writer
	f    *os.File
	path string
}

func openOutput(cmd *cobra.Command, path string) (*outputFile, error) {
	if path == "" || path == "-" {
		w := cmd.OutOrStdout()
		if onTerminal(w) {
			return nil, errors.New("an archive is nothing for a terminal: use --output FILE, or a pipe")
		}
		return &outputFile{Writer: w}, nil
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &outputFile{Writer: f, f: f}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		var hidden *os.PathError // of which nobody has heard
		if errors.As(err, &hidden) {
			err = hidden.Err
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &outputFile{f, f, path}, nil
}

// end gives the file its name, or takes it away if what was written is not whole.
func (o *outputFile) end(err error) error {
	if o.f == nil {
		return err
	}
	if o.path == "" {
		return errors.Join(err, o.f.Close())
	}
	if err == nil {
		err = o.f.Chmod(0o600)
	}
	err = errors.Join(err, o.f.Close())
	if err == nil {
		err = os.Rename(o.f.Name(), o.path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(o.f.Name()))
		return fmt.Errorf("%s: %w", o.path, err)
	}
	return nil
}
