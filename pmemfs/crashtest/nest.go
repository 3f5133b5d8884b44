package crashtest

import (
	"errors"
	"fmt"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// stands are the stands for recoveries that are cut short, by depth.
type stands []*stand

// at returns the stand of a depth, which holds images of m from now on.
func (s *stands) at(depth int, m *Medium) (*stand, error) {
	for len(*s) <= depth {
		st, err := newStand(m)
		if err != nil {
			return nil, err
		}
		*s = append(*s, st)
	}
	(*s)[depth].follow(m)
	return (*s)[depth], nil
}

// close frees the memory of all.
func (s *stands) close() error {
	var err error
	for _, st := range *s {
		err = errors.Join(err, st.region.Close())
	}
	*s = nil
	return err
}

// nest cuts the power again while the image that the choices make is recovered, which has these notes.
func (x *explorer) nest(cs []choice, notes []pmemfs.RequestKey) {
	x.stand.load(cs)
	m := newMedium(x.stand.region.Bytes(), x.medium.domain)
	x.stand.reset()
	m.forget = x.medium.forget
	if err := x.nested(m, notes); err != nil {
		x.fail(err, cs)
	}
}

// nested recovers the medium m in a region of its own and explores what its stores may leave.
func (x *explorer) nested(m *Medium, notes []pmemfs.RequestKey) error {
	live, err := pmem.NewMemory(int64(len(m.sure)), m.domain)
	if err != nil {
		return err
	}
	live.Write(0, m.sure)
	inner, err := x.stands.at(x.depth+1, m)
	if err != nil {
		return errors.Join(err, live.Close())
	}
	y := &explorer{
		medium: m, stand: inner, stands: x.stands, limits: x.limits, rng: x.rng, depth: x.depth + 1,
		bounds: x.bounds, accept: x.accept, part: x.part, notes: x.notes, same: notes, unmade: x.unmade, every: x.every, oracle: newOracle(inner, x.oracle.states, x.oracle.look),
		where: func() string { return x.where() + ", its recovery" },
	}
	y.oracle.lenient, y.oracle.open = x.oracle.lenient, x.oracle.open
	live.SetRecorder(func(e *pmem.Event) {
		if e.Kind == pmem.FenceDue {
			y.point()
		}
		m.on(e)
	})
	if _, err = x.oracle.open(live); err != nil {
		err = fmt.Errorf("recovery: %w", err)
	}
	y.point()
	x.found = y.found
	x.stats.add(y.stats)
	return errors.Join(err, live.Close())
}
