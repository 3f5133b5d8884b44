package layout

import (
	"math"

	"pmemfs/pmemfs/internal/mutation"
)

// An inode is 256 bytes, sealed whenever it is stored.
const (
	InodeSize     = 256 // part of the medium
	inodeMagic    = 0x4e49
	inlineStart   = 160
	InlineSize    = InodeSize - inlineStart // bytes of symlink target or extents kept in the inode
	ExtentSize    = 32                      // bytes of one inline extent
	InlineExtents = InlineSize / ExtentSize
	LinkMax       = math.MaxInt32 // hard links; NFSv3 clients keep them in an int
)

// Offsets of the fields of an inode; part of the medium. SPEC.md says what is in them, and TestSpecInode holds the two together.
const (
	offMagic       = 4   // u16
	offMode        = 6   // u16: S_IFMT and 07777
	offIno         = 8   // u64
	offGen         = 16  // u64
	offUID         = 24  // u32
	offGID         = 28  // u32
	offNlink       = 32  // u32
	offFlags       = 36  // u32
	offSize        = 40  // u64; entries, for a directory
	offBlocks      = 48  // u64
	offChange      = 56  // u64
	offAtime       = 64  // i64, like all times in ns since 1970
	offMtime       = 72  // i64
	offCtime       = 80  // i64
	offBtime       = 88  // i64
	offParent      = 96  // u64; directories
	offMajor       = 104 // u32
	offMinor       = 108 // u32
	offVerifier    = 112 // u64; of an exclusive create
	offBirth       = 120 // u64; birth epoch
	offProject     = 128 // u32; zero without quotas
	offDataHeight  = 132 // u8
	offXattrHeight = 133 // u8
	offInlineCount = 134 // u16; inline extents
	offDataRoot    = 136 // u64
	offXattrRoot   = 144 // u64
	offReserved    = 152 // u64; zero
)

// Inode numbers with a fixed meaning.
const (
	InodeFileIno = 1  // the file that holds all inodes
	OrphanIno    = 2  // index of inodes whose blocks are still to be freed
	BadBlocksIno = 3  // bad blocks that nobody uses; zeros while there are none
	ValuesIno    = 6  // its attributes are the key-value store of servers; zeros while there are none
	RootIno      = 16 // the root directory
	RootGen      = 1  // its generation: it is never freed
)

// Inode flags.
const (
	FlagInlineTarget = 1 << 0 // symlink: the target is in the inline area
	FlagVerifier     = 1 << 1 // made by an exclusive create: the verifier counts
	FlagACL          = 1 << 2 // there is an access control list, in the attribute ACLAccess
	FlagDefaultACL   = 1 << 3 // directory: there is a default one, in the attribute ACLDefault
)

// Inode is a view of the 256 bytes of an inode, on the medium or in a shadow of it.
type Inode []byte

// InitInode clears in and gives it its identity.
func InitInode(in Inode, ino, gen uint64) {
	clear(in[:InodeSize])
	le.PutUint16(in[offMagic:], inodeMagic)
	le.PutUint64(in[offIno:], ino)
	le.PutUint64(in[offGen:], gen)
}

// Seal stores the checksum.
func (in Inode) Seal() { seal(in[:InodeSize]) }

// Sealed reports whether checksum, magic and number are right.
func (in Inode) Sealed(ino uint64) bool {
	return le.Uint16(in[offMagic:]) == inodeMagic && in.Ino() == ino &&
		(sealed(in[:InodeSize]) || mutation.InodeSeal.Off())
}

// Free reports whether the slot holds no file.
func (in Inode) Free() bool { return in.Mode() == 0 }

// Mode returns type and permission bits.
func (in Inode) Mode() uint16 { return le.Uint16(in[offMode:]) }

// SetMode sets type and permission bits.
func (in Inode) SetMode(v uint16) { le.PutUint16(in[offMode:], v) }

// IsDir reports whether the inode is a directory.
func (in Inode) IsDir() bool { return in.Mode()&ModeType == ModeDir }

// Ino returns the inode number.
func (in Inode) Ino() uint64 { return le.Uint64(in[offIno:]) }

// Gen returns the generation: unique among all inodes that ever had the number.
func (in Inode) Gen() uint64 { return le.Uint64(in[offGen:]) }

// UID returns the owner.
func (in Inode) UID() uint32 { return le.Uint32(in[offUID:]) }

// SetUID sets the owner.
func (in Inode) SetUID(v uint32) { le.PutUint32(in[offUID:], v) }

// GID returns the group.
func (in Inode) GID() uint32 { return le.Uint32(in[offGID:]) }

// SetGID sets the group.
func (in Inode) SetGID(v uint32) { le.PutUint32(in[offGID:], v) }

// Nlink returns the number of names; 2 plus subdirectories for a directory.
func (in Inode) Nlink() uint32 { return le.Uint32(in[offNlink:]) }

// SetNlink sets the number of names.
func (in Inode) SetNlink(v uint32) { le.PutUint32(in[offNlink:], v) }

// Flags returns the flag bits.
func (in Inode) Flags() uint32 { return le.Uint32(in[offFlags:]) }

// SetFlags sets the flag bits.
func (in Inode) SetFlags(v uint32) { le.PutUint32(in[offFlags:], v) }

// Size returns bytes of a file or target, entries of a directory.
func (in Inode) Size() uint64 { return le.Uint64(in[offSize:]) }

// SetSize sets the size.
func (in Inode) SetSize(v uint64) { le.PutUint64(in[offSize:], v) }

// Blocks returns all blocks that the inode owns, tree nodes included.
func (in Inode) Blocks() uint64 { return le.Uint64(in[offBlocks:]) }

