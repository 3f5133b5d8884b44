package check

import (
	"bytes"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// attributes is the walk of the extended attributes of one inode.
type attributes struct {
	c      *checker
	ino    uint64
	k0, k1 uint64
	blocks uint64 // of values
	base   uint64
	same   [][]byte
	bad    bool
	lists  lists
}

// xattrs checks the extended attributes of an inode. It returns how many blocks they take.
func (c *checker) xattrs(in layout.Inode, ino uint64, off int64) (owned uint64, whole bool) {
	// The halves of the key are swapped, so that a name hashes differently as a file and as an attribute.
	a := attributes{c: c, ino: ino, k0: layout.Word(c.sb.HashKey[8:]), k1: layout.Word(c.sb.HashKey[:8])}
	root, height := in.XattrRoot()
	if height == 0 {
		c.vetLists(in, ino, off, &a.lists)
		return 0, true
	}
	t := tree{c: c, kind: layout.TreeXattr, ino: ino, part: ownsAttrNode, birth: in.BirthEpoch(), leaf: a.leaf}
	t.walk(root, height, off)
	owned, whole = t.finish()+a.blocks, !t.broken && !a.bad
	if !whole {
		c.lost = true
		return owned, whole
	}
	c.vetLists(in, ino, off, &a.lists)
	return owned, whole
}

// values checks the key-value store of servers: the attributes of an inode that is otherwise empty.
func (c *checker) values() {
	const ino = layout.ValuesIno
	if !c.good.has(ino) {
		return
	}
	in, off := c.slot(ino)
	owned, whole := c.data(in, ino, off)
	attrs, ok := c.xattrs(in, ino, off)
	if whole && ok {
		c.vetOwned(in, ino, off, owned+attrs)
	}
	if owned != 0 || in.Size() != 0 {
		c.fault(StateData, off, inodeName(ino), "no data", fmt.Sprintf("size %d, %d blocks", in.Size(), owned))
	}
}

func (a *attributes) name(name []byte) string {
	return fmt.Sprintf("attribute %q of inode %d", name, a.ino)
}

func (a *attributes) leaf(n layout.Node, off int64) {
	for i := range n.Count() {
		a.c.report.Xattrs++
		x, ok := layout.DecodeXattr(n.Payload(i))
		if !ok {
			a.bad = true
			a.c.fault(AttrRecord, off, fmt.Sprintf("attribute %#x of inode %d", n.Key(i), a.ino), "a well-formed attribute", fmt.Sprintf("%d bytes", len(n.Payload(i))))
			continue
		}
		if x.Flags&^layout.XattrBorn != 0 {
			a.c.fault(AttrRecord, off, a.name(x.Name), "only known flags", fmt.Sprint(x.Flags))
		}
		a.vetName(n.Key(i), x.Name, off)
		a.c.vetBirth(a.ino, attrBirth(&x), n.Birth(), AttrBirth, off, func() string { return a.name(x.Name) })
		a.lists.take(&x, off)
		if !a.claim(&x, off) || a.c.quiet {
			continue
		}
		if sum := a.c.valueSum(&x); sum != x.CRC {
			a.c.fault(AttrValue, off, a.name(x.Name), fmt.Sprintf("a value with checksum %#x", x.CRC), fmt.Sprintf("checksum %#x", sum))
		}
	}
}

// vetName checks a name as a directory's are.
func (a *attributes) vetName(key uint64, name []byte, off int64) {
	if bytes.IndexByte(name, 0) >= 0 {
		a.c.fault(AttrName, off, a.name(name), "a legal name", "one with NUL")
	}
	base := layout.KeyBase(sip(a.k0, a.k1, name))
	if key < base || key > layout.KeyLast(base) {
		a.c.fault(AttrKey, off, a.name(name), fmt.Sprintf("a key from %#x to %#x", base, layout.KeyLast(base)), fmt.Sprintf("%#x", key))
		return
	}
	if base != a.base {
		a.base, a.same = base, a.same[:0]
	}
	for _, other := range a.same {
		if bytes.Equal(other, name) {
			a.c.fault(AttrTwice, off, a.name(name), "every name once", fmt.Sprintf("again under key %#x", key))
			return
		}
	}
	a.same = append(a.same, name)
}

// claim claims the blocks of a value. It returns false when the value is not to be read.
func (a *attributes) claim(x *layout.Xattr, off int64) bool {
	if len(x.Blocks) == 0 && x.Size > layout.XattrInlineMax {
		a.c.fault(AttrInline, off, a.name(x.Name), fmt.Sprintf("a value in blocks: it has more than %d bytes", layout.XattrInlineMax), "one in place")
	}
	fresh := true
	for _, b := range x.Blocks {
		if b == 0 || b >= a.c.sb.Blocks {
			fresh, a.bad = false, true
			a.c.fault(AttrBlock, off, a.name(x.Name), fmt.Sprintf("a value in blocks 1 to %d", a.c.sb.Blocks-1), fmt.Sprintf("block %d", b))
			continue
		}
		a.blocks++
		fresh = a.c.claim(b, 1, owner{ino: a.ino, part: ownsAttr}) && fresh
	}
	return fresh
}

// valueSum returns the checksum of a value.
func (c *checker) valueSum(x *layout.Xattr) uint32 {
	if len(x.Blocks) == 0 {
		return layout.CRC(x.Value)
	}
	sum, rest := uint32(0), int(x.Size)
	for _, b := range x.Blocks {
		n := min(rest, layout.BlockSize)
		sum = layout.CRCUpdate(sum, c.block(b)[:n])
		rest -= n
	}
	return sum
}
