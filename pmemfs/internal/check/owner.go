package check

import (
	"fmt"
	"sort"

	"pmemfs/pmemfs/internal/layout"
)

// Parts of an inode that own blocks.
const (
	ownsData = iota
	ownsNode
	ownsAttrNode
	ownsAttr
	ownsTable
	ownsKept
)

// owner says what a block belongs to.
type owner struct {
	ino   uint64
	part  uint8
	fixed bool // the filesystem itself
}

// name returns the owner's name; block is one of its blocks.
func (c *checker) ownerName(o owner, block uint64) string {
	if o.fixed {
		return c.fixed(block)
	}
	what := [...]string{"data", "a tree node", "an attribute node", "an attribute", "the shard table", "what snapshots keep"}[o.part]
	return fmt.Sprintf("%s of inode %d", what, o.ino)
}

// question asks whose a run of blocks is: of two owners, or of blocks that are not marked used.
type question struct {
	start, n uint64
	second   owner
	unmarked bool
	first    owner
	answered bool
}

// claimFixed claims the blocks that belong to no inode.
func (c *checker) claimFixed() {
	o := owner{fixed: true}
	c.claim(layout.SuperBlock, 1, o)
	c.claim(layout.JournalHeadA, 2+c.sb.RingBlocks, o)
	for g := range layout.GroupCount(c.sb.Blocks) {
		if b := layout.BitmapBlock(g); c.fixed(b) == groupName(g) {
			c.claim(b, 1, o)
		}
		c.claimSums(g, o)
	}
	c.claim(c.sb.Backup, 1, o)
}

// claim says that o owns blocks, which exist. It returns false when some of them have an owner already.
func (c *checker) claim(start, n uint64, o owner) (fresh bool) {
	if c.asked != nil {
		c.asked.answer(start, n, o)
	}
	fresh = true
	c.owned.add(start, n, func(start, n uint64) {
		fresh = false
		c.ask(question{start: start, n: n, second: o})
	})
	return fresh
}

// ask notes a question for the second walk.
func (c *checker) ask(q question) {
	switch {
	case c.quiet:
	case len(c.questions) < MaxFaults:
		c.questions = append(c.questions, q)
	default:
		c.report.Suppressed++
	}
}

// asked is the questions by block, for the second walk.
type asked struct{ list []*question }

// answer notes the first owner of the first block of each question.
func (a *asked) answer(start, n uint64, o owner) {
	i := sort.Search(len(a.list), func(i int) bool { return a.list[i].start >= start })
	for ; i < len(a.list) && a.list[i].start < start+n; i++ {
		if q := a.list[i]; !q.answered {
			q.first, q.answered = o, true
		}
	}
}

// nameOwners walks again, in the same order, to answer the questions, and reports them.
func (c *checker) nameOwners() {
	if len(c.questions) == 0 {
		return
	}
	second := checker{
		image: c.image, probed: c.probed, unreadable: c.unreadable, told: c.told, sb: c.sb, report: &Report{}, quiet: true, asked: &asked{},
		changed: c.changed, copies: c.copies, unsealed: c.unsealed, head: c.head,
	}
	for i := range c.questions {
		second.asked.list = append(second.asked.list, &c.questions[i])
	}
	sort.SliceStable(second.asked.list, func(i, j int) bool { return second.asked.list[i].start < second.asked.list[j].start })
	second.walk()
	for i := range c.questions {
		q := &c.questions[i]
		first := c.ownerName(q.first, q.start)
		if q.unmarked {
			group, bit := q.start/layout.GroupBlocks, int(q.start%layout.GroupBlocks)
			off := layout.BlockOffset(layout.BitmapBlock(group)) + layout.BitmapByte(bit)
			c.fault(BitmapUnmarkedBlock, off, groupName(group), fmt.Sprintf("%s marked used: owned by %s", blockRun(q.start, q.n), first), "marked free")
			continue
		}
		c.fault(TwoOwners, layout.BlockOffset(q.start), blockRun(q.start, q.n), "one owner", first+" and "+c.ownerName(q.second, q.start))
	}
}

// blockRun names a run of blocks.
func blockRun(start, n uint64) string {
	if n == 1 {
		return fmt.Sprintf("block %d", start)
	}
	return fmt.Sprintf("blocks %d to %d", start, start+n-1)
}
