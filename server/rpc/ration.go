package rpc

import "sync"

// ration is a bounded amount of something that clients share by the rule of package share: one may hold as much as is still free. Who
// finds nothing can wait; what comes free goes to the clients that wait in turn, and within a client to who came first.
//
// Its mutex is a leaf, and held for a few instructions for each client that waits.
type ration struct {
	mu      sync.Mutex
	limit   int64
	free    int64    // negative after overtake
	open    bool     // one client may have everything, as nobody has it for long
	most    int64    // that one client may have; 0 for its share
	ring    *account // of the clients that wait the one whose turn it is; nil if none waits
	waiting int      // clients in the ring

	sets []*workSet // what is free, where the ration is of those: see budget.go
	low  int        // the fewest of them since the last look
}

// account is what one client has of a ration, whose mutex guards it.
type account struct {
	held        int64
	first, last *ticket // who waits
	next, prev  *account
}

// ticket is somebody who waits, or may: for one thing at a time.
type ticket struct {
	need  int64
	next  *ticket
	given chan struct{} // has room for one
}

func newTicket() ticket { return ticket{given: make(chan struct{}, 1)} }

func (r *ration) init(limit int64) { r.limit, r.free = limit, limit }

// allows reports whether a client may have n more. The last of it is for who has none. mu is held.
func (r *ration) allows(a *account, n int64) bool {
	if r.most > 0 && a.held+n > r.most {
		return false
	}
	return n <= r.free && (r.open || a.held == 0 || a.held+n <= r.free-n)
}

// take takes n, if the client may have them now.
func (r *ration) take(a *account, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.takeLocked(a, n)
}

func (r *ration) takeLocked(a *account, n int64) bool {
	if a.first != nil || !r.allows(a, n) {
		return false
	}
	r.free -= n
	a.held += n
	return true
}

// queue takes n or has t wait for them, and reports which: after false t.given says when they are there.
func (r *ration) queue(a *account, t *ticket, n int64) (taken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.takeLocked(a, n) {
		return true
	}
	t.need = n
	r.append(a, t)
	return false
}

// append has a ticket wait. mu is held, as in those below.
func (r *ration) append(a *account, t *ticket) {
	if t.next = nil; a.first == nil {
		a.first = t
		r.enter(a)
	} else {
		a.last.next = t
	}
	a.last = t
}

// overtake takes what a ticket waits for although there is nothing, for a client that has nothing; false if it has something. It returns true
// also if that has been given meanwhile.
func (r *ration) overtake(a *account, t *ticket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.held > 0 {
		return false
	}
	if !r.remove(a, t) {
		<-t.given
		return true
	}
	r.free -= t.need
	a.held += t.need
	return true
}

// give gives n back.
func (r *ration) give(a *account, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.giveLocked(a, n)
}

func (r *ration) giveLocked(a *account, n int64) {
	r.free += n
	a.held -= n
	for refused := 0; refused < r.waiting; {
		w := r.ring
		t := w.first
		if !r.allows(w, t.need) {
			refused++
			r.ring = w.next
			continue
		}
		refused = 0
		r.free -= t.need
		w.held += t.need
		r.pop(w)
		t.given <- struct{}{} // it has room
	}
}

// leave ends the waiting of a ticket; false if it has been given what it waited for.
func (r *ration) leave(a *account, t *ticket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.remove(a, t) {
		return true
	}
	<-t.given
	return false
}

// remove takes a ticket out of the queue; false if it is not in it.
func (r *ration) remove(a *account, t *ticket) bool {
	var before *ticket
	for x := a.first; x != t; x = x.next {
		if x == nil {
			return false
		}
		before = x
	}
	if before == nil {
		r.pop(a)
		return true
	}
	if before.next = t.next; a.last == t {
		a.last = before
	}
	return true
}

// pop removes the first of a client that wait, and passes the turn on.
func (r *ration) pop(a *account) {
	if a.first = a.first.next; a.first != nil {
		if r.ring == a {
			r.ring = a.next
		}
		return
	}
	r.waiting--
	a.last = nil
	if a.next == a {
		r.ring = nil
	} else {
		a.prev.next, a.next.prev = a.next, a.prev
		if r.ring == a {
			r.ring = a.next
		}
	}
	a.next, a.prev = nil, nil
}

// enter puts a client at the end of the ring.
func (r *ration) enter(a *account) {
	r.waiting++
	if r.ring == nil {
		a.next, a.prev, r.ring = a, a, a
		return
	}
	a.next, a.prev = r.ring, r.ring.prev
	a.prev.next, a.next.prev = a, a
}

// wanted reports whether somebody waits, and the least that one of them has.
func (r *ration) wanted() (least int64, yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring == nil {
		return 0, false
	}
	least = r.ring.held
	for a := r.ring.next; a != r.ring; a = a.next {
		least = min(least, a.held)
	}
	return least, true
}

// heldBy is what a client has.
func (r *ration) heldBy(a *account) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return a.held
}
