package pmemfs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// The fences of Format.
var (
	siteWipe    = pmem.NewThroughSite("format: end of what was there")
	siteContent = pmem.NewSite("format: bitmaps, inodes and first head")
	siteSuper   = pmem.NewSite("format: superblock")
)

// FormatOptions are the options of Format.
type FormatOptions struct {
	Size     int64 // bytes of a new file, or of a device to use, where 0 means all of it
	Force    bool  // format over whatever is there
	Label    string
	RootUID  uint32
	RootGID  uint32
	RootMode uint32 // permission bits of the root directory; 0 means 0755
	// DataChecksums keeps a CRC32C of each block of file data, verified by every read of it. It takes a part in a thousand
	// of the space; programs that do not know it cannot write to the image.
	DataChecksums bool
	Progress      func(done, total int64) // told of the allocation of blocks, in bytes; nil for none
	// Fill puts the first files into the filesystem; nil for none. When it fails, so does Format. In a new file what it does is durable with
	// all of the image, and costs no fence.
	Fill func(*FS) error
}

// MinSize is the smallest filesystem in bytes.
const MinSize = layout.MinBlocks * layout.BlockSize

// Image regions made by Format, in blocks.
const (
	ringShare       = 64                            // one block in so many is journal
	maxDefaultRing  = (16 << 20) / layout.BlockSize // four times what makes a checkpoint due; recovery reads all of it
	firstInodeBlock = 1 + 16                        // a bitmap and 256 inodes
)

// Format makes an empty filesystem in a new file, whose blocks are really allocated, or on a device. An existing file
// that is not empty is refused without Force (ErrExist), and one that is in use always. A file appears, or is replaced, when the filesystem in it
// is whole and durable: after an error, and when the process is killed meanwhile, everything is as it was, a device excepted. Durable
// on return.
func Format(path string, o FormatOptions) error {
	if len(o.Label) > layout.LabelMax {
		return fmt.Errorf("label of %d bytes: %w: at most %d", len(o.Label), ErrInvalid, layout.LabelMax)
	}
	device, err := vetTarget(path, &o)
	if err != nil {
		return err
	}
	if device {
		if err := formatAt(path, &o); err != nil {
			return mapOpenErr(path, err)
		}
		return o.fill(path, false)
	}
	if o.Size < MinSize {
		return fmt.Errorf("%s: size %d: %w: at least %d bytes are needed", path, o.Size, ErrInvalid, MinSize)
	}
	draft, err := pmem.NewDraft(path, o.Size, pmem.CreateOptions{Force: o.Force, Progress: o.Progress})
	if err != nil {
		return mapOpenErr(path, err)
	}
	if err := formatAt(draft.Path(), &o); err != nil {
		return mapOpenErr(path, errors.Join(err, draft.Discard()))
	}
	if err := o.fill(draft.Path(), true); err != nil {
		return errors.Join(err, draft.Discard())
	}
	return mapOpenErr(path, draft.Publish())
}

// fill has Fill put files into what was made at path. draft says that all of it is made durable afterwards.
func (o *FormatOptions) fill(path string, draft bool) error {
	if o.Fill == nil {
		return nil
	}
	fs, err := Open(path, Options{Volatile: draft, NoBackground: true})
	if err != nil {
		return err
	}
	return errors.Join(o.Fill(fs), fs.Close())
}

// formatAt makes an empty filesystem in what is at path.
func formatAt(path string, o *FormatOptions) error {
	region, err := pmem.Open(path, pmem.Options{})
	if err != nil {
		return err
	}
	return errors.Join(formatRegion(region, o, rand.Reader), region.Close())
}

// vetTarget refuses to format over something that must not be lost, and says whether path is a device.
func vetTarget(path string, o *FormatOptions) (device bool, err error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case st.IsDir():
		return false, fmt.Errorf("%s: %w", path, ErrIsDir)
	}
	device = st.Mode()&os.ModeDevice != 0
	if st.Size() == 0 && !device {
		o.Force = true // an empty file holds nothing to lose
		return false, nil
	}
	region, err := pmem.Open(path, pmem.Options{ReadOnly: true})
	if errors.Is(err, pmem.ErrLocked) {
		return device, mapOpenErr(path, err)
	}
	taken := fmt.Errorf("%s holds other data: %w", path, ErrExist)
	if err == nil {
		if layout.HasMagic(region.Bytes()) {
			taken = fmt.Errorf("%s is already a pmemfs image: %w", path, ErrExist)
		} else if device && allZero(region.Bytes()[:layout.BlockSize]) {
			taken = nil
		}
		if err := region.Close(); err != nil {
			return device, err
		}
	} else if device {
		return device, mapOpenErr(path, err)
	}
	if taken != nil && !o.Force {
		return device, taken
	}
	return device, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// formatRegion writes everything but the superblocks, fences, then writes those.
