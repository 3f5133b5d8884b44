package serverbench

import (
	"errors"
	"fmt"
	"time"
)

// load loads a row on the target, with what has to come before and the verification that has to come after.
func (t *target) load(r *row, conns, depth int, duration time.Duration, pinned bool) (sample, error) {
	on := t.of(r)
	s, err := on.load(r, conns, depth, duration, pinned)
	if err != nil {
		err = on.explain(err)
	}
	return s, err
}

func (on *instance) load(r *row, conns, depth int, duration time.Duration, pinned bool) (sample, error) {
	if err := r.need(on.site, conns, depth); err != nil {
		return sample{}, err
	}
	l := load{
		addr: on.site.addr, row: r, from: on.site, conns: conns, depth: depth, duration: duration,
		pid: on.cmd.Process.Pid, pinned: pinned,
	}
	switch r.proc {
	case procCreate, procRemove:
		return l.pair()
	}
	s, done, err := l.run()
	if err != nil {
		return s, err
	}
	switch r.proc {
	case procWrite:
		err = on.site.verify(done, r)
	case procRename:
		for i, c := range done {
			for j := range c.slots {
				on.site.dirs[i].renamed[j] = c.slots[j].turn
			}
		}
	}
	return s, err
}

// pair makes files and removes them again, and returns the sample of the one that is asked for.
func (l *load) pair() (sample, error) {
	asked := l.row.proc
	l.row = rowOf("CREATE")
	created, done, err := l.run()
	if err != nil {
		return created, err
	}
	last := newName(done[0].sent - 1)
	if _, err := l.from.c.lookup(l.from.dirs[0].handle, last); err != nil {
		return created, fmt.Errorf("%s was made, but: %w", last, err)
	}
	l.row = rowOf("REMOVE")
	for _, c := range done {
		l.limits = append(l.limits, c.sent)
	}
	removed, _, err := l.run()
	if err != nil {
		return removed, err
	}
	var status statusError
	if _, err := l.from.c.lookup(l.from.dirs[0].handle, last); !errors.As(err, &status) || status != errNoEntry {
		return removed, fmt.Errorf("%s was removed, but a lookup says: %v", last, err)
	}
	if asked == procCreate {
		return created, nil
	}
	return removed, nil
}

// verify reads some of what was written last on each connection.
func (s *site) verify(done []*conn, r *row) error {
	for i, c := range done {
		last := c.slots[len(c.slots)-1]
		offset := (last.offset + dataFileBytes - uint64(r.data)) % dataFileBytes
		if err := s.compare(s.written[i], offset, c.payload); err != nil {
			return err
		}
	}
	return nil
}
