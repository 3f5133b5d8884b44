package repair

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs/internal/layout"
)

// hashed is the records of a tree whose keys are hashes of names.
type hashed struct {
	list []record          // in the order in which they came
	keys map[uint64][]byte // their names
}

// What became of a record.
const (
	asItWas   = iota
	moved     // kept under another key
	duplicate // not kept: its name is there already, or 128 others have the same hash
)

// insert adds a record under its key, or, when that is not one of its name's, under the first that is free.
func (h *hashed) insert(keys [2]uint64, name []byte, r record) int {
	base := layout.KeyBase(siphash.Hash(keys[0], keys[1], name))
	free := uint64(0)
	for k := base; k <= layout.KeyLast(base); k++ {
		other, ok := h.keys[k]
		if ok && bytes.Equal(other, name) {
			return duplicate
		}
		if !ok && free == 0 {
			free = k
		}
	}
	outcome := asItWas
	if _, ok := h.keys[r.key]; r.key < base || r.key > layout.KeyLast(base) || ok {
		if free == 0 {
			return duplicate
		}
		r.key, outcome = free, moved
	}
	if h.keys == nil {
		h.keys = map[uint64][]byte{}
	}
	h.keys[r.key] = name
	h.list = append(h.list, r)
	return outcome
}

// load takes in directory records that are known to be right.
func (h *hashed) load(list []record) {
	h.list, h.keys = list, make(map[uint64][]byte, len(list))
	for _, r := range list {
		_, _, name, _ := layout.DecodeDirent(r.payload)
		h.keys[r.key] = name
	}
}

// sorted returns the records in key order.
func (h *hashed) sorted() []record {
	slices.SortFunc(h.list, func(a, b record) int { return cmp.Compare(a.key, b.key) })
	return h.list
}
