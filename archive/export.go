package archive

import (
	"context"
	"errors"
	"fmt"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
)

const (
	chunkSize  = 256 << 10 // bytes that are read at once
	blockSize  = 4096      // of the image: what damage takes at least
	batchMax   = 256       // entries of a directory that are held in memory
	linksMax   = 1 << 17   // files with several names, some of which are still to come
	extentsMax = 1 << 16   // of a file; more are joined
)

// ExportRequest says what to copy out of an image.
type ExportRequest struct {
	Path     string `json:"path" doc:"from the root; / for all"`
	Snapshot string `json:"snapshot,omitempty" doc:"as it was in this snapshot; empty for as it is now"`
	Follow   bool   `json:"follow,omitempty" doc:"a symbolic link at the end of the path is followed"`
	// Top names the entry of the path itself ".", whatever it is called.
	Top bool `json:"top,omitempty" doc:"the archive calls what is at the path \".\"; without it by its name, and only the root is \".\""`
}

// exporter copies one tree.
type exporter struct {
	ctx      context.Context
	fs       *pmemfs.FS
	sink     tarball.Sink
	report   *Report
	links    map[uint64]string // first names of files that have others
	chunk    []byte
	progress func(done, total int64)
	total    int64
}

// Export copies what is at a path to a sink, and closes it. What is damaged is copied as far as it goes: what cannot be read of a
// file's data is zeros, and what cannot be read of names is missing; the report says so. What clients change meanwhile is met as it is
// then: a snapshot stays the same.
//
// Errors: pmemfs.ErrNotExist for the path or the snapshot; that of ctx; the sink's.
func Export(ctx context.Context, fs *pmemfs.FS, req ExportRequest, sink tarball.Sink, progress func(done, total int64)) (Report, error) {
	report := NewReport()
	p, err := existing(fs, req.Snapshot, req.Path, req.Follow)
	if err != nil {
		return report, err
	}
	x := exporter{ctx: ctx, fs: fs, sink: sink, report: &report, links: make(map[uint64]string), chunk: make([]byte, chunkSize), progress: progress}
	if p.name == "" {
		info := fs.Glance()
		x.total = int64(info.SizeBytes - info.FreeBytes)
	} else if p.attr.Type != pmemfs.TypeDir {
		x.total = int64(p.attr.Used)
	}
	name := p.name
	if req.Top || name == "" {
		name = "."
	}
	if err := x.file(name, &p.attr); err != nil {
		return report, err
	}
	return report, sink.Close()
}

// file copies a file and, if it is a directory, all below it.
func (x *exporter) file(name string, a *pmemfs.Attr) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	e, err := x.entry(name, a)
	if err != nil {
		x.report.note(Problem{Path: name, Text: err.Error()})
		return nil
	}
	if err := x.sink.Begin(e); errors.Is(err, tarball.ErrSocket) {
		x.report.note(Problem{Path: name, Text: tarball.ErrSocket.Error(), Skipped: true})
		return nil
	} else if err != nil {
		return err
	}
	x.report.count(e)
	if e.Type == tarball.Regular {
		if err := x.content(name, a, e); err != nil {
			return err
		}
	}
	x.progress(int64(x.report.Bytes), max(x.total, 0))
	if a.Type == pmemfs.TypeDir {
		return x.dir(name, a.Handle)
	}
	return nil
}

// entry describes a file. What is missing of it is noted.
func (x *exporter) entry(name string, a *pmemfs.Attr) (*tarball.Entry, error) {
	t, ok := typeOf(a.Type)
	if !ok {
		return nil, fmt.Errorf("a file of the unknown type %d", a.Type)
	}
	e := &tarball.Entry{Name: name, Type: t, Mode: a.Mode, UID: a.UID, GID: a.GID, Mtime: a.Mtime, Atime: a.Atime, HasAtime: true, Major: a.Major, Minor: a.Minor}
	if a.Nlink > 1 && a.Type != pmemfs.TypeDir {
		if first, ok := x.links[a.Ino]; ok {
			return &tarball.Entry{Name: name, Type: tarball.Link, Target: first, Mode: a.Mode, UID: a.UID, GID: a.GID, Mtime: a.Mtime}, nil
		}
		if len(x.links) < linksMax {
			x.links[a.Ino] = name
		} else {
			x.report.note(Problem{Path: name, Text: fmt.Sprintf("copied as a file of its own: more than %d files have several names", linksMax)})
		}
	}
	if t == tarball.Symlink {
		target, err := x.fs.Readlink(nil, a.Handle)
		if err != nil {
			return nil, err
		}
		e.Target = string(target)
	}
	if t == tarball.Regular {
		e.Size = a.Size
		x.holes(e, a)
	}
	if err := x.xattrs(e, a.Handle); err != nil {
		x.report.note(Problem{Path: name, Text: "its extended attributes: " + err.Error()})
	}
	return e, nil
}

// holes finds out where a file has data. Where that cannot be read, a hole stands for the rest.
func (x *exporter) holes(e *tarball.Entry, a *pmemfs.Attr) {
	// A file that has all its blocks has no holes; what Used has on top is metadata.
	if a.Size == 0 || a.Used >= a.Size && a.Size <= blockSize {
		return
	}
	var list []tarball.Extent
	for off := uint64(0); off < a.Size; {
		from, err := x.fs.SeekData(&superuser, nil, a.Handle, off)
		if errors.Is(err, pmemfs.ErrNoData) || err == nil && from >= a.Size {
			break
		}
		to := a.Size
		if err == nil {
			to, err = x.fs.SeekHole(&superuser, nil, a.Handle, from)
		}
		if err != nil {
			x.report.note(Problem{Path: e.Name, Text: fmt.Sprintf("where it has data cannot be read from byte %d on, and zeros are in its place: %v", off, err)})
			break
		}
		to = min(to, a.Size)
		list = append(list, tarball.Extent{Off: from, Len: to - from})
		if len(list) > 2*extentsMax {
			list = tarball.Merge(list, extentsMax)
		}
		off = to
	}
	if len(list) == 1 && list[0] == (tarball.Extent{Off: 0, Len: a.Size}) {
		return
	}
	e.Sparse, e.Data = true, tarball.Merge(list, extentsMax)
}

