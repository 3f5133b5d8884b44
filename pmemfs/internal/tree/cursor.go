package tree

// Cursor is a position in a tree. It is valid while the caller's lock is held and the tree unchanged.
type Cursor struct {
	p     path
	root  Root // of the tree, when it was searched
	valid bool
	here  bool // at the leaf and the slot where the key that was looked for is, or belongs
}

// leads reports whether the way to a cursor is still as the search found it: nothing on it has been changed by the operation.
func (t *Tree) leads(c *Cursor) bool {
	if !c.valid || c.root != t.Root {
		return false
	}
	for level := range int(t.Root.Height) {
		if !t.Op.Tx.Patchable(c.p[level].block) {
			return false
		}
	}
	return true
}

// SeekGE puts a cursor at the first record whose key is not below key.
func (t *Tree) SeekGE(c *Cursor, key uint64) error {
	c.valid = false
	if t.Root.Height == 0 {
		return nil
	}
	if _, err := t.descend(&c.p, key); err != nil {
		return err
	}
	c.valid, c.here, c.root = true, true, t.Root
	return t.skipEnd(c)
}

// SeekLE puts a cursor at the last record whose key is not above key, or makes it invalid when there is none.
func (t *Tree) SeekLE(c *Cursor, key uint64) error {
	c.valid = false
	if t.Root.Height == 0 {
		return nil
	}
	exact, err := t.descend(&c.p, key)
	if err != nil {
		return err
	}
	c.valid, c.here, c.root = true, false, t.Root
	if exact {
		return nil
	}
	if c.p[0].index > 0 {
		c.p[0].index--
		return nil
	}
	return t.move(c, -1)
}

// skipEnd moves an index past the end of a leaf to the next leaf.
func (t *Tree) skipEnd(c *Cursor) error {
	if c.p[0].index < c.p[0].node.Count() {
		return nil
	}
	return t.move(c, 1)
}

// move goes to the next or the previous leaf.
func (t *Tree) move(c *Cursor, dir int) error {
	c.here = false
	for level := 1; level < int(t.Root.Height); level++ {
		s := &c.p[level]
		if i := s.index + dir; i < 0 || i >= s.node.Count() {
			continue
		}
		s.index += dir
		for l := level - 1; l >= 0; l-- {
			block := c.p[l+1].node.Child(c.p[l+1].index)
			n, err := t.node(block, uint8(l))
			if err != nil {
				c.valid = false
				return err
			}
			c.p[l] = step{node: n, block: block}
			if dir < 0 {
				c.p[l].index = n.Count() - 1
			}
		}
		return nil
	}
	c.valid = false
	return nil
}

// Valid reports whether the cursor is at a record.
func (c *Cursor) Valid() bool { return c.valid }

// Key returns the key of the record.
func (c *Cursor) Key() uint64 { return c.p[0].node.Key(c.p[0].index) }

// Payload returns the payload of the record, aliasing the medium or a shadow.
func (c *Cursor) Payload() []byte { return c.p[0].node.Payload(c.p[0].index) }

// Next moves a cursor to the next record.
func (t *Tree) Next(c *Cursor) error {
	c.here = false
	c.p[0].index++
	return t.skipEnd(c)
}
