package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pmemfs/archive"
	"pmemfs/archive/hostdir"
	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

// fromSource is what a new image is filled from: a folder, an archive, or standard input.
type fromSource struct {
	from, image string
	stdin       io.Reader
	ctx         context.Context
}

// open opens the source at its beginning. Of what is no folder, progress is told how much of it was read.
func (s *fromSource) open(tell func(done, total int64)) (source tarball.Source, done func() error, err error) {
	none := func() error { return nil }
	if s.from == "-" {
		source, err = s.unpack(s.stdin)
		return source, none, err
	}
	st, err := os.Stat(s.from)
	if err != nil {
		return nil, nil, err
	}
	if st.IsDir() {
		dir, err := filepath.EvalSymlinks(s.from)
		if err != nil {
			return nil, nil, err
		}
		source, err = hostdir.NewPacker(dir, s.image)
		return source, none, err
	}
	f, err := os.Open(s.from)
	if err != nil {
		return nil, nil, err
	}
	r := &tellingReader{r: f, total: st.Size(), tell: tell}
	if source, err = s.unpack(r); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", s.from, err), f.Close())
	}
	return source, f.Close, nil
}

// unpack reads an archive, compressed or not.
func (s *fromSource) unpack(r io.Reader) (tarball.Source, error) {
	buffered := bufio.NewReaderSize(contextReader{s.ctx, r}, tarBuffer)
	magic, err := buffered.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		return tarball.NewReader(bufio.NewReaderSize(z, tarBuffer)), nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return nil, errors.New("it is compressed by zstd: zstd -dc FILE | pmemfs mkfs IMAGE --from - --size SIZE")
	case bytes.HasPrefix(magic, []byte("BZh")):
		return nil, errors.New("it is compressed by bzip2: bzip2 -dc FILE | pmemfs mkfs IMAGE --from - --size SIZE")
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return nil, errors.New("it is compressed by xz: xz -dc FILE | pmemfs mkfs IMAGE --from - --size SIZE")
	}
	return tarball.NewReader(buffered), nil
}

// size is how large an image has to be for the files.
func (s *fromSource) size() (int64, error) {
	if s.from == "-" {
		return 0, errors.New("--from - needs --size: standard input can be read once alone, and is not known before")
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(s.image), &disk); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: filepath.Dir(s.image), Err: err}
	}
	source, done, err := s.open(silent(""))
	if err != nil {
		return 0, err
	}
	estimate, err := archive.EstimateAll(source, disk.Bavail*uint64(disk.Bsize))
	if err = errors.Join(err, done()); err != nil {
		return 0, fmt.Errorf("%s: %w", s.from, err)
	}
	return estimate.Image(), nil
}

// fill puts the files into a new image. root, unless it is nil, is what its root directory gets in the end.
func (s *fromSource) fill(fs *pmemfs.FS, root *pmemfs.SetAttr, tell func(done, total int64)) error {
	source, done, err := s.open(tell)
	if err != nil {
		return err
	}
	_, err = archive.Import(s.ctx, fs, archive.ImportRequest{Path: "/"}, true, source)
	if err = errors.Join(err, done()); err == nil && root != nil {
		_, err = fs.Setattr(&pmemfs.Cred{}, nil, fs.Root(), root)
	}
	switch {
	case s.ctx.Err() != nil:
		err = errors.New("interrupted: no image was made")
	case errors.Is(err, pmemfs.ErrNoSpace):
		err = fmt.Errorf("%s: %w; choose a larger --size, or leave it out", s.from, err)
	case err != nil:
		err = fmt.Errorf("%s: %w", s.from, err)
	}
	return err
}

// tellingReader tells how much of a file was read.
type tellingReader struct {
	r           io.Reader
	done, total int64
	tell        func(done, total int64)
}

func (t *tellingReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.done += int64(n)
	t.tell(t.done, t.total)
	return n, err
}
