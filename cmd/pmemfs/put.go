package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pmemfs/archive"
	"pmemfs/archive/hostdir"
	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// putFlags are what put changes about files.
type putFlags struct {
	owner, mode string
	uid, gid    uint32
	bits        uint32
}

func (f *putFlags) parse(cmd *cobra.Command) error {
	if cmd.Flags().Changed("owner") {
		u, g, ok := strings.Cut(f.owner, ":")
		uid, err1 := strconv.ParseUint(u, 10, 32)
		gid, err2 := strconv.ParseUint(g, 10, 32)
		if !ok || err1 != nil || err2 != nil || uint32(uid) == pmemfs.NoID || uint32(gid) == pmemfs.NoID {
			return fmt.Errorf("--owner is UID:GID in numbers, not %q", f.owner)
		}
		f.uid, f.gid = uint32(uid), uint32(gid)
	}
	if cmd.Flags().Changed("mode") {
		m, err := strconv.ParseUint(f.mode, 8, 32)
		if err != nil || m > 0o7777 {
			return fmt.Errorf("--mode is an octal mode such as 0644, not %q", f.mode)
		}
		f.bits = uint32(m)
	}
	return nil
}

// edited is a source whose files get another owner or mode.
type edited struct {
	tarball.Source
	flags     *putFlags
	recursive bool
	name      string
}

func (s *edited) Next() (*tarball.Entry, error) {
	e, err := s.Source.Next()
	if err != nil {
		return nil, err
	}
	if e.Type == tarball.Dir && !s.recursive {
		return nil, fmt.Errorf("%s is a directory: --recursive copies it with all that is in it", s.name)
	}
	if s.flags.owner != "" {
		e.UID, e.GID = s.flags.uid, s.flags.gid
	}
	if s.flags.mode != "" && e.Type != tarball.Dir && e.Type != tarball.Symlink {
		e.Mode = s.flags.bits
	}
	return e, nil
}

// begun is a source whose first entry has been read: what is wrong with that is known before anything is sent or changed.
type begun struct {
	tarball.Source
	first *tarball.Entry
	err   error
}

// begin reads the first entry of a source, and opens it if it has data.
//
// Errors: the source's. That of one that is empty comes later.
func begin(source tarball.Source) (*begun, error) {
	b := &begun{Source: source}
	if b.first, b.err = source.Next(); errors.Is(b.err, io.EOF) {
		return b, nil
	}
	if b.err == nil && b.first.DataSize() > 0 {
		_, b.err = source.Read(nil)
	}
	return b, b.err
}

func (b *begun) Next() (*tarball.Entry, error) {
	e, err := b.first, b.err
	if b.first, b.err = nil, nil; e == nil && err == nil {
		return b.Source.Next()
	}
	return e, err
}

// streamed is a source of one file, whose content came from standard input.
type streamed struct {
	f    *os.File
	size int64
	told bool
}

func (s *streamed) Next() (*tarball.Entry, error) {
	if s.told {
		return nil, io.EOF
	}
	s.told = true
	now := time.Now().UnixNano()
	return &tarball.Entry{Name: ".", Type: tarball.Regular, Mode: 0o644, UID: uint32(max(os.Geteuid(), 0)), GID: uint32(max(os.Getegid(), 0)), Size: uint64(s.size), Mtime: now,
		Atime: now, HasAtime: true, Offset: -1}, nil
}

func (s *streamed) Read(p []byte) (int, error) { return s.f.Read(p) }

