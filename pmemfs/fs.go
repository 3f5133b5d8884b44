package pmemfs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/dir"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/kvstore"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/locks"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/quota"
	"pmemfs/pmemfs/internal/recovery"
	"pmemfs/pmemfs/internal/scrub"
	"pmemfs/pmemfs/internal/snapshot"
	"pmemfs/pmemfs/internal/volume"
	"pmemfs/pmemfs/internal/writeback"
)

// Options are the options of Open.
type Options struct {
	Durability Durability
	// Volatile asks for the volatile domain: nothing is flushed or fenced and a power cut loses all.
	Volatile bool
	// Sparse opens an image that has not all of its blocks, or shares some with other files, as it is. Otherwise Open gives it blocks of
	// its own: without them a full disk keeps what is in free space here from being stored.
	Sparse bool
	// Reach is how large the image may become by Grow while it is open, in bytes; 0 for some default. It is address space, which costs nothing.
	Reach int64
	// ReadOnly opens an image for reading, beside others who do, also where it cannot be written. What a replay of the journal would store, and
	// the beginning of an epoch, stay in this process's memory: nothing reaches the image, and the next Open for writing does it again. Every
	// change is ErrReadOnly. Files without a name whose removal was interrupted stay as they are.
	ReadOnly bool
	// Logger is told what Open found and, at most so often, of memory that turns out to be bad; nil for none.
	Logger *slog.Logger
	// NoBackground leaves checkpoints to SyncAll, Close and a full journal.
	NoBackground bool
	// DataChecksums makes OpenMemory format with checksums of data. Open finds in the image whether it has them.
	DataChecksums bool
}

const gateCount = 64

type gate struct {
	critical.RWMutex
	_ [40]byte
}

// FS is an open filesystem.
type FS struct {
	// Each of these locks has a line of the cache: they come first, as an object of many pages begins on one.
	gates   [gateCount]gate
	stripes stripes

	region *pmem.Region
	j      *journal.Journal
	a      *alloc.Allocator
	inodes *inode.Table
	key    dir.Key
	root   Handle

	closed       bool             // guarded by all gates
	noBackground bool             // Options.NoBackground
	readOnly     bool             // Options.ReadOnly
	sparse       bool             // Options.Sparse
	growMu       critical.Mutex   // held by who makes the image larger
	growBroken   bool             // a growth has left something for the next open; of growMu
	renameMu     critical.RWMutex // held to read by who looks up a chain of parents
	orphanMu     critical.Mutex   // held by operations, see alloc.Op.Own

	log   *slog.Logger
	vol   *volume.Volume // the same, as its parts see it
	media *media.Health

	refsMu critical.Mutex
	refs   map[uint64]int // open files by inode number
	open   atomic.Int64   // how many of those there are

	deferred deferredOrphans

	scrubber *scrub.Scrubber
	locks    *locks.Table
	values   *kvstore.Store

	quotas *quota.Quotas // nil while there are none; set under all gates
	walker quotaWalker

	replayed uint64        // records of the journal, at Open
	openTook time.Duration // how long that took

	notes []RequestNote // of the mounts before
	dirty *writeback.Buffers
	snaps *snapshot.Set

	xk0, xk1 uint64 // hash key of extended attributes
}

// Open opens an image for reading and writing: it takes the image's lock, replays the journal, and finishes what a crash
// interrupted. ErrLocked, ErrNotImage or ErrDamaged, wrapped, say why it cannot; a *MissingError that the host has no room for it. The
// image is untouched then, unless what is damaged was found behind a journal that could be replayed.
func Open(path string, o Options) (*FS, error) {
	po := pmem.Options{Durability: pmem.Durability(o.Durability), Reach: o.Reach}
	if o.Volatile {
		po.Domain = pmem.Volatile
	}
	if o.ReadOnly {
		po = pmem.Options{Private: true}
	}
	region, err := pmem.Open(path, po)
	if err != nil {
		return nil, mapOpenErr(path, err)
	}
	fs, err := mount(region, o)
	if err != nil {
		return nil, mapOpenErr(path, errors.Join(err, region.Close()))
	}
	return fs, nil
}

// OpenMemory makes and opens a filesystem in anonymous memory of the given size in bytes, which ends with Close. The
// domain says which flush and fence instructions are used; of the options only NoBackground and DataChecksums count.
//
// Errors: ErrInvalid for a size or a domain that cannot be had here.
func OpenMemory(size int64, d Domain, o Options) (*FS, error) {
	region, err := pmem.NewMemory(size, pmem.Domain(d))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := formatRegion(region, &FormatOptions{Size: size, RootMode: 0o755, DataChecksums: o.DataChecksums}, rand.Reader); err != nil {
		return nil, errors.Join(err, region.Close())
	}
	fs, err := mount(region, Options{NoBackground: o.NoBackground})
	if err != nil {
		return nil, mapOpenErr("memory", errors.Join(err, region.Close()))
	}
	return fs, nil
}

