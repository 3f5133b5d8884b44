package crashtest

import (
	"fmt"

	"pmemfs/pmemfs"
)

// stamps are the times and the change counter of a file.
type stamps struct {
	atime, mtime, ctime, btime int64
	change                     uint64
}

func stampsOf(a pmemfs.Attr) stamps { return stamps{a.Atime, a.Mtime, a.Ctime, a.Btime, a.Change} }

// effect is what an operation has to do to the stamps of a file.
type effect uint8

const (
	made    effect = 1 << iota // all times are those of the operation
	changed                    // the change time is, and the counter has risen
	touched                    // so is the modification time
	dated                      // the modification time is the one that chmod sets
	partly                     // space ended in the middle: anything of that may have happened
)

// someDate is the modification time that chmod sets.
const someDate = 1e18

// span is when an operation was under way.
type span struct{ from, to int64 }

func (s span) holds(t int64) bool { return t >= s.from && t <= s.to }

// sameStamps returns an error unless the stamps are as an operation had to leave them, and begins anew from what they are.
func (n *node) sameStamps(got stamps, at span) error {
	was, e := n.stamps, n.effect
	n.stamps, n.effect = got, 0
	if e&partly != 0 && got != was {
		e |= touched
	}
	wrong := func(what string) error {
		return fmt.Errorf("%s is not as it should be: %+v, before %+v (effect %#x) of an operation from %d to %d", what, got, was, e, at.from, at.to)
	}
	when := func(now, before int64, inside bool) bool {
		if inside {
			return at.holds(now)
		}
		return now == before
	}
	switch {
	case e&made != 0:
		if !at.holds(got.atime) || !at.holds(got.mtime) || !at.holds(got.ctime) || !at.holds(got.btime) {
			return wrong("a time of a new file")
		}
		return nil
	case got.atime != was.atime || got.btime != was.btime:
		return wrong("access or birth time")
	case e&dated != 0 && got.mtime != someDate, e&dated == 0 && !when(got.mtime, was.mtime, e&touched != 0):
		return wrong("modification time")
	case !when(got.ctime, was.ctime, e&(changed|touched) != 0):
		return wrong("change time")
	case e&(changed|touched) != 0 && got.change <= was.change, e&(changed|touched) == 0 && got.change != was.change:
		return wrong("change counter")
	}
	return nil
}