// spool keeps what comes from a stream in a file without a name: an archive says how long a file is before its content.
func spool(ctx context.Context, r io.Reader) (*streamed, error) {
	f, err := os.CreateTemp("", "pmemfs-put-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	n := int64(0)
	if err == nil {
		n, err = io.Copy(f, contextReader{ctx, r})
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &streamed{f: f, size: n}, nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func newPut() *cobra.Command {
	var asJSON, recursive bool
	var flags putFlags
	var reach controlFlags
	cmd := &cobra.Command{
		Use:   "put FROM... IMAGE:PATH",
		Short: "Copy files into an image",
		Long: `Copy files of this machine, or standard input (-), into an image, as cp -a does: with owners, modes, times, extended attributes, holes and
hard links. PATH is the new name, or a directory that is there already: then the files come to be in it.

A file that is there already is replaced when the new one is whole and durable; one that is interrupted leaves the old one. Quotas
count, permissions do not: who may open the image, or reach its server, may write every file.`,
		Example: `  pmemfs put hosts fs.img:/etc/hosts
  pmemfs put -r site fs.img:/srv --owner 33:33
  date | pmemfs put - fs.img:/build-date --mode 0444`,
		Args: takes(2, -1, "what to copy, and where in an image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			if err := flags.parse(cmd); err != nil {
				return err
			}
			last := len(args) - 1
			t, err := liveTarget(args[last])
			if err != nil {
				return err
			}
			list := []copied{}
			var damaged error
			for _, from := range args[:last] {
				p := putting{from: from, image: t.image, flags: &flags, recursive: recursive}
				if err := p.open(); err != nil {
					return err
				}
				to, err := putTarget(ctx, reach, t, from, last > 1 || strings.HasSuffix(args[last], "/"))
				if err != nil {
					return errors.Join(err, p.close())
				}
				if err := p.spool(ctx, cmd); err != nil {
					return err
				}
				r, err := importFrom(ctx, reach, to, p.source, progress(cmd, "copying"))
				if err := errors.Join(err, p.close()); err != nil {
					return err
				}
				damaged = errors.Join(damaged, problems(cmd, to, r))
				list = append(list, copied{from, to.String(), r})
			}
			if asJSON {
				damaged = errors.Join(damaged, printJSON(cmd.OutOrStdout(), list))
			}
			return damaged
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "directories with all that is in them")
	cmd.Flags().StringVar(&flags.owner, "owner", "", "owner of the files in the image as UID:GID (default: as they are)")
	cmd.Flags().StringVar(&flags.mode, "mode", "", "mode of the files in the image in octal, but for directories (default: as they are)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what has been copied as JSON")
	reach.add(cmd.Flags())
	return cmd
}

// putting is one thing that is copied.
type putting struct {
	from, image string
	flags       *putFlags
	recursive   bool
	source      tarball.Source
	close       func() error
}

// open opens what is to be copied, unless that is standard input.
func (p *putting) open() error {
	p.close = func() error { return nil }
	if p.from == "-" {
		return nil
	}
	packer, err := hostdir.NewPacker(p.from, p.image)
	if err != nil {
		return p.local(err)
	}
	p.close = packer.Close
	if p.source, err = begin(&edited{packer, p.flags, p.recursive, p.from}); err != nil {
		return errors.Join(err, p.close())
	}
	return nil
}

// local says of a file that is not there, and whose name looks like one in an image, that it would have to be here.
func (p *putting) local(err error) error {
	if left, _, colon := strings.Cut(p.from, ":"); colon && errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(left); serr == nil {
			return fmt.Errorf("%w: FROM is a file of this machine; pmemfs get copies out of an image", err)
		}
	}
	return err
}

// spool takes all of standard input, if that is to be copied.
func (p *putting) spool(ctx context.Context, cmd *cobra.Command) error {
	if p.from != "-" {
		return nil
	}
	s, err := spool(ctx, cmd.InOrStdin())
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		return fmt.Errorf("standard input: %w", err)
	}
	p.source, p.close = &edited{s, p.flags, p.recursive, p.from}, s.f.Close
	return nil
}

// putTarget is where a file comes to be: in a directory that is there, or under the name that is given.
func putTarget(ctx context.Context, reach controlFlags, t target, from string, mustBeDir bool) (target, error) {
	var l archive.Listing
	err := withLister(ctx, reach, t.image, func(one lister) (err error) {
		l, err = one(archive.ListRequest{Path: t.path, Follow: true})
		return err
	})
	if err != nil && !errors.Is(err, pmemfs.ErrNotExist) {
		return t, fmt.Errorf("%s: %w", t.image, err)
	}
	name := filepath.Base(from)
	switch {
	case err == nil && l.File.Type == "dir" && from == "-":
		return t, fmt.Errorf("%s is a directory, and standard input has no name: name the file", t)
	case err == nil && l.File.Type == "dir" && name == ".": // what is in the folder, as cp does
		return t, nil
	case err == nil && l.File.Type == "dir" && (name == ".." || name == "/"):
		return t, fmt.Errorf("%q has no name of its own: name the directory that it becomes in the image", from)
	case err == nil && l.File.Type == "dir":
		t.path = strings.TrimSuffix(t.path, "/") + "/" + name
	case mustBeDir:
		return t, fmt.Errorf("%s is no directory that is there", t)
	}
	return t, nil
}
