package pmemfs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/badblocks"
	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// MediaErrors counts what bad memory, and the host of the image, have done to an open filesystem.
type MediaErrors struct {
	Data      uint64 `json:"data"`       // refused accesses to file data or attribute values, since Open
	Metadata  uint64 `json:"metadata"`   // refused accesses to anything else, since Open
	Sums      uint64 `json:"checksums"`  // calls that met file data with a wrong checksum, since Open
	Host      uint64 `json:"host"`       // accesses that the host of the image could not do, since Open: no space, I/O errors
	Misplaced uint64 `json:"misplaced"`  // looks for the image that did not find it at its path, since Open
	Lost      uint64 `json:"lost"`       // blocks in use whose content is known not to be the truth, and is refused
	Bad       uint64 `json:"bad_blocks"` // blocks on the list of bad blocks, which nobody uses
}

// Limits of what is remembered and logged about bad memory.
const (
	objectsMax  = 4096 // names of blocks
	linesMax    = 20   // log lines in a linesPeriod
	linesPeriod = time.Minute
)

// media is what an open filesystem knows of its bad memory.
type media struct {
	log            *slog.Logger
	data, metadata atomic.Uint64
	sums, host     atomic.Uint64
	misplaced      atomic.Uint64
	place          atomic.Uint32 // pmem.Place at the last look
	listed         atomic.Uint64 // blocks on the list of bad blocks at open
	list           *badblocks.List

	mu       sync.Mutex // leaf
	objects  map[uint64]object
	period   time.Time
	lines    int
	withheld int
}

// mediaError is a fault with the name of what it hit.
type mediaError struct {
	object
	cause error
}

// Error names the object, the image and the offset.
func (e *mediaError) Error() string { return e.name + ": " + e.cause.Error() }

// Unwrap returns the error that was, or wraps, the fault.
func (e *mediaError) Unwrap() error { return e.cause }

// MediaErrors returns the counters of bad memory. The fields need not belong to the same instant.
func (fs *FS) MediaErrors() MediaErrors {
	return MediaErrors{
		Data: fs.media.data.Load(), Metadata: fs.media.metadata.Load(), Sums: fs.media.sums.Load(), Host: fs.media.host.Load(), Misplaced: fs.media.misplaced.Load(),
		Lost: uint64(len(fs.j.LostBlocks())), Bad: fs.media.listed.Load() + fs.a.Retired(),
	}
}

// say logs a line about bad memory, but no more than linesMax in a linesPeriod: a bad device must not fill the log.
func (m *media) say(level slog.Level, text string, args ...any) {
	m.mu.Lock()
	if now := time.Now(); now.Sub(m.period) > linesPeriod {
		m.period, m.lines = now, 0
	}
	m.lines++
	quiet := m.lines > linesMax
	withheld := m.withheld
	if quiet {
		m.withheld++
	} else {
		m.withheld = 0
	}
	m.mu.Unlock()
	if quiet {
		return
	}
	if withheld > 0 {
		args = append(args, "lines_withheld", withheld)
	}
	m.log.Log(context.Background(), level, text, args...)
}

// known returns the object that a block is part of, as seen from an inode, if it has been found before.
func (m *media) known(block, ino uint64) (object, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[block]
	return o, ok && o.ino == ino
}

func (m *media) remember(block uint64, o object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil || len(m.objects) >= objectsMax {
		m.objects = map[uint64]object{}
	}
	m.objects[block] = o
}

