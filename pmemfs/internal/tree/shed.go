package tree

import "pmemfs/pmemfs/internal/layout"

// Shed takes the last leaf, and nodes that become empty with it, off a tree that is given up, which is in no other operation's way. It
// calls each with the payloads of the leaf. What a snapshot has, of nodes, is left to it: a shared node goes with all below it. done says
// that nothing is left.
func (t *Tree) Shed(each func(key uint64, payload []byte) error) (done bool, err error) {
	if t.Root.Height == 0 {
		return true, nil
	}
	var p path
	level, block := int(t.Root.Height)-1, t.Root.Block
	for {
		n, err := t.node(block, uint8(level))
		if err != nil {
			return false, err
		}
		p[level] = step{node: n, block: block, index: n.Count() - 1}
		if level == 0 || t.shared(n) {
			break
		}
		level, block = level-1, n.Child(n.Count()-1)
	}
	if n := p[level].node; !t.shared(n) {
		for i := range n.Count() {
			if err := each(n.Key(i), n.Payload(i)); err != nil {
				return false, err
			}
		}
		if err := t.free(n, p[level].block); err != nil {
			return false, err
		}
	}
	return t.shedAbove(&p, level+1)
}

// shedAbove takes the last child off the node at a level of a way.
func (t *Tree) shedAbove(p *path, level int) (done bool, err error) {
	for ; level < int(t.Root.Height); level++ {
		s := &p[level]
		if s.index > 0 {
			layout.Node(t.Op.Tx.Block(s.block)).Delete(s.index)
			return false, nil
		}
		if err := t.free(s.node, s.block); err != nil {
			return false, err
		}
	}
	t.Root = Root{}
	return true, nil
}
