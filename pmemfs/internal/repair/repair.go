// Package repair turns a damaged image into one in which the check finds nothing.
//
// It works in two steps. Plan reads the image and makes, in memory, the blocks that are to be changed; it writes nothing,
// and what it makes can be checked before anything is stored. Commit stores them. REPAIR.md has the rule for each class
// of fault.
//
// # Order of work
//
// Superblock; journal window; inode file; table of snapshots; inode slots; what snapshots hold; tree nodes; a scan for leaves that trees have lost; attributes;
// extents; names; what has no name; trees that have to be made anew; link counts, sizes and parents; the orphan index;
// accounts of quotas; what snapshots hold, anew if need be; bitmaps and counters. What is certain comes first, and what is derived from it last: bitmaps and counters are made
// from what is owned, never believed.
//
// # Memory
//
// The blocks that change, some bytes for each inode and directory, a few bits for each block, the records of one tree
// at a time, and what snapshots hold: 280 bytes for each inode and 48 for each run of blocks. Nothing on the medium is believed before it is bounded: no bytes make a repair panic, loop or take more.
//
// # Concurrency and durability
//
// For one goroutine, on an image that nobody else has open. Plan writes nothing. Commit writes in records of the journal,
// so that a power cut leaves each block as it was or as it is to be; a repair that was interrupted can simply be run again.
package repair

