package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"pmemfs/archive"
	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/export"
	"pmemfs/server/gonfs"
	"pmemfs/server/jobs"
	"pmemfs/server/nfs3"
	"pmemfs/server/nlm"
	"pmemfs/server/rpc"
	"pmemfs/server/schedule"
	"pmemfs/server/traffic"
)

// Image is one of the images that a Server serves, with what is of it alone.
type Image struct {
	path      string
	many      bool // there are others
	eng       *pmemfs.FS
	exports   *export.Table
	room      *rpc.Room     // in which calls wait; nil for the only image, if it has no bound
	goNFS     *gonfs.Server // nil unless that is the stack
	locks     *nlm.Server   // nil if clients cannot lock files
	control   controlSocket
	log       *slog.Logger
	created   bool
	readOnly  bool        // the image cannot be written
	looking   atomic.Bool // for the roots of its exports, for a health check
	unseen    bool        // whether the image is still at its path could not be told; of checkIdentity
	scrubs    *scrubPlan
	jobs      *jobs.List // of the server
	snapshots *schedule.Runner
	traffic   *traffic.Table // of the server
	native    *nfs3.Server   // nil for another stack
}

// newImage is an image that is not open yet.
//
// Errors: that there is none, and that a new one would be of no use.
func (s *Server) newImage(c *ImageConfig, exports *export.Set) (*Image, error) {
	i := &Image{path: c.Path, log: s.log, scrubs: newScrubPlan(c.Scrub), jobs: &s.jobs, traffic: s.traffic}
	if len(s.config.Images) > 1 {
		i.log, i.many = s.log.With("image", c.Path), true
	}
	if err := vetNew(c.Path, exports); err != nil {
		return nil, err
	}
	if c.vetImage(exports) {
		i.readOnly, i.scrubs = true, newScrubPlan(Scrubbing{})
		s.log.Warn("the image cannot be written and all exports are read-only: it is served as it is, without locks between NFS clients and without scrubs",
			"image", c.Path)
	}
	return i, nil
}

// open opens the image, makes it if it is missing, and gives it its exports.
func (i *Image) open(c *ImageConfig, exports *export.Set) (err error) {
	if i.created, err = ensureImage(c.Path, c.New); err != nil {
		return err
	}
	if err = i.openEngine(c); err != nil {
		return err
	}
	i.warnSparse(c)
	i.snapshots = schedule.NewRunner(i.eng, i.log)
	i.exports = export.NewTable(i.eng)
	i.exports.Count(func(name string) traffic.Export { return i.traffic.Export(i.path, name) })
	if missing := i.show(exports); len(missing) == len(exports.All()) {
		i.log.Error("no export has a directory: nothing can be mounted until one is made, or the exports are named otherwise")
	}
	return nil
}

// openEngine opens what is at the path.
func (i *Image) openEngine(c *ImageConfig) (err error) {
	i.eng, err = pmemfs.Open(c.Path, pmemfs.Options{
		Durability: c.Durability, Volatile: c.Volatile, Sparse: c.Sparse, ReadOnly: i.readOnly, Logger: i.log})
	var missing *pmemfs.MissingError
	if errors.As(err, &missing) {
		err = fmt.Errorf("%w (--sparse serves it as it is)", err)
	}
	if err != nil || i.readOnly {
		return err
	}
	if err := archive.Sweep(i.eng); err != nil {
		i.log.Warn("a file that pmemfs put has left when it was cut off could not be removed", "error", err)
	}
	return nil
}

// warnSparse warns of an image that is served although the disk below may become too full for it.
func (i *Image) warnSparse(c *ImageConfig) {
	if !c.Sparse {
		return
	}
	if info := i.eng.Info(); info.SparseBytes+info.SharedBytes > 0 {
		i.log.Warn("the image lacks blocks on the disk, so writes fail when the disk is full: without --sparse they are allocated at the start",
			"sparse_bytes", info.SparseBytes, "shared_bytes", info.SharedBytes)
	}
}

// show begins to serve a set of exports. What has no directory yet is served when that appears. Those it returns.
func (i *Image) show(set *export.Set) (missing []*export.MissingError) {
	missing = i.exports.Store(set)
	for _, m := range missing {
		i.log.Warn("an export has no directory and cannot be mounted until it is made", "export", m.Export, "directory", m.Subtree, "error", m.Err)
	}
	return missing
}

// background does what is done without being asked, until ctx ends: it scrubs, makes and deletes snapshots by the schedules, and watches
// the path.
func (i *Image) background(ctx context.Context, wg *safego.Group) {
	wg.Go("scrub", func() { i.scrub(ctx) })
	wg.Go("snapshots", func() { i.snapshots.Run(ctx) })
	wg.Go("image", func() { i.watchIdentity(ctx) })
}

// closePrograms ends what programs have under way, when no call is in progress.
func (i *Image) closePrograms() {
	if i.goNFS != nil {
		i.goNFS.Close()
	}
	if i.locks != nil {
		i.locks.Close()
	}
}

// crowded notes that calls of a client find no place any more, as those before them do not end.
func (i *Image) crowded(client netip.Addr) {
	i.log.Warn("calls for the image wait in vain: its medium is slow, or many use it", "client", client.String())
}

// named says which image an error is of, where there are several.
func (i *Image) named(err error) error {
	if err == nil || !i.many {
		return err
	}
	return fmt.Errorf("%s: %w", i.path, err)
}

// apart makes what one image needs of a server a part of it that ends without ending the others: the log has it.
func (i *Image) apart(what string, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		err := errPanicked // unless it returns
		safego.Run(what, func() { err = f(ctx) })
		if ctx.Err() == nil {
			i.log.Error("a part of the server has ended: files are served without it", "part", what, "error", err)
			<-ctx.Done()
			return nil
		}
		return err
	}
}

// Path is where the image is.
func (i *Image) Path() string { return i.path }

// Info describes the image.
func (i *Image) Info() pmemfs.Info { return i.eng.Info() }

// Created reports whether Open made the image.
func (i *Image) Created() bool { return i.created }

// Exports are what is served of the image.
func (i *Image) Exports() []export.Export { return i.exports.Load().All() }

// identityEvery is how long it takes to notice that an image is no longer at its path.
const identityEvery = 2 * time.Second

// watchIdentity looks until ctx ends whether the path still leads to the image.
func (i *Image) watchIdentity(ctx context.Context) {
	tick := time.NewTicker(identityEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			i.checkIdentity()
		}
	}
}

// checkIdentity looks whether the path still leads to the image, and says once that it cannot tell.
func (i *Image) checkIdentity() {
	err := i.eng.LookForImage()
	if err != nil && !i.unseen {
		i.log.Warn("cannot tell whether the image is still at its path", "error", err)
	}
	i.unseen = err != nil
}
