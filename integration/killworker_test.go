package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"pmemfs/integration/harness"
	"pmemfs/integration/rawnfs"
)

// patience is how long a worker waits for one reply. Only a hang takes so long,
// also in an emulated guest.
const patience = harness.Patience

// worker is one user of the server with files of its own, and one call under
// way at a time. After a kill it finds either all that it had been told or, in
// addition, what the call under way was to do; nothing else.
type worker struct {
	id      int
	size    int // of its records, in bytes
	rng     *rand.Rand
	appends rawnfs.Handle
	slots   rawnfs.Handle
	dir     rawnfs.Handle

	known    state           // what was acknowledged
	flight   operation       // what may be under way
	gone     []name          // whose removal was acknowledged since the last kill
	verifier rawnfs.Verifier // of the server's last incarnation
	unstable bool            // a write was answered in that incarnation that may be lost
	nextName int

	acked  int // operations
	found  int // operations that were under way and had been carried out, or begun
	absent int // operations that were under way and had not
}

// recordSizes are those of the workers: within a block, over two, over many.
var recordSizes = []int{1500, 5000, 40000}

// newWorker makes the worker's files.
func newWorker(c *rawnfs.Client, root rawnfs.Handle, id int, seed uint64) (*worker, error) {
	w := &worker{id: id, size: recordSizes[id%len(recordSizes)], rng: rand.New(rand.NewPCG(seed, uint64(id)))}
	w.known.names = make(map[string]name)
	var errs [3]error
	w.appends, errs[0] = c.Create(root, fmt.Sprintf("appends-%d", id))
	w.slots, errs[1] = c.Create(root, fmt.Sprintf("slots-%d", id))
	w.dir, errs[2] = c.Mkdir(root, fmt.Sprintf("names-%d", id))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	for slot := range slotCount {
		if _, err := c.Write(w.slots, uint64(slot*w.size), record(id, slot, 0, w.size), true); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// work makes calls until one fails, which it returns.
func (w *worker) work(c *rawnfs.Client) error {
	for {
		if err := w.do(c, w.choose()); err != nil {
			return err
		}
	}
}

// do carries out one operation. If it fails, the operation stays under way.
func (w *worker) do(c *rawnfs.Client, op operation) error {
	w.flight = op
	made, err := op.send(c)
	if err != nil {
		return fmt.Errorf("worker %d: %s: %w", w.id, op.what, err)
	}
	for _, after := range op.after {
		after(&w.known, made)
	}
	w.acked++
	w.flight = operation{}
	return nil
}

// recover compares what the server holds after a kill with what it may hold.
// All handles are those from before.
func (w *worker) recover(c *rawnfs.Client) error {
	found, err := w.observe(c)
	if err != nil {
		return fmt.Errorf("worker %d, with %q under way: %w", w.id, w.flight.what, err)
	}
	states := w.flight.states(w.known)
	at := slices.IndexFunc(states, func(s state) bool { return s.matches(found) })
	if at < 0 {
		text := fmt.Sprintf("worker %d found what cannot be:\n%s\nacknowledged was:\n%s\nunder way was: %s", w.id, found, w.known, w.flight.what)
		for _, s := range states[1:] {
			text += fmt.Sprintf(", to\n%s", s)
		}
		return errors.New(text)
	}
	if len(states) > 1 && at > 0 {
		w.found++
	} else if len(states) > 1 {
		w.absent++
	}
	found.generation = states[at].generation // an empty file does not tell
	w.known, w.flight = found, operation{}
	if err := w.checkHandles(c); err != nil {
		return fmt.Errorf("worker %d: %w", w.id, err)
	}
	return w.checkVerifier(c)
}

// checkHandles uses the handles themselves, where observe has found names.
func (w *worker) checkHandles(c *rawnfs.Client) error {
	for n, entry := range w.known.names {
		if dir, err := c.Getattr(entry.handle); err != nil || dir != entry.dir {
			return fmt.Errorf("GETATTR of %s by its handle: directory %v, want %v: %w", n, dir, entry.dir, err)
		}
	}
	for _, entry := range w.gone {
		if _, err := c.Getattr(entry.handle); !errors.Is(err, rawnfs.Stale) {
			return fmt.Errorf("GETATTR of the removed file %x: %w, want %w", entry.handle, err, rawnfs.Stale)
		}
	}
	w.gone = nil
	return nil
}

// checkVerifier demands a new write verifier if a write was answered unstable: by
// that clients learn that what they have not committed may be lost (RFC 1813
// section 3.3.21).
func (w *worker) checkVerifier(c *rawnfs.Client) error {
	v, err := c.Commit(w.appends)
	if err != nil {
		return fmt.Errorf("worker %d: COMMIT: %w", w.id, err)
	}
	if w.unstable && v == w.verifier {
		return fmt.Errorf("worker %d: the write verifier is %x as before the kill", w.id, v)
	}
	w.verifier, w.unstable = v, false
	return nil
}

// observe reads everything that is the worker's. It fails if a record is torn,
// one is missing between others, or a file has bytes behind its last record.
func (w *worker) observe(c *rawnfs.Client) (state, error) {
	found := state{names: make(map[string]name)}
	var err error
	if found.generation, found.records, err = w.countAppends(c); err != nil {
		return found, fmt.Errorf("appended records: %w", err)
	}
	data, err := readAll(c, w.slots)
	if err == nil && len(data) != slotCount*w.size {
		err = fmt.Errorf("the file has %d bytes, want %d", len(data), slotCount*w.size)
	}
	for i := 0; i < slotCount && err == nil; i++ {
		var slot int
		slot, found.slots[i], err = parseRecord(w.id, data[i*w.size:][:w.size])
		if err == nil && slot != i {
			err = fmt.Errorf("slot %d holds a record of slot %d", i, slot)
		}
	}
	if err != nil {
		return found, fmt.Errorf("overwritten records: %w", err)
	}
	names, err := c.Readdir(w.dir)
	if err != nil {
		return found, fmt.Errorf("READDIR: %w", err)
	}
	for _, n := range names {
		if _, twice := found.names[n]; twice {
			return found, fmt.Errorf("READDIR: %s twice", n)
		}
		h, err := c.Lookup(w.dir, n)
		if err != nil {
			return found, fmt.Errorf("LOOKUP of %s, which READDIR has: %w", n, err)
		}
		dir, err := c.Getattr(h)
		if err != nil {
			return found, fmt.Errorf("GETATTR of %s: %w", n, err)
		}
		found.names[n] = name{h, dir}
	}
	return found, nil
}

// countAppends returns the generation of the appended file and the number of its records.
func (w *worker) countAppends(c *rawnfs.Client) (generation, count int, err error) {
	data, err := readAll(c, w.appends)
	if err != nil {
		return 0, 0, err
	}
	if len(data)%w.size != 0 {
		return 0, 0, fmt.Errorf("%d bytes, records have %d", len(data), w.size)
	}
	for ; len(data) > 0; data = data[w.size:] {
		g, n, err := parseRecord(w.id, data[:w.size])
		if err != nil {
			return 0, 0, fmt.Errorf("at position %d: %w", count, err)
		}
		if count == 0 {
			generation = g
		}
		if g != generation || n != count {
			return 0, 0, fmt.Errorf("record %d of generation %d at position %d of generation %d", n, g, count, generation)
		}
		count++
	}
	return generation, count, nil
}

// readAll reads a file to its end.
func readAll(c *rawnfs.Client, h rawnfs.Handle) ([]byte, error) {
	var all []byte
	for {
		data, eof, err := c.Read(h, uint64(len(all)), 64<<10)
		if err != nil {
			return nil, fmt.Errorf("READ at %d: %w", len(all), err)
		}
		all = append(all, data...)
		if eof {
			return all, nil
		}
		if len(data) == 0 {
			return nil, fmt.Errorf("READ at %d: nothing, but no end", len(all))
		}
	}
}

// sortedNames returns the worker's names that keep allows, in an order that a seed repeats.
func (w *worker) sortedNames(keep func(name) bool) []string {
	var names []string
	for n, entry := range w.known.names {
		if keep(entry) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// newName returns a numbered name that was never used, now and then a long one.
func (w *worker) newName() string {
	w.nextName++
	n := fmt.Sprintf("%08d", w.nextName)
	if w.rng.IntN(4) == 0 {
		n += strings.Repeat("-", w.rng.IntN(255-len(n))+1)
	}
	return n
}
