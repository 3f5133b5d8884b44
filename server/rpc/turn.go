package rpc

import "time"

// Turns make the processors fair between clients. A connection reads, answers and sends only in its turn. There are a few turns for each
// processor, a client may have half of those that are free, and who waits is served client by client: however many
// connections another client has, one's own call waits for as many turns as there are clients. A turn ends when the connection would wait
// for something, and after turnWork if somebody else wants it.
//
// While there is one client only there is nothing to be fair about, and a turn costs nothing.

// turnWork is how much a turn may do while others wait, in calls, or pages of calls and replies.
const turnWork = 64

// tryTurn begins a turn; false if it has to be waited for.
func (c *conn) tryTurn() bool {
	switch b := c.srv.budget; {
	case c.turn:
	case b.alone.Load():
		c.turn, c.paid = true, false
	case b.turns.take(&c.client.turn, 1):
		c.turn, c.paid = true, true
	}
	return c.turn
}

// awaitTurn begins a turn. It always comes, as nobody waits who has one.
func (c *conn) awaitTurn() {
	if c.tryTurn() {
		return
	}
	if !c.srv.budget.turns.queue(&c.client.turn, &c.ticket, 1) {
		<-c.ticket.given
	}
	c.turn, c.paid = true, true
}

// endTurn ends it, if there is one.
func (c *conn) endTurn() {
	if c.paid {
		c.srv.budget.turns.give(&c.client.turn, 1)
	}
	c.turn, c.paid, c.spent = false, false, 0
}

// work counts what has been done in a turn, and lets others have theirs when it was enough.
func (c *conn) worked(bytes int) {
	if c.spent += 1 + bytes>>12; c.spent >= turnWork {
		c.endTurn()
	}
}

// need is what a connection cannot go on without.
type need int

const (
	needNothing need = iota
	needWork         // a work set
	needLarge        // a large slot
	needTurn
)

// await waits for what is needed to read on. The server's stop ends that.
func (c *conn) await() error {
	b, cl := c.srv.budget, c.client
	var err error
	switch c.needs {
	case needWork:
		if err = c.queue(&b.work, &cl.work, workBytes); err == nil {
			c.begin(b.givenWork())
		}
	case needLarge:
		if err = c.queue(&b.large, &cl.large, c.srv.slot); err == nil {
			c.large.Store(true)
		}
	case needTurn:
		if err = c.queue(&b.turns, &cl.turn, 1); err == nil {
			c.turn, c.paid = true, true
		}
	}
	return err
}

// queue waits for n of a ration, or until the connection stops. The time counts for no timeout: the client is not what is waited for.
func (c *conn) queue(r *ration, a *account, n int64) error {
	c.endTurn()
	start := time.Now()
	c.parked.Store(true)
	defer func() {
		c.since.Add(int64(time.Since(start)))
		c.parked.Store(false)
	}()
	if r.queue(a, &c.ticket, n) {
		return nil
	}
	select {
	case <-c.ticket.given:
		return nil
	case <-c.halted:
	}
	if !r.leave(a, &c.ticket) {
		r.give(a, n)
	}
	return errHalted
}
