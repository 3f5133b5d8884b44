package rpc

// room is where to read to; nil if something is needed for that which has to be waited for: c.needs says what.
func (c *conn) room() []byte {
	c.needs = needNothing
	if c.set == nil {
		set := c.srv.budget.takeWork(c.client)
		if set == nil {
			c.needs = needWork
			return nil
		}
		c.begin(set)
	}
	b := c.in.free(c.large.Load())
	if b == nil && c.tryLarge() {
		b = c.in.free(true)
	}
	switch {
	case b == nil:
		c.needs = needLarge
	case !c.tryTurn():
		c.needs = needTurn
		return nil
	}
	return b
}

// begin begins to work, with a work set.
func (c *conn) begin(set *workSet) {
	c.set = set
	c.works.Store(true)
	if aside := c.in.resume(&set.in); aside != nil {
		putBuffer(aside)
		c.srv.budget.begun.give(&c.client.begun, c.beside)
		c.beside = 0
	}
}

// rest gives back what is not needed while nothing comes. What has begun to arrive goes aside if it is little, so that it does not take a whole
// work set.
func (c *conn) rest() {
	c.endTurn()
	c.out.drop()
	n := c.in.held()
	switch {
	case n == 0:
		c.idle(nil)
	case n <= asideBytes && c.srv.budget.begun.take(&c.client.begun, asideBytes):
		c.beside = asideBytes
		c.idle(getBuffer(asideBytes))
	case len(c.in.buf.b) == smallBytes:
		c.releaseLarge()
	}
}

// idle gives the work set back, and all that is large. aside is for what is to be kept, or nil.
func (c *conn) idle(aside *buffer) {
	c.publish() // of a connection that ends there may be something left
	putBuffer(c.in.rest(aside))
	c.releaseLarge()
	c.works.Store(false)
	c.srv.budget.giveWork(c.client, c.set)
	c.set = nil
}

// giveAll gives everything back at the end.
func (c *conn) giveAll() {
	c.endTurn()
	c.out.drop()
	if c.set != nil {
		c.idle(nil)
	}
	c.in.drop()
	if c.beside > 0 {
		c.srv.budget.begun.give(&c.client.begun, c.beside)
		c.beside = 0
	}
}

// takeLarge waits for the right to have large buffers, for a reply. Who has it goes on without needing anything more, so it comes.
func (c *conn) takeLarge() {
	if c.tryLarge() {
		return
	}
	c.endTurn()
	if r := &c.srv.budget.large; !r.queue(&c.client.large, &c.ticket, c.srv.slot) {
		<-c.ticket.given
	}
	c.large.Store(true)
}

// releaseLarge gives that right back, when no large buffer is left.
func (c *conn) releaseLarge() {
	if c.large.Load() {
		c.large.Store(false)
		c.srv.budget.large.give(&c.client.large, c.srv.slot)
	}
}
