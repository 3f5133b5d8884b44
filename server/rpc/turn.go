package rpc

import (
	"errors"
	"time"
)

// Turns make the processors fair between clients. A connection reads, answers and sends only in its turn. Turns are passed on client by
// client: however many connections another client has, one's own call waits for as many turns as there are clients. A turn ends when the
// connection would wait for something, and after turnWork if somebody else wants it.
//
// There is one turn less than processors that Go uses, so that one of these always finds nothing to do and asks the system what has arrived: while
// all are busy Go asks every ten milliseconds only. See Processors.
//
// While there is one client only there is nothing to be fair about, and a turn costs nothing.

// Processors is how many processors Go should use (runtime.GOMAXPROCS) where the machine gives it n: one more, to wait for what arrives.
func Processors(n int) int { return n + 1 }

// turnPatience is how long a client without a turn waits for one before it begins all the same: then those who have the turns wait for locks of the
// engine.
const turnPatience = 3 * time.Millisecond

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

// awaitTurn begins a turn. It always comes.
func (c *conn) awaitTurn() {
	if c.tryTurn() {
		return
	}
	r, a := &c.srv.budget.turns, &c.client.turn
	if !r.queue(a, &c.ticket, 1) {
		c.wait(r, a)
	}
	c.turn, c.paid = true, true
}

// wait waits for a turn that has been queued for.
func (c *conn) wait(r *ration, a *account) {
	if c.timer == nil {
		c.timer = time.NewTimer(turnPatience)
	} else {
		c.timer.Reset(turnPatience)
	}
	defer c.timer.Stop()
	for {
		select {
		case <-c.ticket.given:
			return
		case <-c.timer.C:
		}
		if r.overtake(a, &c.ticket) {
			return
		}
		c.timer.Reset(turnPatience)
	}
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
		c.awaitTurn()
	}
	return err
}

// queue waits for n of a ration, or until the connection stops. The time counts for no timeout: the client is not what is waited for.
func (c *conn) queue(r *ration, a *account, n int64) error { return c.queueFor(r, a, n, nil) }

// errImpatient says that something has not come in time.
var errImpatient = errors.New("rpc: no share in time")

// queueFor is queue that ends with errImpatient when patience does; nil for never.
func (c *conn) queueFor(r *ration, a *account, n int64, patience <-chan time.Time) (err error) {
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
		err = errHalted
	case <-patience:
		err = errImpatient
	}
	if !r.leave(a, &c.ticket) {
		r.give(a, n)
	}
	return err
}
