package layout

// Extent maps Len blocks of a file, from block Logical, to blocks of the image, from block Phys.
type Extent struct {
	Logical uint64
	Phys    uint64
	Len     uint32
	Flags   uint32
	Birth   uint64 // snapshot epoch in which the blocks were written
}

// ExtentUnwritten marks blocks that are allocated and read as zeros.
const ExtentUnwritten = 1 << 0

// ExtentMaxLen is the longest extent: what fits between two bitmap blocks.
const ExtentMaxLen = GroupBlocks - 1

// ExtentPayload is the size of an extent in a tree, where its key is Logical.
const ExtentPayload = 24

// End returns the first file block after e.
func (e Extent) End() uint64 { return e.Logical + uint64(e.Len) }

// EncodeExtent stores an extent's payload: phys u64, length u32, flags u32, birth u64.
func EncodeExtent(b []byte, e Extent) {
	_ = b[23]
	le.PutUint64(b, e.Phys)
	le.PutUint32(b[8:], e.Len)
	le.PutUint32(b[12:], e.Flags)
	le.PutUint64(b[16:], e.Birth)
}

// DecodeExtent reads an extent's payload.
func DecodeExtent(logical uint64, b []byte) Extent {
	_ = b[23]
	return Extent{logical, le.Uint64(b), le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint64(b[16:])}
}

// Names and directory keys.
const (
	NameMax    = 255 // bytes in a name
	direntHead = 9
	DirentMax  = direntHead + NameMax
)

// HashBits is the width of the name hash in a key; the other 7 of the 63 bits number names whose hashes are equal.
const HashBits = 56

// KeyBase returns the first of the 128 keys that names with this hash may have. It is at least 128: smaller cookies
// are free for "." and "..".
func KeyBase(hash uint64) uint64 {
	h := hash >> (64 - HashBits)
	if h == 0 {
		h = 1
	}
	return h << (63 - HashBits)
}

// KeyLast returns the last of the 128 keys that begin with KeyBase.
func KeyLast(base uint64) uint64 { return base | (1<<(63-HashBits) - 1) }

// EncodeDirent builds a directory entry's payload: ino u64, type u8 (S_IFMT >> 12), name.
func EncodeDirent(b []byte, ino uint64, typ uint8, name []byte) []byte {
	le.PutUint64(b, ino)
	b[8] = typ
	return b[:direntHead+copy(b[direntHead:], name)]
}

// DecodeDirent reads a directory entry's payload. ok is false when it is malformed.
func DecodeDirent(b []byte) (ino uint64, typ uint8, name []byte, ok bool) {
	if len(b) <= direntHead || len(b) > DirentMax {
		return 0, 0, nil, false
	}
	return le.Uint64(b), b[8], b[direntHead:], true
}

// Extended attributes.
const (
	XattrNameMax   = 255
	XattrValueMax  = 64 << 10 // bytes, as on Linux
	XattrInlineMax = 1024     // longer values go to blocks of their own
	xattrHead      = 12
)

// Xattr is the decoded payload of an extended attribute: a value in place, or the blocks that hold it.
type Xattr struct {
	Name   []byte
	Value  []byte // nil when in blocks
	Size   uint32
	CRC    uint32 // of the value
	Flags  byte
	Birth  uint64   // with XattrBorn: snapshot epoch in which Blocks were written
	Blocks []uint64 // each holds the next 4 KiB of the value
}

// XattrBorn says that the birth epoch stands before the block numbers.
const XattrBorn = 1 << 0

// EncodeXattr appends the payload: size u32, crc u32, blocks u16, name length u8, flags u8, name, value or (birth epoch u64 and) block
// numbers.
func EncodeXattr(b []byte, x *Xattr) []byte {
	var h [xattrHead]byte
	le.PutUint32(h[:], x.Size)
	le.PutUint32(h[4:], x.CRC)
	le.PutUint16(h[8:], uint16(len(x.Blocks)))
	h[10], h[11] = byte(len(x.Name)), x.Flags
	b = append(append(b, h[:]...), x.Name...)
	if len(x.Blocks) == 0 {
		return append(b, x.Value...)
	}
	if x.Flags&XattrBorn != 0 {
		b = le.AppendUint64(b, x.Birth)
	}
	for _, n := range x.Blocks {
		b = le.AppendUint64(b, n)
	}
	return b
}

// DecodeXattr reads the payload. ok is false when it is malformed.
func DecodeXattr(b []byte) (x Xattr, ok bool) {
	if len(b) < xattrHead {
		return x, false
	}
	x.Size, x.CRC, x.Flags = le.Uint32(b), le.Uint32(b[4:]), b[11]
	blocks, nameLen := int(le.Uint16(b[8:])), int(b[10])
	rest := b[xattrHead:]
	if nameLen == 0 || len(rest) < nameLen || x.Size > XattrValueMax {
		return x, false
	}
	x.Name, rest = rest[:nameLen], rest[nameLen:]
	if blocks == 0 {
		x.Value = rest
		return x, len(rest) == int(x.Size)
	}
	if x.Flags&XattrBorn != 0 && len(rest) >= 8 {
		x.Birth, rest = le.Uint64(rest), rest[8:]
	}
	if len(rest) != 8*blocks || BlocksFor(uint64(x.Size)) != uint64(blocks) {
		return x, false
	}
	for i := range blocks {
		x.Blocks = append(x.Blocks, le.Uint64(rest[8*i:]))
	}
	return x, true
}

// FirstKey is the smallest key that KeyBase returns.
const FirstKey = 1 << (63 - HashBits)