import (
	"bytes"
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/check"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// MaxNotes is how many notes a plan keeps; further ones are counted.
const MaxNotes = 2000

// maxCopies bounds the blocks that two files claim and that are copied, and so the memory for them.
const maxCopies = 16384

// ErrUnrepairable is returned when there is nothing to begin with: no usable superblock, or an image that is cut off.
var ErrUnrepairable = errors.New("cannot be repaired")

// Note says what a repair did beyond making things consistent.
type Note struct {
	Object string `json:"object"`
	Text   string `json:"text"`
	Lost   bool   `json:"lost"` // something is gone for good
}

// Plan is what a repair is going to store.
type Plan struct {
	Super   *layout.Superblock
	Blocks  map[uint64][]byte // new content by block number, superblocks and journal heads included
	Head    layout.Head       // the journal's: an empty window, and the counters as they will be
	Notes   []Note
	Skipped int           // notes beyond MaxNotes
	After   *check.Report // what the check finds when the plan is stored

	dropSnapshots bool // there is no room to repair with them

	fresh    map[uint64]bool   // blocks that nothing on the medium refers to
	loose    []pmem.Range      // of the old journal window: what may be in a cache alone
	replayed map[uint64][]byte // blocks as that window leaves them
	version  uint64            // in front of that of the first head to be written
}

// fixer is the making of one plan.
type fixer struct {
	image          check.Image
	sb             *layout.Superblock
	changed        map[uint64][]byte // the blocks of the plan
	probed         bitset
	bad            map[uint64]bool // blocks that cannot be read
	refused        map[uint64]bool // those of them whose memory refused a store
	plan           *Plan
	salt           uint64
	gens           uint64 // generations given out
	plantInodeFile bool   // its extents need a tree
	loose          []pmem.Range
	// stale says that the journal is damaged: a wrong checksum of a node may then only be one that was due.
	stale bool

	snap  *snaps // nil for an image without snapshots
	birth uint64 // epoch of what is made now, and the last that there may be

	file     inodeFile
	owned    bitset   // blocks that something owns
	taken    bitset   // of those, the filesystem's own and the inode file's: none of them is a node of another tree
	released bitset   // once owned: used again only when nothing else is left
	spare    []uint64 // the same as a list
	cursor   uint64   // where the search for free blocks goes on
	copies   int

	good      bitset // inodes in use
	lost      bitset // slots that held an inode and cannot be read
	orphan    bitset // inodes in the orphan index
	noData    bitset // data trees that have to be made anew
	noAttrs   bitset
	attrTrees []planting        // attributes that are to be made anew
	remaps    []*remap          // files whose extents are
	noSize    map[uint64]bool   // sizes that make no sense: to be told from the blocks
	leaves    map[tree][]uint64 // found by the scan
	suspects  []suspect         // directory leaves that cannot be believed
	blocks    []uint64          // owned, by inode
	links     []uint32          // names, by inode

	quota quotas

	homes    map[uint64]home     // where a directory's name is
	atHome   bitset              // directories with a name where they say that they are
	entries  map[uint64][]record // directories that are to be made anew
	names    map[uint64]uint64   // entries, by directory
	subdirs  map[uint64]uint64
	rescue   rescue
	adds     map[uint64][]entry // by directory
	drops    map[uint64]map[uint64]bool
	keysDir  [2]uint64
	keysAttr [2]uint64
}

// rounds bounds how often a plan is looked at again: what one round leaves, because it followed from something that was
// put right after it, the next one sees.
const rounds = 4

// New makes a plan for an image. salt is a random number: of the journal's new epoch, and not to be guessed. The plan's
// After says what it leaves. Errors wrap ErrUnrepairable, layout.ErrNotImage or layout.ErrVersion.
func New(image check.Image, salt uint64) (*Plan, error) {
	p := &Plan{fresh: map[uint64]bool{}}
	for i := range rounds {
		if err := p.round(image, salt); err != nil {
			return nil, err
		}
		image.Changed = p.Blocks
		var err error
		if p.After, err = check.RunImage(image, nil); err != nil {
			return nil, err
		}
		if p.After.Clean() {
			break
		}
		p.dropSnapshots = p.dropSnapshots || i == rounds/2-1 // on a full image there may be no other way
	}
	return p, nil
}

// round repairs the image as the rounds before leave it.
func (p *Plan) round(image check.Image, salt uint64) error {
	f := &fixer{
		image: image, changed: image.Changed, salt: salt, bad: map[uint64]bool{}, refused: map[uint64]bool{}, plan: p,
		probed: newBitset(uint64(len(image.Bytes)) / layout.BlockSize),
	}
	f.image.Changed = nil
	if f.changed == nil {
		f.changed = map[uint64][]byte{}
	}
	if err := f.super(); err != nil {
		return err
	}
	f.window()
	if p.replayed == nil {
		p.version, p.loose = p.Head.Version, f.loose
		p.replayed = make(map[uint64][]byte, len(f.changed))
		for b, c := range f.changed {
			p.replayed[b] = bytes.Clone(c)
		}
	}
	f.birth = f.sb.BirthEpoch
	f.owned, f.released = newBitset(f.sb.Blocks), newBitset(f.sb.Blocks)
	f.claimFixed()
	if err := f.openInodeFile(); err != nil {
		return err
	}
	f.taken = f.owned.clone()
	f.readTable()
	f.slots()
	f.readSnapshots()
	f.trees()
	f.scan()
	f.readOrphans()
	f.readAccounts()
	f.attributes()
	f.extents()
	f.judgeSnapshots()
	f.badBlocks()
	f.plantFiles()
	f.directories()
	f.reconnect()
	f.rebuildDirectories()
	f.orphanIndex()
	f.accounts()
	f.finishInodes()
	f.snapshots()
	f.bitmaps()
	f.finish()
	return nil
}

// note records what a repair did.
func (f *fixer) note(lost bool, object, format string, args ...any) {
	if len(f.plan.Notes) >= MaxNotes {
		f.plan.Skipped++
		return
	}
	f.plan.Notes = append(f.plan.Notes, Note{Object: object, Text: fmt.Sprintf(format, args...), Lost: lost})
}

// lose records what cannot be brought back.
func (f *fixer) lose(object, format string, args ...any) { f.note(true, object, format, args...) }

func inodeName(ino uint64) string { return fmt.Sprintf("inode %d", ino) }

// finish puts superblocks and heads into the plan.
func (f *fixer) finish() {
	for _, b := range []uint64{layout.SuperBlock, f.sb.Backup} {
		want := make([]byte, layout.BlockSize)
		layout.EncodeSuperblock(want, f.sb)
		if string(want) != string(f.block(b)) {
			f.changed[b] = want
		}
	}
	for i := range f.sb.RingBlocks {
		if b := layout.JournalRing + i; f.bad[b] {
			f.fresh(b)
		}
	}
	h := &f.plan.Head
	for range 2 { // both, so that they follow each other
		h.Version++
		b := make([]byte, layout.BlockSize)
		layout.EncodeHead(b, h)
		f.changed[layout.JournalHeadA+h.Version%2] = b
	}
	f.plan.Super, f.plan.Blocks = f.sb, f.changed
}
