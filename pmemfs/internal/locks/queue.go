package locks

import "slices"

// enqueue puts a request at the end of its file's queue and pays for what its grant will need.
func (t *Table) enqueue(r *request) {
	r.f.queue, r.queued = append(r.f.queue, r), true
	r.own.waits = append(r.own.waits, r)
	r.own.c.waits++
	t.waits++
	t.pay(r.own, r.price(), 1)
}

// price is the lock of a request and the two pieces that may be left of another.
func (r *request) price() int { return 3 * units(r.own, r.tag) }

// dequeue takes a request out. Those behind it may be ready then.
func (t *Table) dequeue(r *request) {
	r.f.queue, r.queued = slices.DeleteFunc(r.f.queue, func(q *request) bool { return q == r }), false
	r.own.waits = slices.DeleteFunc(r.own.waits, func(q *request) bool { return q == r })
	r.own.c.waits--
	t.waits--
	t.pay(r.own, -r.price(), -1)
	t.disturb(r.f)
}

// fail ends a request that is not granted.
func (t *Table) fail(r *request, err error) {
	t.dequeue(r)
	t.tell(r, err)
	t.release(r.own)
}

// tell has the one who waits told, later, what became of a request.
func (t *Table) tell(r *request, err error) {
	done := r.done
	t.fired = append(t.fired, func() { done(err) })
}

// disturb notes that a request in a file may have become ready.
func (t *Table) disturb(f *file) {
	if len(f.queue) > 0 && !slices.Contains(t.disturbed, f) {
		t.disturbed = append(t.disturbed, f)
	}
}

// grantDisturbed grants what can be granted in the files that were disturbed, and in those that this disturbs.
func (t *Table) grantDisturbed() {
	for len(t.disturbed) > 0 {
		f := t.disturbed[0]
		t.disturbed = t.disturbed[1:]
		t.grants(f)
	}
	t.disturbed = nil
}

// grants grants what can be granted in a file, the oldest first.
func (t *Table) grants(f *file) {
	for i := 0; i < len(f.queue); {
		r := f.queue[i]
		if !t.ready(r) {
			i++
			continue
		}
		r.own.uses++ // so that it stays while it has neither the request nor the lock
		t.dequeue(r)
		t.tell(r, nil)
		t.take(f, r.own, f.set(r.held))
		r.own.uses--
	}
	t.tidy(f)
}

// take makes a change by which an owner gets or loses locks, and disturbs those whom it may concern.
func (t *Table) take(f *file, o *owner, c change) {
	t.apply(f, o, c)
	if c.loosens {
		t.disturb(f)
	}
	if len(o.waits) > 0 && len(c.made) > 0 {
		t.endCircles(o)
		t.follow(o)
	}
}

// endCircles ends those requests of an owner that are in a circle by a lock that it has just got.
func (t *Table) endCircles(o *owner) {
	o.uses++
	for _, r := range slices.Clone(o.waits) {
		if t.circular(r) {
			t.fail(r, ErrDeadlock)
		}
	}
	o.uses--
}

// follow disturbs the files where owners wait that are waited for by way of o, since barriers in front of them may not count any
// more. It is called when o waits and somebody may have begun to wait for it, or when it begins to wait.
func (t *Table) follow(o *owner) {
	s := t.search(o, true)
	for {
		at, ok := s.step()
		if !ok {
			for _, f := range t.files {
				t.disturb(f)
			}
			return
		}
		if at == nil {
			return
		}
		for _, r := range at.waits {
			t.disturb(r.f)
		}
	}
}
