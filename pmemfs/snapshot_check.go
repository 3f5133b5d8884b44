package pmemfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// snapshotFindingsMax is how many findings a report keeps.
const snapshotFindingsMax = 1000

// snapshotPathMax bounds the path of a finding, in bytes: clients make trees as deep as they like.
const snapshotPathMax = 4096

// SnapshotCheckOptions are the options of CheckSnapshot.
type SnapshotCheckOptions struct {
	Rate     int64                   // bytes of file data to read in a second at most; 0 for no limit
	Progress func(done, total int64) // told now and then how many bytes of about how many have been read; nil for none
}

// SnapshotFinding is a file of a snapshot, or a part of it, that cannot be read as it was.
type SnapshotFinding struct {
	Path    string `json:"path" doc:"path in the snapshot; of one that is longer than 4,096 bytes the end, behind ..."`
	Problem string `json:"problem" doc:"what reading says"`
}

// SnapshotCheckReport is what a check of a snapshot found.
type SnapshotCheckReport struct {
	Findings   []SnapshotFinding `json:"findings" doc:"what cannot be read"`
	Suppressed int               `json:"suppressed" doc:"findings beyond the first 1,000, not kept"`
	Complete   bool              `json:"complete" doc:"the check came to its end"`
	Dirs       uint64            `json:"directories" doc:"directories"`
	Files      uint64            `json:"files" doc:"regular files, once for each name"`
	Others     uint64            `json:"others" doc:"files of other types"`
	Bytes      uint64            `json:"bytes" doc:"bytes of file data that were read"`
}

// Clean reports whether nothing was found.
func (r *SnapshotCheckReport) Clean() bool { return len(r.Findings)+r.Suppressed == 0 }

// CheckSnapshot reads all of a snapshot by its names, as a restore would: directories, attributes, links, and all file data, whose checksums are verified
// where there are any. It works beside all other calls, and needs memory in proportion to the depth of the tree.
//
// Errors: ErrNotExist; ErrStale if the snapshot is deleted meanwhile; that of ctx, beside what was found so far. Damage is no error but in the report.
// No fence.
func (fs *FS) CheckSnapshot(ctx context.Context, name string, o SnapshotCheckOptions) (*SnapshotCheckReport, error) {
	sn, err := fs.SnapshotNamed(name)
	if err != nil {
		return nil, err
	}
	w := &snapshotWalk{fs: fs, ctx: ctx, o: o, total: int64(sn.Referenced), began: time.Now(), r: &SnapshotCheckReport{Findings: []SnapshotFinding{}},
		buf: make([]byte, 1<<20)}
	err = w.run(fs.root.In(sn.Epoch))
	w.r.Complete = err == nil
	return w.r, err
}

// snapshotWalk is a walk over the names of a snapshot.
type snapshotWalk struct {
	fs    *FS
	ctx   context.Context
	o     SnapshotCheckOptions
	r     *SnapshotCheckReport
	total int64
	began time.Time
	buf   []byte
	stack []walkedDir
}

// walkedDir is a directory that is being read, and how far.
type walkedDir struct {
	handle Handle
	name   string // in the directory above; empty for the root
	cookie uint64
}

// walkCred may read everything.
var walkCred = Cred{}

// run walks from the root.
func (w *snapshotWalk) run(root Handle) error {
	w.stack = []walkedDir{{handle: root}}
	for len(w.stack) > 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		done, err := w.step(&w.stack[len(w.stack)-1])
		if err != nil {
			return err
		}
		if done {
			w.r.Dirs++
			w.stack = w.stack[:len(w.stack)-1]
		}
	}
	return nil
}

// walkedName is an entry of a directory.
type walkedName struct {
	name   string
	cookie uint64
}

// stepNames is how many names a step reads at once.
const stepNames = 64

// step goes through some names of a directory, up to one that is a directory, which it puts on the stack. done means that there are no more.
func (w *snapshotWalk) step(d *walkedDir) (done bool, err error) {
	names := make([]walkedName, 0, stepNames)
	err = w.fs.Readdir(&walkCred, nil, d.handle, d.cookie, false, func(e *DirEntry) bool {
		if n := string(e.Name); n != "." && n != ".." {
			names = append(names, walkedName{n, e.Cookie})
		}
		return len(names) < stepNames
	})
	if err != nil {
		return true, w.found("", err)
	}
	for _, n := range names {
		d.cookie = n.cookie
		attr, err := w.fs.Lookup(&walkCred, nil, d.handle, []byte(n.name))
		if err != nil {
			if err := w.found(n.name, err); err != nil {
				return false, err
			}
			continue
		}
		if attr.Type == TypeDir {
			w.stack = append(w.stack, walkedDir{handle: attr.Handle, name: n.name})
			return false, nil
		}
		if err := w.found(n.name, w.file(&attr)); err != nil {
			return false, err
		}
	}
	return len(names) < stepNames, nil
}

// path is the path of a name in the directory that is being read.
func (w *snapshotWalk) path(name string) string {
	parts := []string{name}
	size := len(name)
	for i := len(w.stack) - 1; i > 0; i-- {
		if size += len(w.stack[i].name) + 1; size >= snapshotPathMax {
			return ".../" + strings.Join(parts, "/")
		}
		parts = slices.Insert(parts, 0, w.stack[i].name)
	}
	return "/" + strings.Join(parts, "/")
}

// found notes what reading a name of the directory that is being read, or that itself if there is none, said. It returns what ends the walk.
func (w *snapshotWalk) found(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case errors.Is(err, ErrStale), errors.Is(err, ErrClosed):
		return err
	case len(w.r.Findings) == snapshotFindingsMax:
		w.r.Suppressed++
	default:
		w.r.Findings = append(w.r.Findings, SnapshotFinding{w.path(name), err.Error()})
	}
	return nil
}

// file reads what a file has: its extended attributes, and its data or its target.
func (w *snapshotWalk) file(a *Attr) error {
	names, err := w.fs.ListXattr(&walkCred, nil, a.Handle)
	for i := 0; i < len(names) && err == nil; i++ {
		_, err = w.fs.GetXattr(&walkCred, nil, a.Handle, names[i])
	}
	switch {
	case a.Type == TypeSymlink:
		w.r.Others++
		_, lerr := w.fs.Readlink(nil, a.Handle)
		return errors.Join(err, lerr)
	case a.Type == TypeRegular:
		w.r.Files++
		return errors.Join(err, w.data(a))
	}
	w.r.Others++
	return err
}

// data reads the data of a file, without its holes.
func (w *snapshotWalk) data(a *Attr) error {
	off := uint64(0)
	for {
		at, err := w.fs.SeekData(&walkCred, nil, a.Handle, off)
		if errors.Is(err, ErrNoData) {
			return nil
		}
		if err != nil {
			return err
		}
		n, eof, err := w.fs.Read(&walkCred, nil, a.Handle, w.buf, at)
		switch {
		case err != nil:
			return err
		case eof:
			return w.pace(n)
		case n == 0:
			return fmt.Errorf("%w at byte %d", ErrIO, at)
		}
		if err := w.pace(n); err != nil {
			return err
		}
		off = at + uint64(n)
	}
}

// pace counts bytes, and waits until so many may have been read.
func (w *snapshotWalk) pace(n int) error {
	w.r.Bytes += uint64(n)
	if w.o.Progress != nil {
		w.o.Progress(int64(w.r.Bytes), max(w.total, int64(w.r.Bytes)))
	}
	if w.o.Rate <= 0 {
		return w.ctx.Err()
	}
	due := w.began.Add(time.Duration(float64(w.r.Bytes) / float64(w.o.Rate) * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}