// noteFault counts and logs the fault of the medium that err may be, and keeps its block from further use where that can be
// done now. It returns the error with the name of the object. locked says that the caller holds the gate and the stripe of
// ino; else it holds no lock.
func (fs *FS) noteFault(err error, ino uint64, locked bool) error {
	var fault *pmem.FaultError
	var lost *journal.LostError
	var named *mediaError
	switch {
	case errors.As(err, &named):
		return err
	case pmem.HostReason(err) != nil:
		fs.noteHost(err)
		return err
	case errors.As(err, &lost):
		return fs.counted(err, fs.objectAt(lost.Block, ino, locked))
	case !errors.As(err, &fault):
		return err
	}
	block := layout.BlockOf(fault.Off)
	fresh := false
	for b := block; layout.BlockOffset(b) < fault.Off+fault.Len && b < fs.sb.Blocks; b++ {
		fresh = fs.a.Suspect(b) || fresh
		first, n := fs.sb.Sums().Covered(b)
		for i := range n {
			fs.a.Suspect(first + i) // what has no checksum cannot hold data
		}
	}
	if !fresh && errors.Is(err, journal.ErrFailed) {
		return err // what the journal failed of, not another fault
	}
	o := fs.objectAt(block, ino, locked)
	if fresh {
		fs.media.say(slog.LevelError, "memory fault", "object", o.name, "block", block, "offset", fault.Off)
	}
	switch {
	case o.bits != nil:
		o.bits.Distrust(o.group)
	case o.free:
		if err := errors.Join(fs.suspectAround(block), fs.withdraw(block, locked)); err != nil {
			fs.media.say(slog.LevelWarn, "a bad block could not be taken out of the free space", "block", block, "error", err)
		}
	}
	return fs.counted(err, o)
}

// noteHost counts and logs what the host could not do, unless it is what the journal has failed of. It is nobody's bad memory: nothing is kept from
// further use.
func (fs *FS) noteHost(err error) {
	if errors.Is(err, journal.ErrFailed) {
		return
	}
	fs.media.host.Add(1)
	fs.media.say(slog.LevelError, "the host of the image fails: the call is refused, and nothing is lost", "error", err)
}

// counted counts an access to an object that has failed, and names it in the error.
func (fs *FS) counted(err error, o object) error {
	if o.data {
		fs.media.data.Add(1)
	} else {
		fs.media.metadata.Add(1)
	}
	return &mediaError{o, err}
}

// nearby is how many blocks on either side of a bad one are looked at: bad memory comes in clusters.
const nearby = 256

// suspectAround looks for bad blocks in the free space near one.
func (fs *FS) suspectAround(block uint64) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	for b := max(block, nearby) - nearby; b < min(block+nearby, fs.sb.Blocks); b++ {
		if free, err := fs.a.Blocks.Free(b); err == nil && free && fs.a.Faults(b) {
			fs.a.Suspect(b)
		}
	}
	return nil
}

// noteSum counts and logs file data that is not as its checksum says, if err is about that.
func (fs *FS) noteSum(err error) {
	var sum *ChecksumError
	if errors.As(err, &sum) {
		fs.media.sums.Add(1)
		fs.media.say(slog.LevelError, "file data is damaged", "inode", sum.Ino, "at", sum.Off, "block", sum.Block)
	}
}

// withdraw moves a bad block from the free space to the list of bad blocks. Durable on return.
func (fs *FS) withdraw(block uint64, locked bool) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if !locked {
		g, err := fs.enter(block)
		if err != nil {
			return err
		}
		defer g.RUnlock()
	}
	if err := fs.j.Err(); err != nil {
		return err
	}
	op := fs.a.Begin()
	defer op.Done()
	op.Frees = true // the reserve is for keeping the filesystem in order
	ok, err := op.Withdraw(block)
	if err != nil || !ok {
		return err
	}
	return op.Commit()
}

// absorb is told of an error of a write whose gate and stripe the caller holds. It returns true when the write may be tried
// again: the memory of a data block of the file has faulted, or of one that was to become one, and will now be avoided.
func (fs *FS) absorb(errp *error, ino uint64) (again bool) {
	*errp = fs.noteFault(*errp, ino, true)
	var named *mediaError
	return errors.As(*errp, &named) && (named.data || named.free)
}

// elsewhere is told of an error of an attempt that has changed nothing, by one who holds the gate. It returns true, at most
// movesMax times, when memory in the free space has faulted: another attempt will use other blocks.
func (fs *FS) elsewhere(err error, r *retry) bool {
	var fault *pmem.FaultError
	if !errors.As(err, &fault) || fault.Host != nil || r.moves == movesMax || fs.j.Err() != nil {
		return false
	}
	r.moves++
	block := layout.BlockOf(fault.Off)
	var o object
	if fs.unowned(&o, block) != nil || !o.free {
		return false
	}
	fs.noteFault(err, 0, true)
	return true
}

