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
		pid: on.pid(), pinned: pinned,
	}
	if r.patch == patchName {
		return l.pair()
	}
	s, done, err := l.run()
	if err == nil && r.after != nil {
		err = r.after(on.site, r, done)
	}
	return s, err
}

// pair makes files and removes them again, and returns the sample of the one that is asked for.
func (l *load) pair() (sample, error) {
	asked := l.row.name
	l.row = rowOf(ProtocolNFS, rowCreate)
	created, done, err := l.run()
	if err != nil {
		return created, err
	}
	last := newName(done[0].sent - 1)
	if _, err := l.from.c.lookup(l.from.dirs[0].handle, last); err != nil {
		return created, fmt.Errorf("%s was made, but: %w", last, err)
	}
	l.row = rowOf(ProtocolNFS, rowRemove)
	for _, c := range done {
		l.limits = append(l.limits, c.sent)
	}
	removed, _, err := l.run()
	if err != nil {
		return removed, err
	}
	if err := l.from.gone(0, last); err != nil {
		return removed, err
	}
	if asked == rowCreate {
		return created, nil
	}
	return removed, nil
}

// gone verifies that a connection's directory does not have a name any more.
func (s *site) gone(conn int, name string) error {
	if _, err := s.c.lookup(s.dirs[conn].handle, name); !errors.Is(err, errNotThere) {
		return fmt.Errorf("%s was removed, but a lookup says: %v", name, err)
	}
	return nil
}

// verify reads some of what was written last on each connection.
func (s *site) verify(_ *row, done []*conn) error {
	for i, c := range done {
		offset := before(c.slots[len(c.slots)-1].offset, c.size)
		if err := s.compare(s.written[i], offset, c.payload); err != nil {
			return err
		}
	}
	return nil
}

// noteRenamed notes which of their names the files have that were renamed.
func (s *site) noteRenamed(_ *row, done []*conn) error {
	for i, c := range done {
		for j := range c.slots {
			s.dirs[i].renamed[j] = c.slots[j].turn
		}
	}
	return nil
}
