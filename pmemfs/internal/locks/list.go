package locks

// Entry is a lock that is held, or a request that waits for one.
type Entry struct {
	Ino     uint64
	Lock    Lock
	Waiting bool
	For     Owner // of a request that waits: who has the first lock that is in its way, or asked before; empty if the search was too long
}

// listSteps bounds the search for those who are waited for, in locks looked at.
const listSteps = 1 << 16

// List returns up to so many locks and requests, in no order of files, and how many there are in all. It goes over all files to
// count, and copies no more than it lists.
func (t *Table) List(most int) (list []Entry, all int) {
	t.lock()
	defer t.unlock()
	steps := listSteps
	for _, f := range t.files {
		all += len(f.held) + len(f.queue)
		for _, h := range f.held {
			if len(list) < most {
				list = append(list, Entry{Ino: f.ino, Lock: h.lock()})
			}
		}
		for i, r := range f.queue {
			if len(list) == most {
				break
			}
			e := Entry{Ino: f.ino, Lock: r.lock(), Waiting: true}
			if steps -= len(f.held) + i; steps >= 0 {
				e.For = f.inFront(r, i)
			}
			list = append(list, e)
		}
	}
	return list, all
}

// inFront returns whom a request waits for.
func (f *file) inFront(r *request, at int) Owner {
	if h := f.blocker(&r.held); h != nil {
		return h.own.name
	}
	for _, earlier := range f.queue[:at] {
		if earlier.conflicts(&r.held) {
			return earlier.own.name
		}
	}
	return Owner{}
}