// listBad counts the bad blocks and forgets that those were lost which have been given up since.
func (fs *FS) listBad() error {
	listed := uint64(0)
	err := fs.media.list.Each(func(start, n uint64) error {
		listed += n
		for _, b := range fs.j.LostBlocks() {
			if b >= start && b-start < n {
				fs.j.Found(b)
			}
		}
		return nil
	})
	fs.media.listed.Store(listed)
	return err
}

// openMedia makes the list of bad blocks usable, takes in what the system lists as bad, and logs what is known to be bad.
// Damage of the list itself does not keep anybody from the files.
func (fs *FS) openMedia() error {
	fs.media.list = badblocks.New(fs.a, fs.inodes, &fs.orphanMu)
	fs.a.Retire = fs.media.list.Retire
	err := func() (err error) {
		defer fs.region.Unguard(fs.region.Guard(), &err)
		return fs.listBad()
	}()
	if err != nil {
		if !passable(err) {
			return err
		}
		fs.media.log.Warn("the list of bad blocks cannot be read", "inode", layout.BadBlocksIno, "error", err)
	}
	for _, b := range fs.j.LostBlocks() {
		fs.media.say(slog.LevelError, "a block has lost its content", "object", fs.objectAt(b, 0, false).name, "block", b)
	}
	if fs.readOnly {
		return nil // what is bad is not to be used, and nothing will be
	}
	ranges, err := fs.region.BadRanges()
	if err != nil {
		fs.media.log.Warn("the system may know of more bad blocks", "error", err)
	}
	return fs.takeBad(ranges)
}

// takeBad takes what the system lists as bad out of the free space. What is in use stays where it is, and can be read as far
// as the memory lets it, until it is freed or written over.
func (fs *FS) takeBad(ranges []pmem.Range) error {
	used := 0
	for _, r := range ranges {
		end := min(layout.BlocksFor(uint64(r.Off+r.Len)), fs.sb.Blocks)
		for b := layout.BlockOf(r.Off); b < end; b++ {
			if !fs.a.Suspect(b) {
				continue
			}
			var o object
			err := fs.unowned(&o, b)
			if fixed, ok := fs.fixedObject(b); ok {
				fs.media.say(slog.LevelError, "the system lists memory as bad that is in use", "object", fixed.name, "block", b)
				used++
			} else if err == nil && o.free {
				err = fs.withdraw(b, false)
			}
			if err != nil && !passable(err) && !errors.Is(err, alloc.ErrNoSpace) {
				return err
			}
		}
	}
	if len(ranges) > 0 {
		fs.media.log.Warn("the system lists bad memory", "ranges", len(ranges), "metadata_blocks", used, "bad_blocks", fs.MediaErrors().Bad)
	}
	return nil
}

// passable reports whether an error is the damage of one object, with which others can be used.
func passable(err error) bool {
	var fault *pmem.FaultError
	return errors.Is(err, layout.ErrDamaged) || errors.As(err, &fault)
}

// healSuperblock writes the first superblock again, from the copy, when it was the copy that this filesystem was opened
// with. Memory that cannot be written stays as it is: the copy does for the next open too.
func (fs *FS) healSuperblock(why error) {
	if why == nil {
		return
	}
	err := func() (err error) {
		defer fs.region.Unguard(fs.region.Guard(), &err)
		off := layout.BlockOffset(fs.sb.Backup)
		b := make([]byte, layout.BlockSize)
		copy(b, fs.region.Bytes()[off:])
		fs.region.Write(layout.BlockOffset(layout.SuperBlock), b)
		return fs.region.Persist(siteHeal, []pmem.Range{{Off: layout.BlockOffset(layout.SuperBlock), Len: layout.BlockSize}})
	}()
	fs.media.log.Warn("the superblock is damaged, its copy is used", "error", why, "rewritten", err == nil)
	if err != nil {
		fs.media.log.Warn("the superblock cannot be written", "error", err)
	}
}

var siteHeal = pmem.NewSite("pmemfs: superblock written again")
