package locks

// Test returns a lock of another owner that is in the way of want.
func (t *Table) Test(ino uint64, want Lock) (Lock, bool) {
	t.lock()
	defer t.unlock()
	f, o := t.files[ino], t.owners[want.Owner]
	if f == nil {
		return Lock{}, false
	}
	h := f.blocker(&held{own: o, start: want.Start, end: want.End, exclusive: want.Exclusive})
	if h == nil {
		return Lock{}, false
	}
	return h.lock(), true
}

func (h *held) lock() Lock {
	return Lock{Owner: h.own.name, Exclusive: h.exclusive, Start: h.start, End: h.end, Tag: h.tag}
}

// begin returns a request for a lock, in no queue. The caller calls end.
func (t *Table) begin(ino uint64, want Lock) *request {
	o := t.owner(want.Owner)
	return &request{f: t.file(ino), held: held{own: o, start: want.Start, end: want.End, exclusive: want.Exclusive, tag: want.Tag}}
}

func (t *Table) end(r *request) {
	t.release(r.own)
	t.tidy(r.f)
}

// Lock sets a lock if no other owner has one in the way, whoever waits. Its errors are ErrConflict and ErrFull.
func (t *Table) Lock(ino uint64, want Lock) error {
	t.lock()
	defer t.unlock()
	r := t.begin(ino, want)
	defer t.end(r)
	if r.f.blocker(&r.held) != nil {
		return ErrConflict
	}
	return t.grant(r)
}

// grant sets the lock of a request that is in no queue, if its client may have it.
func (t *Table) grant(r *request) error {
	c := r.f.set(r.held)
	if n := c.cost(); n > 0 && !t.affords(r.own, n) || !t.roomForLocks(r.f, r.own.c, len(c.made)-len(c.gone)) {
		return ErrFull
	}
	t.take(r.f, r.own, c)
	return nil
}

// Wait sets a lock at once, and returns true, or asks for it: then done is called when the lock has been granted, or with
// ErrDeadlock or ErrGone when it will not be, unless it is cancelled before. The same request, made again, only changes who is told.
// The errors of Wait itself are ErrDeadlock and ErrFull.
func (t *Table) Wait(ino uint64, want Lock, done func(error)) (granted bool, err error) {
	t.lock()
	defer t.unlock()
	r := t.begin(ino, want)
	defer t.end(r)
	if same := r.f.find(want); same != nil {
		same.done = done
		return false, nil
	}
	if t.ready(r) {
		err := t.grant(r)
		return err == nil, err
	}
	switch {
	case t.circular(r):
		return false, ErrDeadlock
	case !t.affords(r.own, r.price()) || !t.roomForWait(r.f, r.own.c) || t.waits+r.own.c.waits+2 > t.limits.Waits:
		return false, ErrFull
	}
	r.done = done
	t.enqueue(r)
	t.follow(r.own)
	return false, nil
}

// find returns the request for a lock, or nil.
func (f *file) find(want Lock) *request {
	for _, r := range f.queue {
		if r.own.name == want.Owner && r.exclusive == want.Exclusive && r.start == want.Start && r.end == want.End {
			return r
		}
	}
	return nil
}

// Cancel takes a request back. It returns false when there is none: it may have been granted.
func (t *Table) Cancel(ino uint64, want Lock) bool {
	t.lock()
	defer t.unlock()
	f := t.files[ino]
	if f == nil {
		return false
	}
	r := f.find(want)
	if r == nil {
		return false
	}
	t.dequeue(r)
	t.release(r.own)
	t.tidy(f)
	return true
}

// Unlock takes away what an owner has in a range. Its error is ErrFull: a lock would be in two pieces, and its client may not
// have another.
func (t *Table) Unlock(ino uint64, name Owner, start, end uint64) error {
	t.lock()
	defer t.unlock()
	f, o := t.files[ino], t.owners[name]
	if f == nil || o == nil {
		return nil
	}
	c := f.clear(o, start, end)
	if n := c.cost(); n > 0 && (!t.affords(o, n) || !t.roomForLocks(f, o.c, len(c.made)-len(c.gone))) {
		return ErrFull
	}
	t.apply(f, o, c)
	t.disturb(f)
	t.release(o)
	t.tidy(f)
	return nil
}

// Drop takes away all that the owners of a client have of whom match says so, requests with ErrGone. It returns how many
// locks, requests and reservations that were.
func (t *Table) Drop(client string, match func(id string) bool) (n int) {
	t.lock()
	defer t.unlock()
	if t.clients[client] == nil {
		return 0
	}
	mine := func(o *owner) bool { return o.name.Client == client && match(o.name.ID) }
	for _, f := range t.files {
		n += t.strip(f, mine)
	}
	return n
}

// DropFile takes away all that one owner has of one file, as Drop does.
func (t *Table) DropFile(ino uint64, name Owner) {
	t.lock()
	defer t.unlock()
	if f := t.files[ino]; f != nil {
		t.strip(f, func(o *owner) bool { return o.name == name })
	}
}

// Forget drops everything about a file that is gone. It costs a load when the table is empty.
func (t *Table) Forget(ino uint64) {
	if t.busy.Load() == 0 {
		return
	}
	t.lock()
	defer t.unlock()
	if f := t.files[ino]; f != nil {
		t.strip(f, func(*owner) bool { return true })
	}
}

// strip takes away what some owners have of a file.
func (t *Table) strip(f *file, mine func(*owner) bool) (n int) {
	for i := 0; i < len(f.queue); {
		if r := f.queue[i]; mine(r.own) {
			t.fail(r, ErrGone)
			n++
		} else {
			i++
		}
	}
	var kept []*held
	for _, h := range f.held {
		if !mine(h.own) {
			kept = append(kept, h)
			continue
		}
		t.pay(h.own, -units(h.own, h.tag), -1)
		t.release(h.own)
		n++
	}
	f.held = kept
	n += t.stripShares(f, mine)
	t.disturb(f)
	t.tidy(f)
	return n
}

// Has reports whether an owner of a client of whom match says so has anything.
func (t *Table) Has(client string, match func(id string) bool) bool {
	t.lock()
	defer t.unlock()
	if t.clients[client] == nil {
		return false
	}
	for name := range t.owners {
		if name.Client == client && match(name.ID) {
			return true
		}
	}
	return false
}

// Clients returns the clients that have anything.
func (t *Table) Clients() (list []string) {
	t.lock()
	defer t.unlock()
	for c := range t.clients {
		list = append(list, c)
	}
	return list
}

// Usage is how much a table holds.
type Usage struct{ Files, Units, Waits, Clients int }

// Usage returns how much the table holds.
func (t *Table) Usage() Usage {
	t.lock()
	defer t.unlock()
	return Usage{len(t.files), t.units, t.waits, len(t.clients)}
}
