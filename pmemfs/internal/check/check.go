// Package check examines a whole image and reports every rule of the format that it breaks.
//
// It knows the medium from package layout alone and shares no other code with the writer, so that one mistake is not
// made on both sides: it has its own replay, tree walk, hash and picture of who owns what.
//
// # Order of work
//
// Superblocks, journal window, what a growth has left, block bitmaps, inode file, table of snapshots, bitmaps of inodes, every inode slot, the orphan index, the list of
// bad blocks, then what each inode owns (trees, extents, names, attributes), then what snapshots hold, then what can only be told at the end: link counts,
// reachability, blocks used and not owned, the journal's counters. A second walk, made only when a block has two owners
// or is owned and not marked used, finds out who they are.
//
// # Memory
//
// A few bits for each block of the image, a few bytes for each inode, 48 for each inode that was kept for snapshots and as many for each
// run of blocks in a share of the kept ones, and a copy of each block that the journal window
// changes. Directories and files are streamed. Nothing on the medium is believed before it is bounded: no bytes make the
// check panic, loop or allocate more than that.
//
// # Concurrency and durability
//
// Run is for one goroutine and only reads the medium, which must not change meanwhile. The journal window is replayed
// into copies of the blocks that it names.
package check

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// MaxFaults is how many faults a report keeps; further ones are counted.
const MaxFaults = 2000

