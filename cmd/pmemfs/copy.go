package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"pmemfs/archive"
	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

// interruptible is a context that ends when the command is told to.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}

// exportTo copies what a target names to a sink.
func exportTo(ctx context.Context, reach controlFlags, t target, req archive.ExportRequest, sink tarball.Sink, tell func(done, total int64)) (archive.Report, error) {
	req.Path, req.Snapshot = t.path, t.snapshot
	report, err := anywhere(ctx, reach, t.image, pmemfs.Options{ReadOnly: true},
		func(fs *pmemfs.FS) (archive.Report, error) { return archive.Export(ctx, fs, req, sink, tell) },
		func(client *control.Client) (archive.Report, error) {
			return client.ReadFiles(ctx, req, sink, tell)
		})
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", t.image, err)
	}
	return report, err
}

// importFrom copies a source into an image.
func importFrom(ctx context.Context, reach controlFlags, t target, source tarball.Source, tell func(done, total int64)) (archive.Report, error) {
	req := archive.ImportRequest{Path: t.path}
	var skipped []archive.Problem
	report, err := anywhere(ctx, reach, t.image, pmemfs.Options{},
		func(fs *pmemfs.FS) (archive.Report, error) {
			if err := archive.Sweep(fs); err != nil { // no reason to take nothing
				skipped = append(skipped, archive.Problem{Path: "/", Text: fmt.Errorf("what an earlier put has left stays: %w", err).Error()})
			}
			return archive.Import(ctx, fs, req, false, &counting{Source: source, tell: tell})
		},
		func(client *control.Client) (archive.Report, error) {
			return client.WriteFiles(ctx, req, source, func(e *tarball.Entry) {
				skipped = append(skipped, archive.Problem{Path: e.Name, Text: tarball.ErrSocket.Error(), Skipped: true})
			}, tell)
		})
	report.Problems = append(report.Problems, skipped...)
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted; files that were whole by then stay")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", t.image, err)
	}
	return report, err
}

// counting tells how much of a source was read.
type counting struct {
	tarball.Source
	tell func(done, total int64)
	done int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Source.Read(p)
	c.done += int64(n)
	c.tell(c.done, 0)
	return n, err
}

// problems says on standard error which files could not be copied as they are, and returns an error if anything is damaged.
func problems(cmd *cobra.Command, t target, r archive.Report) error {
	for _, p := range r.Problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s: %s\n", t.image, printable(p.Path), p.Text)
	}
	if r.Damaged == 0 {
		return nil
	}
	return &statusError{exitDamage, fmt.Errorf("%s: not everything could be read; affected: %s", t, count(r.Damaged, "file"))}
}

// plainSink writes the data of one file, with zeros for holes.
type plainSink struct {
	w    io.Writer
	name string
	e    *tarball.Entry
	at   uint64
	next []tarball.Extent
}

func (s *plainSink) Begin(e *tarball.Entry) error {
	if e.Type != tarball.Regular {
		return fmt.Errorf("%s is no file with content", s.name)
	}
	s.e, s.next = e, append([]tarball.Extent{}, e.Extents()...)
	return nil
}

func (s *plainSink) Write(p []byte) (int, error) {
	all := len(p)
	for len(p) > 0 {
		if len(s.next) == 0 {
			return 0, errors.New("more data than the file has")
		}
		x := &s.next[0]
		if err := s.zeros(x.Off); err != nil {
			return 0, err
		}
		part := p[:min(uint64(len(p)), x.Len)]
		if _, err := s.w.Write(part); err != nil {
			return 0, err
		}
		n := uint64(len(part))
		s.at, x.Off, x.Len, p = s.at+n, x.Off+n, x.Len-n, p[n:]
		if x.Len == 0 {
			s.next = s.next[1:]
		}
	}
	return all, nil
}

// zeros writes a hole.
func (s *plainSink) zeros(to uint64) error {
	var none [64 << 10]byte
	for s.at < to {
		n := min(to-s.at, uint64(len(none)))
		if _, err := s.w.Write(none[:n]); err != nil {
			return err
		}
		s.at += n
	}
	return nil
}

func (s *plainSink) Close() error {
	if s.e == nil {
		return fmt.Errorf("%s did not arrive", s.name)
	}
	return s.zeros(s.e.Size)
}

func newCat() *cobra.Command {
	var reach controlFlags
	cmd := &cobra.Command{
		Use:     "cat IMAGE[@SNAPSHOT]:PATH...",
		Short:   "Write the content of files in an image to standard output",
		Long:    `Write the content of files in an image to standard output, one after another. Where it cannot be read, zeros are written, and the exit status is 4.`,
		Example: "  pmemfs cat fs.img:/etc/hosts\n  pmemfs cat fs.img@monday:/var/log/messages | less",
		Args:    takes(1, -1, "one or more files in images"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			var damaged error
			for _, arg := range args {
				t, err := fileTarget(arg)
				if err != nil {
					return err
				}
				r, err := exportTo(ctx, reach, t, archive.ExportRequest{Follow: true, Top: true}, &plainSink{w: cmd.OutOrStdout(), name: arg}, silent(""))
				if err != nil {
					return err
				}
				damaged = errors.Join(damaged, problems(cmd, t, r))
			}
			return damaged
		},
	}
	reach.add(cmd.Flags())
	return cmd
}

// removed is what rm prints as JSON.
type removed struct {
	Removed uint64 `json:"removed"`
}

func newRm() *cobra.Command {
	var e echo
	var recursive, force bool
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "rm IMAGE:PATH...",
		Short: "Remove files in an image",
		Long: `Remove files in an image. Each argument names the image. A symbolic link is removed itself. What was removed before an error or an
interruption is gone.`,
		Example: "  pmemfs rm fs.img:/tmp/old\n  pmemfs rm -r fs.img:/tmp/build",
		Args:    takes(1, -1, "one or more files in images"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			var targets []target
			for _, arg := range args {
				t, err := liveTarget(arg)
				if err != nil {
					return err
				}
				targets = append(targets, t)
			}
			var all removed
			for _, t := range targets {
				reply, err := perform(ctx, reach, t.image, pmemfs.Options{}, control.FilesRemove, archive.RemoveRequest{Path: t.path, Recursive: recursive})
				if force && errors.Is(err, pmemfs.ErrNotExist) {
					continue
				}
				if errors.Is(err, pmemfs.ErrIsDir) {
					err = fmt.Errorf("%w: --recursive removes it with all that is in it", err)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", t.image, err)
				}
				all.Removed += reply.Removed
			}
			return e.done(cmd, all)
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "directories with all that is in them")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "what is not there is no error")
	e.add(cmd)
	reach.add(cmd.Flags())
	return cmd
}

// baseName is the last part of a path.
func baseName(path string) string {
	path = strings.TrimRight(path, "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}
