package rpc

import (
	"net/netip"
	"time"
)

// Room bounds what calls of one kind hold that wait at once, of what all calls share: those for one medium. Without it a medium that is slow, or
// has stopped, would hold up all: its calls would take every seat, and of a client whose calls are for two media every place that it has.
//
// A program names the room of a call when it asks to wait (Request.Room). A call that finds no place waits for one, and its connection with it; after
// a while it is answered in place. From then on, and until there is room again, a program is asked to refuse such calls of the same client for now,
// if it can (Request.Crowded): then calls behind them that are for another medium need not wait.
type Room struct {
	budget *Budget
	seats  ration // by number
	large  ration // bytes of large slots
	tell   func(client netip.Addr)
}

// roomShare is what one client holds of a room.
type roomShare struct {
	seats, large account
	crowded      bool // a call has waited in vain; guarded by the mutex of Room.seats
}

// crowdPatience is how long a call waits for a place in a room: a medium that works ends many calls in that time.
const crowdPatience = 500 * time.Millisecond

// RoomMax is the most that a room can have places for: as many as there are seats.
const RoomMax = seatsAll

// NewRoom returns a room for n calls, and for half of RoomMax if n is 0. A client may have three quarters of the places that it has in all, and the
// room three quarters of the large slots. tell, if it is not nil, is told of a client whose calls begin to be refused; it must not wait.
func (b *Budget) NewRoom(n int, tell func(client netip.Addr)) *Room {
	if n <= 0 {
		n = RoomMax / 2
	}
	r := &Room{budget: b, tell: tell}
	r.seats.init(int64(n))
	r.seats.most = min(seatsOne, max(b.calls.limit/2/(callBytes+smallBytes), 2)) * 3 / 4
	r.large.init(b.large.limit / 4 * 3)
	return r
}

// Resize gives a room other places than before: n, as NewRoom has it. Who has one keeps it.
func (r *Room) Resize(n int) {
	if n <= 0 {
		n = RoomMax / 2
	}
	s := &r.seats
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += int64(n) - s.limit
	s.limit = int64(n)
	s.giveLocked(new(account), 0) // to those who wait
}

// share is what a client holds of the room.
func (r *Room) share(cl *client) *roomShare {
	b := r.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	s := cl.rooms[r]
	if s == nil {
		if cl.rooms == nil {
			cl.rooms = make(map[*Room]*roomShare)
		}
		s = new(roomShare)
		cl.rooms[r] = s
	}
	return s
}

// take takes a place, with n bytes of large slots.
func (r *Room) take(s *roomShare, n int64) bool {
	if n > 0 && !r.large.take(&s.large, n) {
		return false
	}
	r.seats.mu.Lock()
	taken := r.seats.takeLocked(&s.seats, 1)
	if taken {
		r.calm(s)
	}
	r.seats.mu.Unlock()
	if !taken && n > 0 {
		r.large.give(&s.large, n)
	}
	return taken
}

// calm ends the crowd of a client that has not more than half of its places. The mutex of seats is held.
func (r *Room) calm(s *roomShare) {
	if s.crowded && 2*s.seats.held <= max(min(r.seats.most, r.seats.limit/2), 2) {
		s.crowded = false
	}
}

// leave gives a place back.
func (r *Room) leave(s *roomShare, n int64) {
	if n > 0 {
		r.large.give(&s.large, n)
	}
	r.seats.mu.Lock()
	defer r.seats.mu.Unlock()
	r.seats.giveLocked(&s.seats, 1)
	r.calm(s)
}

// crowd notes that a call of a client has waited in vain.
func (r *Room) crowd(s *roomShare, cl *client) {
	r.seats.mu.Lock()
	was := s.crowded
	s.crowded = true
	r.seats.mu.Unlock()
	if !was && r.tell != nil {
		r.tell(cl.addr)
	}
}

// isCrowded reports whether a client's calls are to be refused for now where there is no place.
func (r *Room) isCrowded(s *roomShare) bool {
	r.seats.mu.Lock()
	defer r.seats.mu.Unlock()
	return s.crowded
}

// enterRoom takes a place for the call in c.req, with n bytes of large slots, in the room that it has named. nil without an error means that there is
// none: the call is to be answered in place. What is answered is sent before anything is waited for.
func (c *conn) enterRoom(n int64) (*roomShare, error) {
	r := c.req.Room
	s := r.share(c.client)
	switch {
	case r.take(s, n):
		return s, nil
	case c.large.Load(), n > 0, r.isCrowded(s): // who has a large slot waits for nothing but its client
		return nil, nil
	}
	if err := c.flush(); err != nil {
		return nil, err
	}
	patience := time.NewTimer(crowdPatience)
	defer patience.Stop()
	switch err := c.queueFor(&r.seats, &s.seats, 1, patience.C); err {
	case nil:
		return s, nil
	case errImpatient:
		r.crowd(s, c.client)
		return nil, nil
	default:
		return nil, err
	}
}

// standInRoom answers a call in place that finds no place in its room, or has the program refuse it.
func (c *conn) standInRoom(begun int64) error {
	r := c.req.Room
	s := r.share(c.client)
	c.req.Crowded = r.isCrowded(s)
	start := time.Now()
	err := c.standStill(begun)
	if c.req.Crowded = false; time.Since(start) > crowdPatience {
		r.crowd(s, c.client)
	}
	return err
}
