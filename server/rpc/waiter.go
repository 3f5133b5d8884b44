package rpc

import (
	"sync"
	"time"
)

// waiter is a call that waits, with all it needs of its own.
type waiter struct {
	c      *conn
	record *buffer
	large  int64 // bytes of large slots, for the record
	seated bool  // has one of Budget.seats
	room   *Room // in which it has a place; nil if it has named none
	share  *roomShare
	begun  int64 // when the server began with the call, by traffic.Table.Now
	began  int64 // when its program was called, for observers
	req    Request
	answer *answer
}

// answer is a reply on its way, and the memory in which it lies.
type answer struct {
	budget *Budget
	client *client
	slot   int64 // bytes of a large slot
	large  bool  // holds one
	ticket ticket
	out    Encoder
	calls  int     // whose replies are in it
	stamps []stamp // of them
	next   *answer
}

var (
	waiters = sync.Pool{New: func() any { return new(waiter) }}
	answers = sync.Pool{New: func() any {
		a := &answer{ticket: newTicket()}
		a.out.usual, a.out.large = shortBytes, a.takeLarge
		return a
	}}
)

// newAnswer makes room for a short reply, for which shortBytes of Budget.calls have been taken.
func newAnswer(b *Budget, cl *client, slot int64) *answer {
	a := answers.Get().(*answer)
	a.budget, a.client, a.slot, a.calls = b, cl, slot, 1
	a.out.use(getBuffer(shortBytes))
	return a
}

// takeLarge waits for a large slot, for a long reply. Nobody who has one waits for what this call holds, so it comes.
func (a *answer) takeLarge() {
	if a.large {
		return
	}
	if r := &a.budget.large; !r.queue(&a.client.large, &a.ticket, a.slot) {
		<-a.ticket.given
	}
	a.large = true
}

// free gives back what the reply has held.
func (a *answer) free() {
	a.out.drop()
	if a.large {
		a.budget.large.give(&a.client.large, a.slot)
	}
	a.budget.calls.give(&a.client.calls, shortBytes)
	clear(a.stamps)
	a.large, a.budget, a.client, a.next, a.stamps = false, nil, nil, nil, a.stamps[:0]
	answers.Put(a)
}

// recordRoom is what a call that waits takes of Budget.calls and of Budget.large.
func recordRoom(n int) (calls, large int64) {
	if n > smallBytes {
		return callBytes, classOf(n)
	}
	return callBytes + classOf(n), 0
}

// offload answers a call in a goroutine of its own, once there is room for one. Where waiting for that could be waiting for this very
// connection it is answered here: who holds a large slot waits for nothing but that.
func (c *conn) offload(record []byte) error {
	begun := c.set.calls.Begun()
	calls, large := recordRoom(len(record))
	var share *roomShare
	room := c.req.Room
	if room != nil {
		var err error
		if share, err = c.enterRoom(large); err != nil {
			return err
		} else if share == nil {
			return c.standInRoom(begun)
		}
	}
	if taken, err := c.takeForCall(calls, large); !taken {
		if room != nil {
			room.leave(share, large)
		}
		if err == nil {
			err = c.standStill(begun)
		}
		return err
	}
	w := waiters.Get().(*waiter)
	w.c, w.large, w.seated, w.record, w.room, w.share = c, large, true, getBuffer(len(record)), room, share
	w.answer = newAnswer(c.srv.budget, c.client, c.srv.slot)
	w.req.Record = w.record.b[:copy(w.record.b, record)]
	call, err := c.parse(w.req.Record)
	if err != nil {
		w.answer.free()
		<-c.slots
		w.leaveSeat()
		w.free()
		return err
	}
	w.req.Call, w.req.Remote, w.req.Local, w.req.Zone, w.req.MayWait = call, c.req.Remote, c.req.Local, c.req.Zone, true
	w.req.link, w.req.waiter = c.link, w
	w.begun = begun
	c.handOn(&w.req)
	c.inFlight.Add(1)
	c.waiting.Go("a call that waits", w.run)
	return nil
}