// mount recovers a region and builds the floors on it.
func mount(region *pmem.Region, o Options) (fs *FS, err error) {
	defer region.Unguard(region.Guard(), &err)
	start := time.Now()
	sb, damage, err := recovery.Superblock(region)
	if err != nil {
		return nil, err
	}
	if bad := sb.ROCompat &^ layout.KnownROCompat; bad != 0 && !o.ReadOnly {
		return nil, fmt.Errorf("%w: unknown read-only features %#x", layout.ErrVersion, bad)
	}
	whole := pmem.Missing{}
	if !o.Sparse && !o.ReadOnly {
		if whole, err = makeWhole(region, sb); err != nil {
			return nil, err
		}
	}
	st, err := recovery.Run(region, sb)
	if err != nil {
		return nil, err
	}
	fs = &FS{region: region, noBackground: o.NoBackground, readOnly: o.ReadOnly, sparse: o.Sparse, refs: make(map[uint64]int), locks: locks.New(locks.Limits{})}
	fs.nameLocks()
	fs.log = o.Logger
	if o.Logger == nil {
		fs.log = slog.New(slog.DiscardHandler)
	}
	fs.takeNotes(&st)
	fs.replayed = st.Replayed
	fs.key = dir.Key{K0: layout.Word(sb.HashKey[:8]), K1: layout.Word(sb.HashKey[8:])}
	fs.xk0, fs.xk1 = fs.key.K1, fs.key.K0
	j := journal.New(region, st, journal.Options{NoBackground: o.NoBackground || o.ReadOnly})
	fs.j = j
	fs.vol = fs.volume(sb)
	fs.media = media.New(fs.vol)
	fs.logOpen(whole, damage)
	j.OnFail(func(err error) { fs.log.Error("the filesystem is read-only from now on", "error", err) })
	built := false
	defer func() {
		if !built { // an error or a memory fault: the region is about to be unmapped under the checkpointer
			j.Close()
		}
	}()
	if err := fs.build(st); err != nil {
		return nil, err
	}
	built = true
	fs.openTook = time.Since(start)
	if fs.replayed > 0 {
		fs.log.Info("the image was not closed in order: what its journal says was replayed", "records", fs.replayed)
	}
	fs.log.Info("filesystem open", "domain", region.Domain().String(), "why", region.DomainReason(),
		"durability", region.Durability().String(), "epoch", st.Head.Epoch, "took", fs.openTook.Round(time.Microsecond))
	return fs, nil
}

// volume returns the filesystem as its parts see it, as far as it exists before the journal is searched for allocators and inodes.
func (fs *FS) volume(sb *layout.Superblock) *volume.Volume {
	v := &volume.Volume{
		Region: fs.region, Journal: fs.j, Log: fs.log, ReadOnly: fs.readOnly,
		XattrKey0: fs.xk0, XattrKey1: fs.xk1, OwnMu: &fs.orphanMu,
		Enter: func(ino uint64) (*critical.RWMutex, error) {
			g, err := fs.enter(ino)
			if err != nil {
				return nil, err
			}
			return &g.RWMutex, nil
		},
		Stripe:      func(ino uint64) *critical.Latch { return &fs.stripes.of(ino).Latch },
		AddFeatures: fs.addFeatures,
	}
	v.SuperMu.Name("superblocks", 1)
	v.AccountsMu.Name("accounts of quotas", 1)
	v.SetSuper(sb)
	return v
}

// build makes the allocators and the inode table, and reaps what a crash left behind.
func (fs *FS) build(st journal.State) error {
	fs.a = &alloc.Allocator{J: fs.j, Gone: fs.gone}
	blocks := func(g uint64) (uint64, error) { return layout.BitmapBlock(g), nil }
	fs.a.Blocks = alloc.NewBits(fs.j, layout.KindBlocks, fs.super().Blocks, st.Head.FreeBlocks, blocks)
	table, err := inode.Open(fs.a, fs.super().InodeBoot)
	if err != nil {
		return fmt.Errorf("the inode file: %w", err)
	}
	fs.inodes = table
	fs.vol.Alloc, fs.vol.Inodes = fs.a, table
	fs.values, fs.scrubber = kvstore.New(fs.vol), scrub.New(fs.vol, fs.media)
	fs.dirty = writeback.New(fs.vol, fs.media, !fs.noBackground)
	capacity, err := table.Capacity()
	if err != nil {
		return err
	}
	fs.a.Inodes = alloc.NewBits(fs.j, layout.KindInodes, capacity, capacity-st.Head.UsedInodes, table.GroupBitmap)
	if fs.snaps, err = snapshot.Open(fs.vol); err != nil {
		if err := fs.withoutSnapshots(err); err != nil {
			return err
		}
	}
	fs.scrubber.Snapshots, fs.media.Snapshots = fs.snaps, fs.namePast
	fs.j.OnCheckpoint(fs.a.Blocks.Checkpointed)
	fs.j.OnLost(func(block uint64) {
		fs.media.Say(slog.LevelError, "a store was refused by bad memory: its block has lost its content", "block", block)
	})
	if err := fs.endGrowth(st); err != nil {
		return err
	}
	if err := fs.dirty.OpenVerifier(); err != nil {
		return err
	}
	if err := fs.media.Open(); err != nil {
		return err
	}
	if err := fs.openQuotas(); err != nil {
		return err
	}
	if err := fs.openRoot(); err != nil {
		return err
	}
	if fs.readOnly {
		return fs.vetRollback()
	}
	if err := fs.snaps.Frozen(func() error { return fs.finishRollback(false) }); err != nil {
		return err
	}
	if err := fs.reapAll(false); err != nil {
		return err
	}
	if fs.noBackground {
		fs.snaps.Reap()
	} else {
		fs.snaps.Start()
	}
	fs.trim(false)
	fs.beginQuotaWalks()
	return nil
}

