package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/export"
	"pmemfs/server/gonfs"
	"pmemfs/server/handle"
	"pmemfs/server/mount3"
	"pmemfs/server/nfs3"
	"pmemfs/server/nlm"
	"pmemfs/server/peer"
	"pmemfs/server/rpc"
	"pmemfs/server/rquota"
	"pmemfs/server/schedule"
	"pmemfs/server/traffic"
)

// Image is one of the images that a Server serves, with what is of it alone.
type Image struct {
	path      string
	eng       *pmemfs.FS
	exports   *export.Table
	goNFS     *gonfs.Server // nil unless that is the stack
	locks     *nlm.Server   // nil if clients cannot lock files
	peers     *peer.Caller  // of locks
	control   controlSocket
	log       *slog.Logger
	created   bool
	readOnly  bool // the image cannot be written
	unseen    bool // whether the image is still at its path could not be told; of checkIdentity
	scrubs    Scrubbing
	snapshots *schedule.Runner
	traffic   *traffic.Table // of the server
}

// open opens the image, makes it if it is missing, and gives it its exports and schedules. After an error the image is closed.
func (i *Image) open(c *ImageConfig, exports *export.Set) (err error) {
	if i.created, err = ensureImage(c.Path, c.New, exports); err != nil {
		return err
	}
	if err = i.openEngine(c); err != nil {
		return err
	}
	i.warnSparse(c)
	i.snapshots = schedule.NewRunner(i.eng, i.log)
	i.exports = export.NewTable(i.eng)
	i.exports.Count(func(name string) traffic.Export { return i.traffic.Export(i.path, name) })
	i.reschedule(c.Snapshots)
	i.limit(c.Quotas)
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
	return err
}

// warnSparse warns of an image that is served although the disk below may become too full for it.
func (i *Image) warnSparse(c *ImageConfig) {
	if !c.Sparse {
		return
	}
	if info := i.eng.Info(); info.SparseBytes+info.SharedBytes > 0 {
		i.log.Warn("the image lacks blocks on the disk, so writes fail when the disk is full: without --sparse they are allocated at the start",
			"image", c.Path, "sparse_bytes", info.SparseBytes, "shared_bytes", info.SharedBytes)
	}
}

// show begins to serve a set of exports. What has no directory yet is served when that appears. Those it returns.
func (i *Image) show(set *export.Set) (missing []*export.MissingError) {
	missing = i.exports.Store(set)
	for _, m := range missing {
		i.log.Warn("an export has no directory and cannot be mounted until it is made", "export", m.Export, "directory", m.Subtree, "err", m.Err)
	}
	return missing
}

// programs are what is served of the image at the address of NFS.
func (i *Image) programs(c *Config) []rpc.Program {
	mounts := mount3.New(mount3.Config{Engine: i.eng, Exports: i.exports, Handles: handle.New(i.eng), Logger: i.log})
	programs := append(i.lockPrograms(&c.Locking), mounts.Program(), rquota.New(i.eng, i.exports).Program())
	if c.NFSStack == StackGoNFS {
		i.goNFS = gonfs.New(gonfs.Config{Engine: i.eng, Exports: i.exports, Logger: i.log})
		return append(programs, i.goNFS.Program())
	}
	native := nfs3.New(nfs3.Config{Engine: i.eng, Exports: i.exports, Logger: i.log})
	return append(programs, native.Program(), native.ACLProgram())
}

// background does what is done without being asked, until ctx ends: it scrubs, makes and deletes snapshots by the schedules, and watches
// the path.
func (i *Image) background(ctx context.Context, wg *safego.Group) {
	if i.scrubs.Every > 0 {
		wg.Go("scrub", func() { i.scrub(ctx, i.scrubs) })
	}
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
		i.log.Warn("cannot tell whether the image is still at its path", "err", err)
	}
	i.unseen = err != nil
}
