package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// liveRun is a run of blocks that a live file has.
type liveRun struct{ start, n, birth uint64 }

// liveNode is a sound node of a tree of a live file.
type liveNode struct {
	birth  uint64
	kind   uint8
	level  uint8
	blocks uint64 // that it and all below it take
}

// past is an inode as it was at several times, beside what it is.
type past struct {
	c       *checker
	s       *shard
	ino     uint64
	entries []pastEntry // of the blocks that it had, by block
	nodes   map[uint64]liveNode
	runs    []liveRun // data and attribute values of the live inode, by block
	all     bool      // the live inode could be read, and all of it
	seen    map[uint64]liveNode
	whole   bool // all that the present version refers to could be read
}

// span is when a snapshot had to be made to have something.
type span struct{ birth, until uint64 }

// versions checks an inode as it was, at each time. What several versions or the live inode share is looked at once.
func (c *checker) versions(s *shard, ino uint64, list []pastInode, entries []pastEntry) {
	p := &past{c: c, s: s, ino: ino, entries: entries, all: true, nodes: map[uint64]liveNode{}, seen: map[uint64]liveNode{}}
	p.live(list[len(list)-1])
	whole := true
	for i := range list {
		k := &list[i]
		birth := k.in.BirthEpoch()
		if i > 0 && inOne(c.snap.alive, birth, list[i-1].until) {
			c.fault(KeptInode, k.at, pastName(ino, k.until), fmt.Sprintf("born after epoch %d, until which it was another one", list[i-1].until), fmt.Sprintf("born in %d", birth))
		}
		if inOne(c.snap.alive, birth, k.until) { // else it is being deleted, and may be so in part
			p.version(k)
			whole = whole && p.whole
		}
	}
	for i := range entries {
		if e := &entries[i]; !whole { // nobody knows what refers to it
			e.refer(e.Start, uint64(e.Len))
		}
	}
}

// live finds out what of an inode's blocks the live one has.
func (p *past) live(last pastInode) {
	c := p.c
	if !c.inUse(p.ino) {
		return
	}
	in, off := c.slot(p.ino)
	if !c.good.has(p.ino) {
		p.all = false
		return
	}
	if inOne(c.snap.alive, in.BirthEpoch(), last.until) {
		c.fault(KeptInode, off, inodeName(p.ino), fmt.Sprintf("born after epoch %d, until which it was another one", last.until), fmt.Sprintf("born in %d", in.BirthEpoch()))
	}
	for i := range in.InlineCount() {
		p.liveExtent(in.InlineExtent(i))
	}
	if root, height := in.DataRoot(); height > 0 {
		p.liveNode(root, int(height)-1, dataKind(in))
	}
	if root, height := in.XattrRoot(); height > 0 {
		p.liveNode(root, int(height)-1, layout.TreeXattr)
	}
	slices.SortFunc(p.runs, func(a, b liveRun) int { return cmp.Compare(a.start, b.start) })
}

// dataKind returns the kind of an inode's data tree.
func dataKind(in layout.Inode) uint8 {
	if in.IsDir() {
		return layout.TreeDir
	}
	return layout.TreeExtent
}

func (p *past) liveExtent(e layout.Extent) {
	if e.Phys >= p.c.sb.Blocks || uint64(e.Len) > p.c.sb.Blocks-e.Phys {
		p.all = false
		return
	}
	p.runs = append(p.runs, liveRun{e.Phys, uint64(e.Len), e.Birth})
}

// liveNode notes a node of the live inode and what is below it. Only nodes that the walk of live files has accepted are looked at.
func (p *past) liveNode(block uint64, level int, kind uint8) (blocks uint64) {
	c := p.c
	if !c.snap.nodes.has(block) {
		p.all = false
		return 0
	}
	n := layout.Node(c.block(block))
	if int(n.Level()) != level || n.Kind() != kind || n.Owner() != p.ino {
		p.all = false
		return 0
	}
	blocks = 1
	for i := range n.Count() {
		switch {
		case level > 0:
			blocks += p.liveNode(n.Child(i), level-1, kind)
		case kind == layout.TreeExtent && len(n.Payload(i)) == layout.ExtentPayload:
			e := layout.DecodeExtent(n.Key(i), n.Payload(i))
			p.liveExtent(e)
			blocks += uint64(e.Len)
		case kind == layout.TreeXattr:
			x, ok := layout.DecodeXattr(n.Payload(i))
			p.all = p.all && ok
			for _, b := range x.Blocks {
				p.runs = append(p.runs, liveRun{b, 1, attrBirth(&x)})
			}
			blocks += uint64(len(x.Blocks))
		case kind == layout.TreeExtent:
			p.all = false
		}
	}
	p.nodes[block] = liveNode{n.Birth(), kind, uint8(level), blocks}
	return blocks
}