// AddBlocks adds n, which may be negative.
func (in Inode) AddBlocks(n int64) { le.PutUint64(in[offBlocks:], in.Blocks()+uint64(n)) }

// Change returns the change counter.
func (in Inode) Change() uint64 { return le.Uint64(in[offChange:]) }

// BumpChange adds one to the change counter.
func (in Inode) BumpChange() { in.AddChange(1) }

// AddChange adds n to the change counter.
func (in Inode) AddChange(n uint64) { le.PutUint64(in[offChange:], in.Change()+n) }

// Atime returns the access time, ns since 1970.
func (in Inode) Atime() int64 { return int64(le.Uint64(in[offAtime:])) }

// SetAtime sets the access time.
func (in Inode) SetAtime(v int64) { le.PutUint64(in[offAtime:], uint64(v)) }

// Mtime returns the modification time.
func (in Inode) Mtime() int64 { return int64(le.Uint64(in[offMtime:])) }

// SetMtime sets the modification time.
func (in Inode) SetMtime(v int64) { le.PutUint64(in[offMtime:], uint64(v)) }

// Ctime returns the change time.
func (in Inode) Ctime() int64 { return int64(le.Uint64(in[offCtime:])) }

// SetCtime sets the change time.
func (in Inode) SetCtime(v int64) { le.PutUint64(in[offCtime:], uint64(v)) }

// Btime returns the birth time.
func (in Inode) Btime() int64 { return int64(le.Uint64(in[offBtime:])) }

// SetBtime sets the birth time.
func (in Inode) SetBtime(v int64) { le.PutUint64(in[offBtime:], uint64(v)) }

// Parent returns the inode number of a directory's parent.
func (in Inode) Parent() uint64 { return le.Uint64(in[offParent:]) }

// SetParent sets a directory's parent.
func (in Inode) SetParent(v uint64) { le.PutUint64(in[offParent:], v) }

// Rdev returns the device numbers of a device node.
func (in Inode) Rdev() (major, minor uint32) {
	return le.Uint32(in[offMajor:]), le.Uint32(in[offMinor:])
}

// SetRdev sets the device numbers.
func (in Inode) SetRdev(major, minor uint32) {
	le.PutUint32(in[offMajor:], major)
	le.PutUint32(in[offMinor:], minor)
}

// Verifier returns the verifier of an exclusive create (RFC 1813 section 3.3.8), 0 for none.
func (in Inode) Verifier() uint64 { return le.Uint64(in[offVerifier:]) }

// SetVerifier sets the verifier.
func (in Inode) SetVerifier(v uint64) { le.PutUint64(in[offVerifier:], v) }

// BirthEpoch returns the snapshot epoch in which the inode was made.
func (in Inode) BirthEpoch() uint64 { return le.Uint64(in[offBirth:]) }

// SetBirthEpoch sets the snapshot epoch.
func (in Inode) SetBirthEpoch(v uint64) { le.PutUint64(in[offBirth:], v) }

// DataRoot returns the root node of the directory or extent tree; height 0 means that there is none.
func (in Inode) DataRoot() (block uint64, height uint8) {
	return le.Uint64(in[offDataRoot:]), in[offDataHeight]
}

// SetDataRoot sets the root of the directory or extent tree.
func (in Inode) SetDataRoot(block uint64, height uint8) {
	le.PutUint64(in[offDataRoot:], block)
	in[offDataHeight] = height
}

// XattrRoot returns the root node of the extended attribute tree; height 0 means that there is none.
func (in Inode) XattrRoot() (block uint64, height uint8) {
	return le.Uint64(in[offXattrRoot:]), in[offXattrHeight]
}

// SetXattrRoot sets the root of the extended attribute tree.
func (in Inode) SetXattrRoot(block uint64, height uint8) {
	le.PutUint64(in[offXattrRoot:], block)
	in[offXattrHeight] = height
}

// Snap returns the epoch of the snapshot that a copy of an inode in memory is from, 0 for none. On the medium it is zero.
func (in Inode) Snap() uint32 { return le.Uint32(in[offReserved:]) }

// SetSnap sets the epoch of the snapshot that a copy of an inode is from.
func (in Inode) SetSnap(v uint32) { le.PutUint32(in[offReserved:], v) }

// Inline returns the inline area.
func (in Inode) Inline() []byte { return in[inlineStart:InodeSize] }

// InlineCount returns how many extents the inline area holds.
func (in Inode) InlineCount() int { return int(le.Uint16(in[offInlineCount:])) }

// SetInlineCount sets how many extents the inline area holds.
func (in Inode) SetInlineCount(n int) { le.PutUint16(in[offInlineCount:], uint16(n)) }

// InlineExtent decodes inline extent i.
func (in Inode) InlineExtent(i int) Extent {
	b := in[inlineStart+i*ExtentSize:]
	return DecodeExtent(le.Uint64(b), b[8:ExtentSize])
}

// SetInlineExtent encodes e as inline extent i.
func (in Inode) SetInlineExtent(i int, e Extent) {
	b := in[inlineStart+i*ExtentSize:]
	le.PutUint64(b, e.Logical)
	EncodeExtent(b[8:ExtentSize], e)
}

// The inline area is a whole number of extents, and the slots fill a block.
var (
	_ [InlineSize % ExtentSize]byte = [0]byte{}
	_ [BlockSize % InodeSize]byte   = [0]byte{}
)

// Unused reports whether the slot has never held an inode since its block became part of the inode file.
func (in Inode) Unused() bool { return le.Uint16(in[offMagic:]) == 0 && in.Ino() == 0 }
