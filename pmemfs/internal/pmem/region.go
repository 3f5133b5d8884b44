package pmem

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"pmemfs/pmemfs/internal/critical"
)

// Options says how Open maps an image. The zero value maps it read-write, exclusively, in the detected
// domain, durable across a power cut.
type Options struct {
	ReadOnly   bool       // map for reading only, under a shared lock
	Private    bool       // stores stay in this process's memory and never reach the file; shared lock
	NoLock     bool       // take no lock: for a look at an image in use, whose content may change meanwhile
	Domain     Domain     // 0 detects; Volatile exists only by name; the others by name are for tests
	Durability Durability // Process leaves out system calls in the page-cache domain

	// Reach is how large the region may become by Extend, in bytes: so much of the address space is set aside. 0 is for the default, as
	// far as it can be had; what is asked for can be had, or Open fails.
	Reach int64

	Sysfs string // where sysfs is mounted; empty means /sys
}

// A Region is one mapped image. See the package comment for what may be called concurrently.
type Region struct {
	mem   []byte   // the mapping, and the address space behind it up to the region's reach; nil once closed
	file  *os.File // nil for memory; holds the lock
	path  string
	sysfs string
	size  atomic.Int64 // of what is mapped
	base  uintptr      // address of mem[0], kept past Close for late faults

	domain     Domain
	durability Durability
	reason     string
	readOnly   bool
	named      bool // the file had a name when it was opened
	bypass     bool // copies go past the cache
	bypassMin  int  // from this many bytes on
	byFile     bool // long stores go by write(2): see setByFile
	device     bool // a devdax device
	flags      int  // of mmap(2)

	extend critical.Mutex // who extends
	unmap  func() error
	side   []func() error // unmap what SideWords has mapped
	closed atomic.Bool
	failed atomic.Pointer[error] // first failure of a sync; see the package comment
	hook   atomic.Pointer[func(Failpoint, Range) error]
	rec    atomic.Pointer[recorder]
	also   atomic.Pointer[func() (fences, lines uint64)] // see CountAlso

	poisoned sync.Map     // offsets of pages that Poison makes fault
	poisons  atomic.Int32 // so many

	_     [LineSize]byte // the counters change at every fence: keep them off the lines above
	count counters
}

// Open locks and maps the image at path, which is a regular file or a devdax device. The lock is an
// advisory flock and belongs to the region: exclusive for a region that can be written, shared for
// ReadOnly and Private, none for NoLock; it is never waited for. Nothing is written.
//
// Errors: ErrLocked, ErrFileType, ErrMode, ErrSize, ErrDomain, ErrOptions, or what the system said; all of them
// name the path. On an error nothing stays open.
//
// A private region is in the volatile domain. A private mapping of a devdax device does not exist: the
// kernel refuses it, and Open answers ErrOptions.
func Open(path string, o Options) (*Region, error) {
	r, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, pathless(err))
	}
	return r, nil
}

// pathless strips the operation and path that os puts around an error, so that they appear once.
func pathless(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) && pe == err {
		return pe.Err
	}
	return err
}

