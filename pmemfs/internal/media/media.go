// Package media knows what an open filesystem has learned of its bad memory: it counts and logs faults, names the objects that they
// hit, takes bad blocks out of use, and says which calls are worth a retry. It also watches whether the image's path still leads to it.
//
// # Lock order
//
//	the gate and the stripes of the caller
//	  volume.OwnMu           while the trees of the filesystem's own inodes are searched for a block
//	    the locks of alloc and journal (see there)
//	Health.mu                names that were found, and the rate of the log; leaf
//
// Calls with locked set are made under the gate and the stripe of the inode concerned. All others are made without any lock of this
// filesystem. What is withdrawn from the free space is durable on return; nothing else here is kept on the medium.
package media

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/badblocks"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/volume"
)

// Limits of what is remembered and logged.
const (
	objectsMax  = 4096 // names of blocks
	linesMax    = 20   // log lines in a linesPeriod
	linesPeriod = time.Minute
)

// RetriesMax bounds how often one call is retried because memory has faulted.
const RetriesMax = 16

// Health is what an open filesystem knows of its medium. Safe for any number of goroutines.
type Health struct {
	*volume.Volume

	// Snapshots says whose a block is that only snapshots have, and whether it is data; "" for others. The caller holds no lock. It is set
	// before the first use; nil for none.
	Snapshots func(block uint64) (name string, owner uint64, data bool)

	data, metadata atomic.Uint64
	sums, host     atomic.Uint64
	misplaced      atomic.Uint64
	identity       atomic.Uint32 // pmem.Identity at the last look
	listed         atomic.Uint64 // blocks on the list of bad blocks at open
	list           *badblocks.List

	mu       sync.Mutex // leaf
	objects  map[uint64]object
	period   time.Time
	lines    int
	withheld int
}

// Counters counts what bad memory, and the host of the image, have done since the filesystem was opened.
type Counters struct {
	Data      uint64 // refused accesses to file data or attribute values
	Metadata  uint64 // refused accesses to anything else
	Sums      uint64 // calls that met file data with a wrong checksum
	Host      uint64 // accesses that the host of the image could not do: no space, I/O errors
	Misplaced uint64 // looks for the image that did not find it at its path
	Lost      uint64 // blocks in use whose content is known not to be the truth, and is refused
	Bad       uint64 // blocks on the list of bad blocks, which nobody uses
}

// New returns the health of a volume that is being opened. Of the volume it needs the region and the log at once, and the rest before
// the first fault is reported.
func New(v *volume.Volume) *Health { return &Health{Volume: v} }

// Counters returns the counters. They need not belong to the same instant.
func (h *Health) Counters() Counters {
	return Counters{
		Data: h.data.Load(), Metadata: h.metadata.Load(), Sums: h.sums.Load(), Host: h.host.Load(), Misplaced: h.misplaced.Load(),
		Lost: uint64(len(h.Journal.LostBlocks())), Bad: h.listed.Load() + h.Alloc.Retired(),
	}
}

// Say logs a line about bad memory, but no more than linesMax in a linesPeriod: a bad device must not fill the log.
func (h *Health) Say(level slog.Level, text string, args ...any) {
	h.mu.Lock()
	if now := time.Now(); now.Sub(h.period) > linesPeriod {
		h.period, h.lines = now, 0
	}
	h.lines++
	quiet := h.lines > linesMax
	withheld := h.withheld
	if quiet {
		h.withheld++
	} else {
		h.withheld = 0
	}
	h.mu.Unlock()
	if quiet {
		return
	}
	if withheld > 0 {
		args = append(args, "lines_withheld", withheld)
	}
	h.Log.Log(context.Background(), level, text, args...)
}

// known returns the object that a block is part of, as seen from an inode, if it has been found before.
func (h *Health) known(block, ino uint64) (object, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o, ok := h.objects[block]
	return o, ok && o.ino == ino
}

func (h *Health) remember(block uint64, o object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.objects == nil || len(h.objects) >= objectsMax {
		h.objects = map[uint64]object{}
	}
	h.objects[block] = o
}

// Confined reports whether an error is the damage of one object, with which others can be used.
func Confined(err error) bool {
	var fault *pmem.FaultError
	return errors.Is(err, layout.ErrDamaged) || errors.As(err, &fault)
}

// FaultOffset returns where in the image a memory fault was, or off for another error.
func FaultOffset(err error, off int64) int64 {
	var fault *pmem.FaultError
	if errors.As(err, &fault) {
		return fault.Off
	}
	return off
}