// attrBirth returns the birth epoch of the blocks of an attribute's value.
func attrBirth(x *layout.Xattr) uint64 {
	if x.Flags&layout.XattrBorn != 0 {
		return x.Birth
	}
	return 1
}

// version checks one.
func (p *past) version(k *pastInode) {
	c, in, name := p.c, k.in, pastName(p.ino, k.until)
	if p.whole = c.vetInode(in, p.ino, k.at, name); !p.whole {
		return
	}
	when := span{in.BirthEpoch(), k.until}
	blocks := uint64(0)
	for i := range in.InlineCount() {
		blocks += p.extent(in.InlineExtent(i), when, k.at)
	}
	if root, height := in.DataRoot(); height > 0 {
		blocks += p.node(root, int(height)-1, dataKind(in), 0, math.MaxUint64, when, k.at)
	}
	if root, height := in.XattrRoot(); height > 0 {
		blocks += p.node(root, int(height)-1, layout.TreeXattr, 0, math.MaxUint64, when, k.at)
	}
	if p.whole && p.all && blocks != in.Blocks() {
		c.fault(KeptInode, k.at, name, fmt.Sprintf("%d blocks, which it has", blocks), fmt.Sprint(in.Blocks()))
	}
}

// missing reports blocks that a version refers to and that are gone or another one's.
func (p *past) missing(start, n uint64, when span, at int64, found string) {
	if !p.all || !p.s.known || !p.c.snap.known {
		return // why is reported already
	}
	p.c.fault(KeptMissing, at, pastName(p.ino, when.until), fmt.Sprintf("%s, of birth epoch %d at most: the live inode's or kept", blockRun(start, n), when.birth), found)
}

// covers reports whether what has an entry of a list is in each snapshot that a version is in.
func (p *past) covers(e *pastEntry, when span) bool {
	s := &p.c.snap
	return s.from(e.Birth) <= s.from(when.birth) && s.upTo(e.until) >= s.upTo(when.until)
}

// entry returns the entry that has a block, or nil.
func (p *past) entry(block uint64) *pastEntry {
	i := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].end() > block })
	if i == len(p.entries) || p.entries[i].Start > block {
		return nil
	}
	return &p.entries[i]
}

// refer notes that a version refers to blocks of an entry.
func (e *pastEntry) refer(start, n uint64) {
	if e.lo == e.hi {
		e.lo, e.hi = start, start+n
	}
	e.lo, e.hi = min(e.lo, start), max(e.hi, start+n)
}

// run checks blocks of data or of an attribute's value that a version refers to, and calls kept with those that only snapshots have.
func (p *past) run(start, n, birth uint64, when span, at int64, kept func(e *pastEntry, start, n uint64)) {
	c := p.c
	if start == 0 || start >= c.sb.Blocks || n > c.sb.Blocks-start {
		p.whole = false
		c.fault(KeptMissing, at, pastName(p.ino, when.until), "blocks of the image", fmt.Sprintf("%d blocks at %d", n, start))
		return
	}
	if c.bornAfter(birth, when.birth) {
		c.fault(KeptMissing, at, pastName(p.ino, when.until), fmt.Sprintf("%s, of birth epoch %d at most", blockRun(start, n), when.birth), fmt.Sprint(birth))
	}
	for end := start + n; start < end; {
		if e := p.entry(start); e != nil {
			part := min(end, e.end()) - start
			if !p.covers(e, when) || e.Flags&layout.KeptMeta != 0 {
				p.missing(start, part, when, at, fmt.Sprintf("kept from epoch %d to %d", e.Birth, e.until))
			}
			e.refer(start, part)
			kept(e, start, part)
			start += part
			continue
		}
		i := sort.Search(len(p.runs), func(i int) bool { return p.runs[i].start+p.runs[i].n > start })
		if i < len(p.runs) && p.runs[i].start <= start {
			r := &p.runs[i]
			part := min(end, r.start+r.n) - start
			if c.bornAfter(r.birth, when.birth) {
				p.missing(start, part, when, at, fmt.Sprintf("the live inode's, of birth epoch %d", r.birth))
			}
			start += part
			continue
		}
		p.missing(start, 1, when, at, "neither")
		start++
		if !p.all || !p.s.known {
			return
		}
	}
}

// firstSince returns the index of the first kept inode of a number that was so at an epoch or later, or what follows.
func firstSince(list []pastInode, ino, epoch uint64) int {
	return sort.Search(len(list), func(i int) bool { return list[i].ino > ino || list[i].ino == ino && list[i].until >= epoch })
}
