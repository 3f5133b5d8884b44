package integration

import (
	"fmt"

	"pmemfs/integration/rawnfs"
)

// choose returns the next operation.
func (w *worker) choose() operation {
	if w.known.records*w.size >= appendBytesMax {
		return w.cut()
	}
	all := w.sortedNames(func(name) bool { return true })
	switch pick := w.rng.IntN(10); {
	case pick < 2:
		return w.append()
	case pick < 3:
		return w.appendUnstable()
	case pick < 5:
		return w.overwriteSlot(w.rng.IntN(slotCount))
	case pick < 7 && len(all) < namesMax || len(all) == 0:
		return w.createAs(w.newName(), w.rng.IntN(4) == 0)
	case pick < 9:
		return w.rename(all[w.rng.IntN(len(all))])
	default:
		return w.remove(all[w.rng.IntN(len(all))])
	}
}

// one is an operation of a single call that makes no file.
func one(what string, send func(c *rawnfs.Client) error, after func(s *state)) operation {
	return operation{
		what:  what,
		send:  func(c *rawnfs.Client) (rawnfs.Handle, error) { return "", send(c) },
		after: []func(*state, rawnfs.Handle){func(s *state, _ rawnfs.Handle) { after(s) }},
	}
}

func (w *worker) cut() operation {
	return one("cutting the appended file to nothing",
		func(c *rawnfs.Client) error { return c.Truncate(w.appends, 0) },
		func(s *state) { s.generation, s.records = s.generation+1, 0 })
}

func (w *worker) append() operation {
	generation, n := w.known.generation, w.known.records
	return one(fmt.Sprintf("appending record %d of generation %d", n, generation),
		func(c *rawnfs.Client) error { return w.put(c, w.appends, n, record(w.id, generation, n, w.size)) },
		func(s *state) { s.records++ })
}

func (w *worker) overwriteSlot(slot int) operation {
	version := w.known.slots[slot] + 1
	return one(fmt.Sprintf("overwriting slot %d with version %d", slot, version),
		func(c *rawnfs.Client) error { return w.put(c, w.slots, slot, record(w.id, slot, version, w.size)) },
		func(s *state) { s.slots[slot]++ })
}

// put writes one record at its position, stably.
func (w *worker) put(c *rawnfs.Client, file rawnfs.Handle, position int, data []byte) error {
	_, err := c.Write(file, uint64(position*w.size), data, true)
	return err
}

// appendUnstable appends two records and commits both. Until the COMMIT is
// answered neither is promised, but the second is never there without the first.
func (w *worker) appendUnstable() operation {
	generation, n := w.known.generation, w.known.records
	more := func(s *state, _ rawnfs.Handle) { s.records++ }
	return operation{
		what:  fmt.Sprintf("appending records %d and %d of generation %d with one COMMIT", n, n+1, generation),
		after: []func(*state, rawnfs.Handle){more, more},
		send: func(c *rawnfs.Client) (rawnfs.Handle, error) {
			var written [2]rawnfs.Verifier
			for i := range written {
				var err error
				written[i], err = c.Write(w.appends, uint64((n+i)*w.size), record(w.id, generation, n+i, w.size), false)
				if err != nil {
					return "", err
				}
				if c.Unstable > 0 {
					w.unstable, w.verifier = true, written[i]
				}
			}
			committed, err := c.Commit(w.appends)
			if err == nil && (written[0] != committed || written[1] != committed) {
				err = fmt.Errorf("the verifier changes from %x to %x within one incarnation of the server", written, committed)
			}
			return "", err
		},
	}
}

func (w *worker) createAs(n string, dir bool) operation {
	op := operation{
		what: "creating " + n,
		send: func(c *rawnfs.Client) (rawnfs.Handle, error) { return c.Create(w.dir, n) },
		after: []func(*state, rawnfs.Handle){
			func(s *state, made rawnfs.Handle) { s.names[n] = name{made, dir} },
		},
	}
	if dir {
		op.what = "making the directory " + n
		op.send = func(c *rawnfs.Client) (rawnfs.Handle, error) { return c.Mkdir(w.dir, n) }
	}
	return op
}

// rename gives a new name, or one that is in use by another of the same kind.
func (w *worker) rename(from string) operation {
	moved := w.known.names[from]
	to := w.newName()
	others := w.sortedNames(func(other name) bool { return other.dir == moved.dir && other != moved })
	if len(others) > 0 && w.rng.IntN(3) == 0 {
		to = others[w.rng.IntN(len(others))]
	}
	return one(fmt.Sprintf("renaming %s to %s", from, to),
		func(c *rawnfs.Client) error {
			err := c.Rename(w.dir, from, to)
			if replaced, ok := w.known.names[to]; ok && err == nil {
				w.gone = append(w.gone, replaced)
			}
			return err
		},
		func(s *state) {
			delete(s.names, from)
			s.names[to] = moved
		})
}

func (w *worker) remove(n string) operation {
	removed := w.known.names[n]
	return one("removing "+n,
		func(c *rawnfs.Client) error {
			err := c.Remove(w.dir, n, removed.dir)
			if err == nil {
				w.gone = append(w.gone, removed)
			}
			return err
		},
		func(s *state) { delete(s.names, n) })
}