func formatRegion(region *pmem.Region, o *FormatOptions, random io.Reader) (err error) {
	defer region.Unguard(region.Guard(), &err)
	size := region.Size()
	if o.Size > size {
		return fmt.Errorf("%w: there are %d bytes, and %d are wanted", ErrInvalid, size, o.Size)
	}
	if o.Size > 0 {
		size = o.Size
	}
	blocks := uint64(size) >> layout.BlockShift
	if blocks < layout.MinBlocks {
		return fmt.Errorf("%w: %d bytes are too few, at least %d are needed", ErrInvalid, size, MinSize)
	}
	sb := geometry(blocks, o)
	for _, p := range [][]byte{sb.UUID[:], sb.HandleKey[:], sb.HashKey[:]} {
		if _, err := io.ReadFull(random, p); err != nil {
			return err
		}
	}
	f := formatter{region: region, sb: &sb}
	// An earlier filesystem ends before this one overwrites it: half of each would open. What its journal left in the ring
	// has another salt.
	if _, err := region.ZeroThrough(siteWipe, f.traces()); err != nil {
		return err
	}
	if err := f.ring(); err != nil {
		return err
	}
	f.bitmaps()
	f.inodes(o)
	head := layout.Head{Clean: true, Version: 1, Epoch: 1, TailSeq: 1, FreeBlocks: sb.Blocks - f.used, UsedInodes: layout.RootIno + 1}
	f.head(&head)
	if err := region.Persist(siteContent, f.ranges); err != nil {
		return err
	}
	return f.superblocks()
}

// geometry lays out a medium of so many blocks.
func geometry(blocks uint64, o *FormatOptions) layout.Superblock {
	ring := min(max(blocks/ringShare, layout.MinRingBlocks), maxDefaultRing)
	sb := layout.Superblock{RingBlocks: ring, InodeBoot: layout.JournalRing + ring + 1, Created: now(), Label: o.Label, BirthEpoch: 1}
	if o.DataChecksums {
		sb.ROCompat |= layout.ROCompatSums
		sb.InodeBoot += layout.SumBlocks
	}
	if tail := blocks % layout.GroupBlocks; tail < sb.Sums().TailMin() {
		blocks -= tail // the last group would have no room for what every group begins with and the backup superblock
	}
	sb.Blocks, sb.Backup = blocks, blocks-1
	return sb
}

type formatter struct {
	region *pmem.Region
	sb     *layout.Superblock
	used   uint64
	ranges []pmem.Range
}

// traces returns what makes an earlier filesystem one: its superblocks and heads, wherever Open looks for them, and the bitmaps behind the
// end of this one, by which it would look for backups there.
func (f *formatter) traces() []pmem.Range {
	n := uint64(f.region.Size()) >> layout.BlockShift
	medium := f.region.Bytes()
	read := func(block uint64) []byte { return medium[layout.BlockOffset(block):layout.BlockOffset(block+1)] }
	blocks := []uint64{layout.SuperBlock, layout.JournalHeadA, layout.JournalHeadB}
	for at := range layout.BackupPlaces(n, read) {
		if layout.HasMagic(read(at)) {
			blocks = append(blocks, at)
		}
	}
	for g := layout.GroupCount(f.sb.Blocks); g < layout.GroupCount(n); g++ {
		if at := layout.BitmapBlock(g); layout.BitmapIs(read(at), layout.KindBlocks, g) {
			blocks = append(blocks, at)
		}
	}
	for _, at := range layout.BackupBlocks(f.sb.Blocks) {
		if at < n {
			blocks = append(blocks, at)
		}
	}
	slices.Sort(blocks)
	var ranges []pmem.Range
	for _, at := range slices.Compact(blocks) {
		ranges = append(ranges, pmem.Range{Off: layout.BlockOffset(at), Len: layout.BlockSize})
	}
	return ranges
}

func (f *formatter) store(block uint64, b []byte) {
	off := layout.BlockOffset(block)
	f.region.Write(off, b)
	f.ranges = append(f.ranges, pmem.Range{Off: off, Len: int64(len(b))})
}