// takeForCall takes what a call that waits holds: n bytes of Budget.calls and of Budget.large, and a seat. It takes nothing and returns false if the call
// is to be answered in place.
func (c *conn) takeForCall(calls, large int64) (taken bool, err error) {
	b, cl := c.srv.budget, c.client
	if large > 0 && !b.large.take(&cl.large, large) {
		return false, nil
	}
	if taken, err = c.takeRoom(calls); !taken && large > 0 {
		b.large.give(&cl.large, large)
	}
	return taken, err
}

// standStill answers a call that waits in place. What is answered is sent first.
func (c *conn) standStill(begun int64) error {
	if err := c.flush(); err != nil {
		return err
	}
	c.endTurn()
	c.set.calls.Resume(begun)
	c.began = c.srv.observedNow()
	c.req.MayWait, c.req.Counted = true, Counted{}
	c.countCall(c.reply(&c.req, &c.out))
	c.stampNext(&c.req)
	err := c.flush()
	c.sent(&c.req) // not before: what is appended after it has to leave after it
	return err
}

// roomPatience is how long a call waits for room beside the connection. Then it is answered in place: it may be the one that those who have the
// room wait for, such as one that unlocks a file.
const roomPatience = time.Second

// takeRoom waits until one more call may wait, with n bytes of Budget.calls; meanwhile the client has to as well. What is answered is sent
// first. It takes nothing and returns false if it would have to wait and the connection has a large slot, or has to wait for long.
func (c *conn) takeRoom(n int64) (taken bool, err error) {
	if taken, err = c.takeSlot(); !taken {
		return false, err
	}
	b, cl := c.srv.budget, c.client
	if taken, err = c.takeShare(&b.seats, &cl.seats, 1); taken {
		if taken, err = c.takeShare(&b.calls, &cl.calls, n); !taken {
			b.seats.give(&cl.seats, 1)
		}
	}
	if !taken {
		<-c.slots
	}
	return taken, err
}

// takeSlot takes one of Limits.InFlight.
func (c *conn) takeSlot() (taken bool, err error) {
	if c.slots == nil {
		c.slots = make(chan struct{}, c.srv.limits.InFlight)
	}
	select {
	case c.slots <- struct{}{}:
		return true, nil
	default:
	}
	if c.large.Load() {
		return false, nil
	}
	if err := c.flush(); err != nil {
		return false, err
	}
	c.endTurn()
	select {
	case c.slots <- struct{}{}:
		return true, nil
	case <-c.halted:
		return false, errHalted
	}
}

// takeShare takes n of a ration.
func (c *conn) takeShare(r *ration, a *account, n int64) (taken bool, err error) {
	if r.take(a, n) {
		return true, nil
	}
	if c.large.Load() {
		return false, nil
	}
	if err := c.flush(); err != nil {
		return false, err
	}
	patience := time.NewTimer(roomPatience)
	defer patience.Stop()
	err = c.queueFor(r, a, n, patience.C)
	if err == errImpatient {
		return false, nil
	}
	return err == nil, err
}

func (w *waiter) run() {
	c := w.c
	w.began = c.srv.observedNow()
	c.countWaiter(w, c.reply(&w.req, &w.answer.out))
	if w.req.receipt != nil {
		w.answer.stamps = append(w.answer.stamps, stamp{w.req.receipt, w.answer.out.Len()})
	}
	w.leaveSeat()
	c.sender.add(w.answer)
	c.sent(&w.req)
	w.free()
}

// leaveSeat gives the seat back, if the call still has it, and its place in a room.
func (w *waiter) leaveSeat() {
	if w.room != nil {
		w.room.leave(w.share, w.large)
		w.room, w.share = nil, nil
	}
	if w.seated {
		w.seated = false
		w.c.srv.budget.seats.give(&w.c.client.seats, 1)
	}
}

// free gives back what the call has held beside its answer.
func (w *waiter) free() {
	b, cl := w.c.srv.budget, w.c.client
	calls, _ := recordRoom(len(w.req.Record))
	putBuffer(w.record)
	if w.large > 0 {
		b.large.give(&cl.large, w.large)
	}
	b.calls.give(&cl.calls, calls-shortBytes)
	w.req, w.c, w.record, w.large, w.answer = Request{}, nil, nil, 0, nil
	waiters.Put(w)
}
