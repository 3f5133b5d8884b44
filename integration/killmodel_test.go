package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"pmemfs/integration/rawnfs"
)

// What one worker of a kill loop keeps on the server.
const (
	slotCount      = 8         // records that are overwritten in place
	appendBytesMax = 512 << 10 // after so much the appended file is cut to nothing
	namesMax       = 40
)

// state is what a worker's files hold: what was acknowledged, what would be if
// the call under way were carried out, or what was found.
type state struct {
	generation int // of the appended file; each truncation begins another
	records    int // how many it holds
	slots      [slotCount]int
	names      map[string]name
}

// name is what a name in the worker's directory leads to. In what is expected,
// the handle of a file whose CREATE was not answered is "".
type name struct {
	handle rawnfs.Handle
	dir    bool
}

func (s state) clone() state {
	s.names = maps.Clone(s.names)
	return s
}

// matches reports whether found is the state expected.
func (s state) matches(found state) bool {
	same := func(expected, found name) bool {
		return expected.dir == found.dir && (expected.handle == "" || expected.handle == found.handle)
	}
	return s.records == found.records && (s.records == 0 || s.generation == found.generation) &&
		s.slots == found.slots && maps.EqualFunc(s.names, found.names, same)
}

func (s state) String() string {
	text := fmt.Sprintf("%d records of generation %d, slots %v, %d names:", s.records, s.generation, s.slots, len(s.names))
	for _, n := range slices.Sorted(maps.Keys(s.names)) {
		kind := "file"
		if s.names[n].dir {
			kind = "directory"
		}
		text += fmt.Sprintf(" %s (%s %x)", strings.TrimRight(n, "-"), kind, s.names[n].handle)
	}
	return text
}

// operation is what a worker asks for next: one call or several.
type operation struct {
	what string
	// send makes the calls. It returns nil when the last is acknowledged, and the
	// handle of what was made, if anything was.
	send func(c *rawnfs.Client) (rawnfs.Handle, error)
	// after are the states to which the calls lead, one after the other. Any of
	// them may be found if send was cut short.
	after []func(s *state, made rawnfs.Handle)
}

// states returns what may be found if op was under way from s on: all the
// states that it passes, s first.
func (op operation) states(s state) []state {
	states := []state{s}
	for _, after := range op.after {
		s = s.clone()
		after(&s, "")
		states = append(states, s)
	}
	return states
}

// record is the content of one record: who wrote it, its two numbers, and
// filler that depends on all three, so that no part of it fits elsewhere.
func record(worker, first, second, size int) []byte {
	data := make([]byte, 0, size+16)
	data = binary.LittleEndian.AppendUint64(data, uint64(first))
	data = binary.LittleEndian.AppendUint64(data, uint64(second))
	filler := rand.NewPCG(uint64(worker)<<32|uint64(first), uint64(second))
	for len(data) < size {
		data = binary.LittleEndian.AppendUint64(data, filler.Uint64())
	}
	return data[:size]
}

// parseRecord returns the numbers of a record that is whole.
func parseRecord(worker int, data []byte) (first, second int, err error) {
	if len(data) < 16 {
		return 0, 0, fmt.Errorf("a record of %d bytes", len(data))
	}
	first, second = int(binary.LittleEndian.Uint64(data)), int(binary.LittleEndian.Uint64(data[8:]))
	if want := record(worker, first, second, len(data)); !bytes.Equal(data, want) {
		at := 0
		for data[at] == want[at] {
			at++
		}
		return 0, 0, fmt.Errorf("torn record: its numbers are %d and %d, but it differs from byte %d of %d on", first, second, at, len(data))
	}
	return first, second, nil
}
