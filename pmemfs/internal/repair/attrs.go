package repair

import (
	"bytes"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// attributes vets the extended attributes of all inodes, and the key-value store, and claims the blocks of their values.
func (f *fixer) attributes() {
	for ino := uint64(layout.ValuesIno); ino < f.file.limit; ino++ {
		if f.good.has(ino) {
			if in := f.slot(ino); f.noAttrs.has(ino) || hasAttrs(in) || in.Flags()&(layout.FlagACL|layout.FlagDefaultACL) != 0 {
				f.inodeAttributes(in, ino)
			}
		}
	}
}

func hasAttrs(in layout.Inode) bool { _, height := in.XattrRoot(); return height > 0 }

// planting is a tree that is to be made anew when everything is claimed.
type planting struct {
	tree    tree
	records []record
}

// inodeAttributes looks at one inode's attributes; those that are kept are planted anew if that is not all.
func (f *fixer) inodeAttributes(in layout.Inode, ino uint64) {
	t := tree{ino, layout.TreeXattr}
	changed := f.noAttrs.has(ino)
	if changed && !f.lost.has(ino) {
		f.lose(inodeName(ino), "attributes in nodes that cannot be believed, if there were any")
	}
	a := attrs{f: f, ino: ino, in: in}
	f.records(in, t, func(r record) {
		if !a.keep(r) {
			changed = true
		}
	})
	a.finishLists()
	if changed {
		f.spoil(ino)
		f.attrTrees = append(f.attrTrees, planting{t, a.kept.sorted()})
	}
}

// attrs is the vetting of one inode's attributes.
type attrs struct {
	f     *fixer
	ino   uint64
	in    layout.Inode
	kept  hashed
	lists uint32 // flags of the access control lists that are kept
}

func (a *attrs) name(x *layout.Xattr) string {
	return fmt.Sprintf("attribute %q of inode %d", x.Name, a.ino)
}

// keep takes a record in. It returns false when it is not kept as it is.
func (a *attrs) keep(r record) bool {
	f := a.f
	x, ok := layout.DecodeXattr(r.payload)
	switch {
	case !ok:
		f.lose(fmt.Sprintf("attribute %#x of inode %d", r.key, a.ino), "name and value: the record is damaged")
		return false
	case bytes.IndexByte(x.Name, 0) >= 0:
		f.lose(a.name(&x), "it: the name is not legal")
		return false
	case !f.valueOK(&x):
		f.lose(a.name(&x), "its value: it is not what was stored")
		return false
	}
	ok, changed := a.list(&x)
	if !ok {
		return false
	}
	same := x.Flags&^layout.XattrBorn == 0 && !changed
	payload := r.payload
	if birth := attrBirth(&x); birth > f.birth || f.younger(birth, r.birth) {
		x.Birth, same = min(r.birth, f.birth), false
	}
	if len(x.Blocks) == 0 && x.Size > layout.XattrInlineMax {
		a.f.lose(a.name(&x), "its value: it is too long for where it is")
		return false
	}
	if !same {
		x.Flags &= layout.XattrBorn
		payload = layout.EncodeXattr(nil, &x)
	}
	outcome := a.kept.insert(f.keysAttr, x.Name, record{key: r.key, payload: payload})
	if outcome == duplicate {
		f.lose(a.name(&x), "a second value under the same name")
		return false
	}
	for _, b := range x.Blocks {
		f.owned.set(b)
	}
	f.blocks[a.ino] += uint64(len(x.Blocks))
	return same && outcome == asItWas
}

// valueOK reports whether the blocks of a value are nobody else's and the value has its checksum.
func (f *fixer) valueOK(x *layout.Xattr) bool {
	if len(x.Blocks) == 0 {
		return layout.CRC(x.Value) == x.CRC
	}
	sum, rest := uint32(0), int(x.Size)
	for i, b := range x.Blocks {
		if b == 0 || b >= f.sb.Blocks || f.owned.has(b) || !f.readable(b) {
			return false
		}
		for _, other := range x.Blocks[:i] {
			if other == b {
				return false
			}
		}
		n := min(rest, layout.BlockSize)
		sum = layout.CRCUpdate(sum, f.block(b)[:n])
		rest -= n
	}
	return sum == x.CRC
}
