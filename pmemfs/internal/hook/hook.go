// Package hook leads tests of this module past the API of package pmemfs: to filesystems in a region of memory that the test made, and
// to memory that goes bad. Importers of pmemfs must not see either. Package pmemfs fills the variables in when it is initialised.
// As it stands above this package, its types are any here; who calls a hook knows them.
package hook

import (
	"io"

	"pmemfs/pmemfs/internal/pmem"
)

// Hooks into package pmemfs.
var (
	// Format makes an empty filesystem of a region, taking its identity and keys from random: pmemfs.Format. o is a
	// pmemfs.FormatOptions. Durable on return.
	Format func(region *pmem.Region, o any, random io.Reader) error
	// Open opens the filesystem in a region, which stays the caller's: pmemfs.Open. o is a pmemfs.Options, fs a *pmemfs.FS. The domain
	// and the durability are the region's.
	Open func(region *pmem.Region, o any) (fs any, err error)
	// Check checks the image in a region, its data included: pmemfs.Check. r is a *pmemfs.CheckReport.
	Check func(region *pmem.Region) (r any, err error)
	// Repair repairs the image in a region, which nobody else has open: pmemfs.Repair. r is a *pmemfs.RepairReport. What it did is
	// durable on return.
	Repair func(region *pmem.Region) (r any, err error)
	// Poison lets the memory of the block at byte offset off of a file go bad: every access to it faults, as with poisoned memory,
	// until heal is called or the filesystem is closed. fs is a *pmemfs.FS. pmemfs.ErrNoData says that there is no block. Nobody may be
	// using the block meanwhile. Nothing is made durable.
	Poison func(fs any, ino, gen, off uint64) (heal func() error, err error)
)