// head writes the journal's first head.
func (f *formatter) head(h *layout.Head) {
	b := make([]byte, layout.BlockSize)
	layout.EncodeHead(b, h)
	f.store(layout.JournalHeadA+h.Version%2, b)
}

// ring clears the journal's ring in an ordinary file. Nobody reads what is cleared, but a filesystem notes in its own journal, with a
// wait for the disk, that a block is written for the first time: that would be most of what a small change costs until the ring has
// gone round.
func (f *formatter) ring() error {
	if f.region.Domain() != pmem.PageCache {
		return nil
	}
	f.ranges = append(f.ranges, pmem.Range{Off: f.sb.RingOffset(), Len: f.sb.RingBytes()})
	return f.region.PutZeros(f.sb.RingOffset(), f.sb.RingBytes())
}

// bitmaps writes the bitmap of each group: what lies before the free space, the bitmaps themselves, the last block.
func (f *formatter) bitmaps() {
	fixed := f.sb.InodeBoot - 1 + firstInodeBlock
	b := make([]byte, layout.BlockSize)
	for g := range layout.GroupCount(f.sb.Blocks) {
		layout.InitBitmap(b, layout.KindBlocks, g)
		set := func(from, to uint64) {
			lo, hi := max(from, g*layout.GroupBlocks), min(to, (g+1)*layout.GroupBlocks)
			if lo < hi {
				layout.BitmapSet(b, int(lo-g*layout.GroupBlocks), int(hi-lo))
			}
		}
		set(0, fixed)
		set(layout.BitmapBlock(g), layout.BitmapBlock(g)+1)
		if sums := f.sb.Sums(); sums.On() {
			set(sums.Table(g), sums.Table(g)+layout.SumBlocks)
		}
		set(f.sb.Backup, f.sb.Backup+1)
		layout.Seal(b)
		f.used += uint64(layout.BitmapUsed(b))
		f.store(layout.BitmapBlock(g), b)
	}
}

// inodes writes the first extent of the inode file: its bitmap and the inodes that exist from the start.
func (f *formatter) inodes(o *FormatOptions) {
	start := f.sb.InodeBoot - 1
	b := make([]byte, layout.BlockSize)
	layout.InitBitmap(b, layout.KindInodes, 0)
	layout.BitmapSet(b, 0, layout.RootIno+1)
	layout.Seal(b)
	f.store(start, b)
	clear(b)
	slot := func(ino int) layout.Inode { return b[ino*layout.InodeSize : (ino+1)*layout.InodeSize] }
	for _, ino := range []int{layout.InodeFileIno, layout.OrphanIno} {
		in := slot(ino)
		layout.InitInode(in, uint64(ino), 1)
		in.SetMode(layout.ModeRegular | 0o600)
		in.SetNlink(1)
		in.SetBirthEpoch(1)
	}
	file := slot(layout.InodeFileIno)
	file.SetSize(firstInodeBlock * layout.BlockSize)
	file.AddBlocks(firstInodeBlock)
	file.SetInlineExtent(0, layout.Extent{Phys: start, Len: firstInodeBlock, Birth: 1})
	file.SetInlineCount(1)
	file.Seal()
	slot(layout.OrphanIno).Seal()
	f.store(f.sb.InodeBoot, b)

	clear(b)
	root := slot(0) // inode 16 is the first of the next block
	layout.InitInode(root, layout.RootIno, layout.RootGen)
	mode := o.RootMode
	if mode == 0 {
		mode = 0o755
	}
	root.SetMode(layout.ModeDir | uint16(mode)&layout.ModePerm)
	root.SetNlink(2)
	root.SetUID(o.RootUID)
	root.SetGID(o.RootGID)
	root.SetParent(layout.RootIno)
	root.SetBirthEpoch(1)
	root.SetAtime(f.sb.Created)
	root.SetBtime(f.sb.Created)
	stampModified(root, f.sb.Created)
	root.Seal()
	f.store(f.sb.InodeBoot+1, b)

	clear(b)
	for i := uint64(2); i < firstInodeBlock-1; i++ {
		f.store(f.sb.InodeBoot+i, b)
	}
}

// superblocks makes the image one: the backup first, so that an image with a first superblock has both.
func (f *formatter) superblocks() error {
	b := make([]byte, layout.BlockSize)
	layout.EncodeSuperblock(b, f.sb)
	for _, block := range []uint64{f.sb.Backup, layout.SuperBlock} {
		f.ranges = f.ranges[:0]
		f.store(block, b)
		if err := f.region.Persist(siteSuper, f.ranges); err != nil {
			return err
		}
	}
	return nil
}
