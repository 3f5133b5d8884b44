package recovery

import (
	"bytes"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
)

// inOrder calls replay with the records of a window, from the tail on and in the order in which they were appended. Later
// records count on what earlier ones stored, and hold what is to be stored last.
func inOrder(window func(func(rec []byte) error) (layout.Head, error), replay func(rec []byte) error) (layout.Head, error) {
	switch {
	case mutation.ReplayInOrder.Off():
		var recs [][]byte
		h, err := window(func(rec []byte) error {
			recs = append(recs, bytes.Clone(rec))
			return nil
		})
		for _, rec := range slices.Backward(recs) {
			if err == nil {
				err = replay(rec)
			}
		}
		return h, err
	case mutation.ReplayFromTail.Off():
		first := true
		return window(func(rec []byte) error {
			if first {
				first = false
				return nil
			}
			return replay(rec)
		})
	}
	return window(replay)
}
