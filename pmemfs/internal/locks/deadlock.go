package locks

// searchMax bounds the locks and requests that one call looks at in search of circles.
const searchMax = 1 << 20

// search goes from owner to owner along what they wait for.
type search struct {
	t        *Table
	barriers bool // follow those too
	seen     map[*owner]bool
	next     []*owner
}

func (t *Table) search(from *owner, barriers bool) *search {
	return &search{t: t, barriers: barriers, seen: map[*owner]bool{}, next: []*owner{from}}
}

// step returns the next owner that is reached, nil after the last. ok is false when the call has looked at too much.
func (s *search) step() (o *owner, ok bool) {
	for len(s.next) > 0 {
		o := s.next[len(s.next)-1]
		s.next = s.next[:len(s.next)-1]
		if s.seen[o] {
			continue
		}
		s.seen[o] = true
		for _, r := range o.waits {
			if s.t.left -= len(r.f.held) + len(r.f.queue); s.t.left < 0 {
				return nil, false
			}
			r.edges(s.barriers, func(to *owner) {
				if !s.seen[to] {
					s.next = append(s.next, to)
				}
			})
		}
		return o, true
	}
	return nil, true
}

// reaches reports whether an owner waits for goal, directly or through others, or whether that takes too long to find out.
func (t *Table) reaches(from, goal *owner, barriers bool) bool {
	if from == goal {
		return true
	}
	if len(from.waits) == 0 {
		return false
	}
	s := t.search(from, barriers)
	for {
		o, ok := s.step()
		if !ok || o == goal {
			return true
		}
		if o == nil {
			return false
		}
	}
}

// edges calls f with each owner that a request waits for.
func (r *request) edges(barriers bool, f func(*owner)) {
	for _, h := range r.f.held {
		if h.start > r.end {
			break
		}
		if h.conflicts(&r.held) {
			f(h.own)
		}
	}
	if !barriers {
		return
	}
	for _, earlier := range r.f.queue {
		if earlier == r {
			break
		}
		if earlier.conflicts(&r.held) {
			f(earlier.own)
		}
	}
}

// circular reports whether a request waits for its own owner by hard edges alone.
func (t *Table) circular(r *request) bool {
	found := false
	seen := map[*owner]bool{}
	r.edges(false, func(to *owner) {
		if !found && !seen[to] {
			seen[to] = true
			found = t.reaches(to, r.own, false)
		}
	})
	return found
}

// ready reports whether a request can be granted: nothing is held against it, and no barrier counts. An owner that has
// nothing but the request is waited for only by those behind it, and they lift the barrier that it is, if need be.
func (t *Table) ready(r *request) bool {
	if r.f.blocker(&r.held) != nil {
		return false
	}
	others := r.own.uses > 1 || r.own.uses == 1 && !r.queued
	for _, earlier := range r.f.queue {
		if earlier == r {
			break
		}
		if earlier.conflicts(&r.held) && !(others && t.reaches(earlier.own, r.own, true)) {
			return false
		}
	}
	return true
}
