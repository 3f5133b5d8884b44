package locks

// roomFor reports whether a client may have n more things among total that one file has, of which mine counts what it has: no more than are
// left over, as of everything else, so that one client cannot keep others out of a file. The last is anybody's who has none.
func roomFor(limit, total, n int, mine func() int) bool {
	total += n
	switch left := limit - total; {
	case n <= 0:
		return true
	case left < 0:
		return false
	case total <= left:
		return true // without counting: it cannot have more than all
	default:
		have := mine() + n
		return have <= left || have == 1
	}
}

// roomForLocks reports whether a client may have n more locks of a file.
func (t *Table) roomForLocks(f *file, c *client, n int) bool {
	return roomFor(t.limits.FileLocks, len(f.held), n, func() (mine int) {
		for _, h := range f.held {
			if h.own.c == c {
				mine++
			}
		}
		return mine
	})
}

// roomForWait is the same for one more request.
func (t *Table) roomForWait(f *file, c *client) bool {
	return roomFor(t.limits.FileWaits, len(f.queue), 1, func() (mine int) {
		for _, r := range f.queue {
			if r.own.c == c {
				mine++
			}
		}
		return mine
	})
}

// roomForShare is the same for one more reservation.
func (t *Table) roomForShare(f *file, c *client) bool {
	return roomFor(t.limits.FileLocks, len(f.shares), 1, func() (mine int) {
		for _, s := range f.shares {
			if s.own.c == c {
				mine++
			}
		}
		return mine
	})
}
