// Package writeback holds unstable data: what was written and answered, and is in memory alone until it is flushed. A file with some is
// dirty, and has a Buffer; Buffers are those of a filesystem, with their bounds, the timer that flushes them, and the write verifier.
//
// # Lock order
//
//	Buffers.markMu            one caller makes the image say that a crash may lose data; before the gate
//	the gate of the caller
//	  the stripe of the file  guards its Buffer: whoever adds to it or flushes it holds the stripe exclusively
//	    the locks of alloc and journal (see there)
//	Buffers.mu                which files are dirty, and the timer; leaf
//
// # Durability
//
// A Buffer is lost in a crash. What Flush and its kin have flushed is durable on return. What cannot be flushed is lost, and then the
// verifier changes.
package writeback

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/quota"
	"pmemfs/pmemfs/internal/volume"
)

// Bounds of what is buffered.
const (
	FileMax  = 32 << 20 // bytes of one file
	TotalMax = 64 << 20 // bytes of all files
	RunsMax  = 2048     // pieces of one file that do not touch
	// WriteMax is the longest write that is buffered, in bytes: a copy of a longer one costs more than the fence that it saves.
	WriteMax = 256 << 10
)

// Buffers are the buffers of all dirty files. Safe for any number of goroutines.
type Buffers struct {
	v          *volume.Volume
	health     *media.Health
	background bool
	// Quotas are charged for what is buffered; nil while there are none. It is set while nobody uses the buffers.
	Quotas *quota.Quotas

	count atomic.Int64 // dirty files
	bytes atomic.Int64 // of all buffers

	mu    critical.Mutex // leaf
	files map[uint64]*Buffer
	timer *time.Timer
	ended bool // no timer begins any more
	early bool // the timer has been set to now

	markMu  critical.Mutex // of MarkUnclean
	gen     atomic.Uint64  // of the write verifier
	unclean atomic.Bool    // the image says that this mount may lose something
}

// New returns the buffers of a volume, none of them in use. background says that old data is flushed by a timer.
func New(v *volume.Volume, health *media.Health, background bool) *Buffers {
	b := &Buffers{v: v, health: health, background: background, files: map[uint64]*Buffer{}}
	b.mu.Name("dirty files", 1)
	b.markMu.Name("mark unclean", 1)
	return b
}

// Dirty reports whether any file is dirty.
func (b *Buffers) Dirty() bool { return b.count.Load() != 0 }

// Bytes returns how many bytes are buffered.
func (b *Buffers) Bytes() int64 { return b.bytes.Load() }

// Of returns the buffer of an inode, nil if it is not dirty. It costs one load while no file is.
func (b *Buffers) Of(ino uint64) *Buffer {
	if b.count.Load() == 0 {
		return nil
	}
	return b.lookup(ino)
}

func (b *Buffers) lookup(ino uint64) *Buffer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.files[ino]
}

// take returns the buffer of an inode, which is not dirty from now on; nil if it was not.
func (b *Buffers) take(ino uint64) *Buffer {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.files[ino]
	if f != nil {
		delete(b.files, ino)
		b.count.Add(-1)
		b.bytes.Add(-f.bytes)
	}
	return f
}

// inos returns the dirty inodes.
func (b *Buffers) inos() (list []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ino := range b.files {
		list = append(list, ino)
	}
	return list
}

// open makes an inode dirty.
func (b *Buffers) open(ino, gen uint64) *Buffer {
	f := &Buffer{ino: ino, gen: gen, since: time.Now()}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files[ino] = f
	b.count.Add(1)
	return f
}

// Write buffers p at byte offset off of the file of in, whose stripe the caller holds exclusively. now is the time of the write, and
// killSetID says that it takes set-id bits away. before and after are filled with the inode as it looks before and after the write. ok is
// false when there is no room for p, and the file has been flushed then. Errors are those of reading the file's map, and quota.ErrExceeded: then
// nothing is buffered. Not durable.
func (b *Buffers) Write(in layout.Inode, p []byte, off uint64, now int64, killSetID bool, before, after layout.Inode) (ok bool, err error) {
	f := b.Of(in.Ino())
	if f != nil && f.gen != in.Gen() {
		b.Drop(f.ino) // of a file that is gone
		f = nil
	}
	more, err := b.demandOf(f, in, off, uint64(len(p)))
	if err != nil {
		return false, err
	}
	if !b.fits(f, in, len(p), more) {
		b.FlushOrLose(in.Ino())
		return false, nil
	}
	if f, err = b.prepay(f, in, more); err != nil {
		return false, err
	}
	f.Overlay(before, in)
	b.bytes.Add(f.add(p, off))
	f.demand = f.plus(more)
	b.reserve(f, in)
	b.flushLater()
	f.now, f.writes, f.killSetID = now, f.writes+1, f.killSetID || killSetID
	f.Overlay(after, in)
	return true, nil
}

// fits reports whether n more bytes of a file, with their demand, are within the bounds, and could be flushed later as far as space goes.
func (b *Buffers) fits(f *Buffer, in layout.Inode, n int, more demand) bool {
	need := more.blocksFor(in)
	if f != nil {
		need = f.plus(more).blocksFor(in) - f.reserved
	}
	if f != nil && (f.bytes+int64(n) > FileMax || len(f.runs) >= RunsMax) {
		return false
	}
	a := b.v.Alloc
	free := a.Blocks.Avail() + a.Blocks.Quarantined() - a.EmergencyReserve() - a.Reserved()
	return b.bytes.Load()+int64(n) <= TotalMax && (need <= 0 || need <= free)
}

// Drop forgets the buffer of an inode, if it has one. Its stripe is held exclusively.
func (b *Buffers) Drop(ino uint64) {
	if f := b.take(ino); f != nil {
		b.v.Alloc.AddReservation(-f.reserved)
		b.Quotas.Refund(&f.paid)
	}
}

// FlushOrLose is Flush for a caller who is about to read or to change the file, and cannot do without that: what cannot be flushed is lost,
// and logged.
func (b *Buffers) FlushOrLose(ino uint64) {
	if err := b.Flush(ino); err != nil {
		b.health.Say(slog.LevelError, "data that was not committed is lost", "inode", ino, "error", err)
	}
}

// FlushFile is FlushOrLose for a caller who holds a gate and no stripe.
func (b *Buffers) FlushFile(ino uint64) {
	s := b.v.Stripe(ino)
	s.Lock()
	defer s.Unlock()
	b.FlushOrLose(ino)
}

// FlushAll flushes every dirty file. The caller holds a gate and no stripe. Durable on return, but for what the error says is lost.
func (b *Buffers) FlushAll() (err error) {
	if !b.Dirty() {
		return nil
	}
	for _, ino := range b.inos() {
		s := b.v.Stripe(ino)
		s.Lock()
		err = errors.Join(err, b.Flush(ino))
		s.Unlock()
	}
	return err
}

// FreeSpace flushes every dirty file, as that may take less space than is reserved for it. What is lost is logged. The caller holds a gate
// and no stripe.
func (b *Buffers) FreeSpace() {
	for _, ino := range b.inos() {
		b.FlushFile(ino)
	}
}