func open(path string, o Options) (*Region, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	flag := os.O_RDWR
	if o.ReadOnly || o.Private {
		flag = os.O_RDONLY
	}
	// The type is looked at before the open as well: opening a pipe or a tape has effects.
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() && st.Mode()&os.ModeCharDevice == 0 {
		return nil, ErrFileType
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, errOfMode(st, cmp.Or(o.Sysfs, "/sys"), err)
	}
	r, err := mapFile(f, path, o)
	if err != nil {
		if !errors.Is(err, ErrLocked) {
			err = errors.Join(err, unlockFile(f))
		}
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// check refuses options that contradict each other.
func (o Options) check() error {
	if o.ReadOnly && o.Private {
		return fmt.Errorf("read-only and private: %w", ErrOptions)
	}
	if o.Durability > Process {
		return fmt.Errorf("%s: %w", o.Durability, ErrOptions)
	}
	if o.Domain != 0 {
		return o.Domain.usable()
	}
	return nil
}

// mapFile does Open's work on the open file, which becomes the region's. On an error it stays the caller's.
func mapFile(f *os.File, path string, o Options) (*Region, error) {
	if !o.NoLock {
		if err := lockFile(f, !o.ReadOnly && !o.Private); err != nil {
			return nil, err
		}
	}
	if o.Sysfs == "" {
		o.Sysfs = "/sys"
	}
	g, err := measure(f, o.Sysfs)
	if err != nil {
		return nil, err
	}
	if g.device && o.Private {
		return nil, fmt.Errorf("private mapping of a devdax device: %w", ErrOptions)
	}
	m, err := mapFileAt(f, g.size, o)
	if err != nil {
		return nil, err
	}
	r := newRegion(m.mem, g.size, path)
	r.file, r.unmap, r.readOnly, r.durability, r.sysfs = f, m.unmap, o.ReadOnly, o.Durability, o.Sysfs
	r.device, r.flags = g.device, m.flags
	links, err := r.links()
	if err != nil {
		return nil, errors.Join(err, m.unmap())
	}
	r.named = !g.device && links > 0
	domain, reason := o.Domain, "asked for by name"
	switch {
	case o.Private:
		domain, reason = Volatile, "private mapping: stores stay in this process"
	case domain == 0:
		domain, reason = detect(medium{device: g.device, sync: m.sync, fs: filesystemOf(f), sysfs: o.Sysfs})
	}
	r.setDomain(domain, reason)
	r.setByFile()
	return r, nil
}

// newRegion wraps a mapping of size bytes.
func newRegion(mem []byte, size int64, path string) *Region {
	r := &Region{mem: mem, path: path, base: address(mem), bypassMin: NonTemporalMin}
	r.size.Store(size)
	r.extend.Name("region: growth", 1)
	return r
}

// setDomain decides how stores become durable and why.
func (r *Region) setDomain(d Domain, reason string) {
	r.domain, r.reason = d, reason
	r.bypass = cpuCanBypass && !raceEnabled && (d == CacheFlush || d == EADR)
	switch {
	case d == CacheFlush:
		r.reason += "; flushed with " + flushName()
	case d == PageCache && r.durability == Process:
		r.reason += "; durability process: no msync, a power cut may lose acknowledged changes"
	}
}

// Bytes returns the mapping, for reading only: what is stored through it is neither checked nor counted.
// It is nil after Close, and reading a slice kept past Close faults. Safe for any number of goroutines;
// what is read while somebody else stores may be torn, except aligned 8-byte words.
func (r *Region) Bytes() []byte {
	if r.mem == nil {
		return nil
	}
	return r.mem[:r.size.Load()]
}

// Size returns the size in bytes. Extend alone changes it.
func (r *Region) Size() int64 { return r.size.Load() }

// Reach returns how large the region may become, in bytes. It does not change.
func (r *Region) Reach() int64 { return int64(len(r.mem)) }

// Path returns the path given to Open, or a name in parentheses for memory.
func (r *Region) Path() string { return r.path }

// Domain returns the persistence domain in use.
func (r *Region) Domain() Domain { return r.domain }

// Durability returns what a durable store survives in the page-cache domain.
func (r *Region) Durability() Durability { return r.durability }

// DomainReason says in one line why this domain is in use and what it does not promise.
func (r *Region) DomainReason() string { return r.reason }

// Close unmaps the region and releases its lock. It makes nothing durable: stores that were not persisted
// remain in the page cache or in the CPU's caches, and reach the medium if nothing fails. A second call
// does nothing and returns nil. No other method may be running.
func (r *Region) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	r.mem = nil
	var err error
	if r.unmap != nil {
		err = r.unmap()
	}
	for _, unmap := range r.side {
		err = errors.Join(err, unmap())
	}
	if r.file != nil {
		err = errors.Join(err, unlockFile(r.file), r.file.Close())
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", r.path, err)
	}
	return nil
}