// Fault is one broken rule.
type Fault struct {
	Class    Class  `json:"class"`
	Offset   int64  `json:"offset"` // byte in the image where the object is
	Object   string `json:"object"` // as in "inode 17" or "node at block 99 (directory 16)"
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// String returns the fault as one line.
func (f Fault) String() string {
	return fmt.Sprintf("offset %d: %s: expected %s, found %s", f.Offset, f.Object, f.Expected, f.Found)
}

// Report is what a check found. Blocks are of layout.BlockSize bytes.
type Report struct {
	Faults     []Fault `json:"faults"`
	Suppressed int     `json:"suppressed"`        // faults beyond MaxFaults, not kept
	Stopped    string  `json:"stopped,omitempty"` // why the check could not go on to the end; a fault says where

	Inodes          uint64 `json:"inodes"` // in use, the filesystem's own included
	Files           uint64 `json:"files"`
	Dirs            uint64 `json:"dirs"`
	Symlinks        uint64 `json:"symlinks"`
	Others          uint64 `json:"others"` // devices, FIFOs, sockets
	Names           uint64 `json:"names"`
	Xattrs          uint64 `json:"xattrs"`
	Accounts        uint64 `json:"accounts"` // of quotas
	Orphans         uint64 `json:"orphans"`  // nameless or being truncated: the next open finishes them
	Nodes           uint64 `json:"nodes"`    // of all trees
	DataBlocks      uint64 `json:"data_blocks"`
	UsedBlocks      uint64 `json:"used_blocks"` // as the bitmaps say
	BadBlocks       uint64 `json:"bad_blocks"`  // listed as bad: nobody uses them
	LostBlocks      uint64 `json:"lost_blocks"` // in use, and what they hold is not the truth; each is a fault
	TotalBlocks     uint64 `json:"total_blocks"`
	ReplayedRecords uint64 `json:"replayed_records"` // journal records that the next open replays
}

// Clean reports whether no rule is broken.
func (r *Report) Clean() bool { return len(r.Faults) == 0 && r.Suppressed == 0 }

// Run checks an image. progress, if not nil, is told now and then how many of how many steps are done. Errors wrap
// layout.ErrNotImage or layout.ErrVersion: what is there is no image that this program knows. Everything else that is
// wrong is a fault in the report. Where a damaged tree hides who owns what, blocks that seem to be lost and names that
// seem to be missing are not reported: they are not faults of their own.
func Run(medium []byte, progress func(done, total int64)) (*Report, error) {
	return RunImage(Image{Bytes: medium}, progress)
}

// RunImage is Run for an image of which parts cannot be read, or are to be seen otherwise than they are, or whose data is to
// be read too.
func RunImage(image Image, progress func(done, total int64)) (*Report, error) {
	c := &checker{image: image, report: &Report{Faults: []Fault{}}, progress: progress}
	c.probed, c.unreadable = newBitset(uint64(len(image.Bytes))/layout.BlockSize), map[uint64]error{}
	c.told = map[uint64]bool{}
	if ok, err := c.superblocks(); err != nil || !ok {
		return c.report, err
	}
	c.report.TotalBlocks = c.sb.Blocks
	c.changed, c.unsealed = newBitset(c.sb.Blocks), newBitset(c.sb.Blocks)
	c.copies = make(map[uint64][]byte)
	c.window()
	c.afterGrowth()
	c.walk()
	c.usage()
	c.counters()
	c.vetUsed()
	c.nameOwners()
	c.step(c.total - c.done)
	return c.report, nil
}

// checker is one run.
type checker struct {
	image    Image
	sb       *layout.Superblock
	report   *Report
	quiet    bool // second walk: nothing is reported or counted
	progress func(done, total int64)
	done     int64
	total    int64
	nextTell int64

	probed     bitset           // blocks that Probe was asked about
	unreadable map[uint64]error // why those that cannot be read cannot
	told       map[uint64]bool  // those of them that were reported

	head     layout.Head // with the counters as they are after the window
	headOK   bool        // its counters can be compared
	changed  bitset      // blocks that the window changes
	copies   map[uint64][]byte
	unsealed bitset // metadata blocks in the window: their checksums are brought up to date by recovery

	owned     bitset
	questions []question
	asked     *asked

	accounts accounts

	lostBlocks     []uint64        // what the head lists
	badGroups      map[uint64]bool // block groups without a usable bitmap
	file           inodeFile
	snap           snapshots
	birthMax       uint64 // the last birth epoch that there may be
	good           bitset // inodes in use and intact
	orphan         bitset
	links          []uint32 // names found, by inode number
	usedInodes     uint64
	badInodeGroups map[uint64]bool

	lost      bool // a tree could not be walked: what it owns is not known
	lostNames bool // the same of a directory
}

// walk goes through everything that owns blocks. It is made again to find the names of owners.
func (c *checker) walk() {
	c.owned, c.birthMax = newBitset(c.sb.Blocks), layout.EpochMax
	c.claimFixed()
	c.total = int64(2 * layout.GroupCount(c.sb.Blocks))
	c.blockBitmaps()
	if !c.openInodeFile() {
		c.lost, c.lostNames = true, true
		return
	}
	c.total += int64(2 * c.file.blocks)
	c.openSnapshots()
	c.slots()
	c.orphans()
	c.badBlocks()
	c.quotas()
	c.values()
	c.inodes()
	c.shards()
	if !c.quiet {
		c.linkCounts()
	}
}

// fault reports a broken rule.
func (c *checker) fault(class Class, off int64, object, expected, found string) {
	switch {
	case c.quiet, class != Unreadable && c.hidden(off):
	case len(c.report.Faults) < MaxFaults:
		c.report.Faults = append(c.report.Faults, Fault{class, off, object, expected, found})
	default:
		c.report.Suppressed++
	}
}

// stop reports a fault without which nothing further can be checked.
func (c *checker) stop(class Class, off int64, object, expected, found string) {
	c.fault(class, off, object, expected, found)
	if !c.quiet {
		c.report.Stopped = object + " is damaged"
	}
}

// step tells the caller about progress.
func (c *checker) step(n int64) {
	if c.done += n; c.progress == nil || c.quiet {
		return
	}
	if c.done >= c.nextTell || c.done == c.total {
		c.progress(c.done, c.total)
		c.nextTell = c.done + 1024
	}
}

// block returns a block as it is after the window. b is below sb.Blocks.
func (c *checker) block(b uint64) []byte {
	if c.changed.has(b) {
		return c.copies[b]
	}
	return c.raw(b)
}

// sealed reports whether a metadata block's checksum is right, or due to be brought up to date.
func (c *checker) sealed(b uint64) bool { return c.unsealed.has(b) || layout.Sealed(c.block(b)) }