// xattrs reads extended attributes, access control lists among them.
func (x *exporter) xattrs(e *tarball.Entry, h pmemfs.Handle) error {
	names, err := x.fs.ListXattr(&superuser, nil, h)
	if err != nil {
		return err
	}
	for _, acl := range []string{tarball.AccessACL, tarball.DefaultACL} {
		names = append(names, []byte(acl))
	}
	seen := make(map[string]bool, len(names))
	var problem error
	for _, n := range names {
		if seen[string(n)] {
			continue
		}
		seen[string(n)] = true
		value, err := x.fs.GetXattr(&superuser, nil, h, n)
		if errors.Is(err, pmemfs.ErrNoXattr) || errors.Is(err, pmemfs.ErrNotSupported) {
			continue
		}
		if err != nil {
			problem = err
			continue
		}
		e.Xattrs = append(e.Xattrs, tarball.Xattr{Name: string(n), Value: value})
	}
	return problem
}

// content copies a file's data.
func (x *exporter) content(name string, a *pmemfs.Attr, e *tarball.Entry) error {
	var bad damage
	for _, part := range e.Extents() {
		for off, end := part.Off, part.Off+part.Len; off < end; {
			if err := x.ctx.Err(); err != nil {
				return err
			}
			p := x.chunk[:min(end-off, chunkSize-off%blockSize)]
			x.read(a.Handle, p, off, &bad)
			if _, err := x.sink.Write(p); err != nil {
				return err
			}
			off += uint64(len(p))
			x.report.Bytes += uint64(len(p))
			x.progress(int64(x.report.Bytes), max(x.total, 0))
		}
	}
	if bad.err != nil {
		x.report.note(Problem{Path: name, Text: fmt.Sprintf("%d bytes from byte %d on cannot be read, and zeros are in their place: %v", bad.bytes, bad.first, bad.err)})
	}
	return nil
}

// damage is what of a file cannot be read.
type damage struct {
	bytes, first uint64
	err          error // the first one
}

// read fills p from an offset on, and puts zeros where that cannot be.
func (x *exporter) read(h pmemfs.Handle, p []byte, off uint64, bad *damage) {
	for len(p) > 0 {
		n, eof, err := x.fs.Read(&superuser, nil, h, p, off)
		if err != nil {
			n = 0
		}
		p, off = p[n:], off+uint64(n)
		if len(p) == 0 {
			return
		}
		if err == nil && !eof && n > 0 {
			continue // less than asked for: what follows cannot be read, and the next call says why
		}
		if err == nil {
			err = errors.New("the file became shorter meanwhile")
		} else if len(p) > blockSize && !errors.Is(err, pmemfs.ErrStale) {
			x.readBlocks(h, p, off, bad)
			return
		}
		clear(p)
		bad.add(off, uint64(len(p)), err)
		return
	}
}

// readBlocks is read, one block at a time.
func (x *exporter) readBlocks(h pmemfs.Handle, p []byte, off uint64, bad *damage) {
	for len(p) > 0 {
		n := min(len(p), blockSize-int(off%blockSize))
		x.read(h, p[:n], off, bad)
		p, off = p[n:], off+uint64(n)
	}
}

func (d *damage) add(off, n uint64, err error) {
	if d.err == nil {
		d.first, d.err = off, err
	}
	d.bytes += n
}

// named is an entry of a directory.
type named struct {
	name string
	attr pmemfs.Attr
	ok   bool // attr counts
	ino  uint64
}

// dir copies all below a directory.
func (x *exporter) dir(path string, h pmemfs.Handle) error {
	for cookie := uint64(0); ; {
		batch, next, err := readBatch(x.fs, h, cookie, batchMax)
		for i := range batch {
			if err := x.child(path, h, &batch[i]); err != nil {
				return err
			}
		}
		if err != nil {
			x.report.note(Problem{Path: path, Text: "what else is in it cannot be read: " + err.Error()})
			return nil
		}
		if len(batch) < batchMax {
			return nil
		}
		cookie = next
	}
}

func (x *exporter) child(path string, h pmemfs.Handle, n *named) error {
	full := path + "/" + n.name
	if !n.ok {
		a, err := x.fs.Lookup(&superuser, nil, h, []byte(n.name))
		if errors.Is(err, pmemfs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			x.report.note(Problem{Path: full, Text: err.Error()})
			return nil
		}
		n.attr = a
	}
	return x.file(full, &n.attr)
}

// readBatch reads so many entries of a directory, but for "." and "..".
func readBatch(fs *pmemfs.FS, h pmemfs.Handle, cookie uint64, most int) (batch []named, next uint64, err error) {
	next = cookie
	err = fs.Readdir(&superuser, nil, h, cookie, true, func(d *pmemfs.DirEntry) bool {
		if len(batch) == most {
			return false
		}
		next = d.Cookie
		if name := string(d.Name); name != "." && name != ".." {
			batch = append(batch, named{name, d.Attr, d.HasAttr, d.Ino})
		}
		return true
	})
	return batch, next, err
}