// gone is told of each inode number that was freed, see alloc.Allocator.
func (fs *FS) gone(ino uint64) {
	fs.locks.Forget(ino)
	fs.inodes.Freed(ino)
}

// openRoot finds the root directory's handle. Without its inode files are still found by their handles.
func (fs *FS) openRoot() error {
	fs.root = Handle{Ino: layout.RootIno, Gen: layout.RootGen}
	err := func() (err error) {
		defer fs.region.Unguard(fs.region.Guard(), &err)
		root, err := fs.inodes.View(nil, layout.RootIno)
		if err == nil {
			fs.root.Gen = root.Gen()
		}
		return err
	}()
	var fault *pmem.FaultError
	var lost *journal.LostError
	if errors.As(err, &fault) || errors.As(err, &lost) {
		fs.log.Error("the root directory cannot be read", "error", fs.media.Report(err, layout.RootIno, false))
		return nil
	}
	if err != nil {
		return fmt.Errorf("root directory: %w", err)
	}
	return nil
}

// Close waits for the calls in progress, checkpoints and unmaps. Durable on return; the next Open replays nothing.
// Calls made after it return ErrClosed.
func (fs *FS) Close() error {
	fs.snaps.Stop() // it enters gates
	fs.walker.end()
	for i := range fs.gates {
		fs.gates[i].Lock()
		defer fs.gates[i].Unlock()
	}
	if fs.closed {
		return ErrClosed
	}
	fs.closed = true
	if fs.readOnly {
		fs.j.Close()
		return mapErr(fs.region.Close())
	}
	fs.dirty.End()
	err := fs.dirty.FlushAll()
	fs.j.Close()
	if fs.j.Err() == nil {
		err = errors.Join(err, fs.dirty.MarkClean())
	}
	return mapErr(errors.Join(err, fs.j.CheckpointClean(), fs.region.Close()))
}

// enter begins a call that concerns inode ino. The caller releases the gate when it is done.
func (fs *FS) enter(ino uint64) (*gate, error) {
	g := &fs.gates[ino%gateCount]
	g.RLock()
	if fs.closed {
		g.RUnlock()
		return nil, ErrClosed
	}
	return g, nil
}

// super returns the superblock as it is now. Nobody changes it: another one takes its place.
func (fs *FS) super() *layout.Superblock { return fs.vol.Super() }

// Root returns the handle of the root directory.
func (fs *FS) Root() Handle { return fs.root }

// UUID returns the filesystem's identity, made by Format.
func (fs *FS) UUID() [16]byte { return fs.super().UUID }

// HandleKey returns the image's secret key for protocol handles.
func (fs *FS) HandleKey() [16]byte { return fs.super().HandleKey }

// CheapFence reports whether a change is durable without a system call that waits for the medium. It does not change.
func (fs *FS) CheapFence() bool {
	return fs.region.Domain() != pmem.PageCache || fs.region.Durability() != pmem.Power
}

// Sync makes everything durable that was acknowledged about a file. As every acknowledged change is durable, but for what
// WriteUnstable has buffered, it otherwise only checks the handle and that the medium has not failed.
//
// Errors: those of Commit.
func (fs *FS) Sync(h Handle) (err error) {
	defer fs.finish(&err, h.Ino)
	if err := fs.j.Err(); err != nil && !fs.readOnly {
		return err
	}
	if h.Snap == 0 && fs.dirty.Of(h.Ino) != nil {
		return fs.Commit(nil, h, 0, 0)
	}
	_, err = fs.Getattr(nil, h)
	return err
}

// SyncAll makes durable what WriteUnstable has buffered, tries again to free what could not be freed, and checkpoints: the journal window is empty on return unless calls are
// in progress.
//
// Errors: ErrNoSpace, ErrIO or ErrReadOnly for what could not be flushed or stored; ErrClosed.
func (fs *FS) SyncAll() error {
	ch := change{fs: fs, tries: retry{over: true}} // what could not be flushed is lost, and would not be found again
	return ch.run(func() error {
		if fs.readOnly {
			return nil
		}
		fs.reapAgain()
		return errors.Join(fs.dirty.FlushAll(), fs.j.Checkpoint())
	})
}
