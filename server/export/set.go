package export

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Set is the exports of one server at one time. It never changes.
type Set struct {
	list []Export
	byID map[uint32]*Export
}

// setMax bounds the exports of a set: the reply to EXPORT names all of them.
const setMax = 1024

// NewSet validates exports and collects them.
//
// Errors: no exports, more than 1,024, two of one name or one ID, and those of Export.Validate.
func NewSet(exports []Export) (*Set, error) {
	if len(exports) == 0 {
		return nil, errors.New("nothing to export")
	}
	if len(exports) > setMax {
		return nil, fmt.Errorf("%d exports are too many: %d is the limit", len(exports), setMax)
	}
	s := &Set{list: slices.Clone(exports), byID: make(map[uint32]*Export, len(exports))}
	for i := range s.list {
		e := &s.list[i]
		if err := e.Validate(); err != nil {
			return nil, err
		}
		e.Clients, e.id, e.root = slices.Clone(e.Clients), idOf(e.Name, e.Subtree), new(rootID)
		if other := s.byName(e.Name, i); other != nil {
			return nil, fmt.Errorf("two exports are named %q", e.Name)
		}
		if other, taken := s.byID[e.id]; taken {
			return nil, fmt.Errorf("exports %q and %q cannot be told apart: rename one", other.Name, e.Name)
		}
		s.byID[e.id] = e
	}
	return s, nil
}

// byName returns the export of that name among the first n, or nil.
func (s *Set) byName(name string, n int) *Export {
	if i := slices.IndexFunc(s.list[:n], func(e Export) bool { return e.Name == name }); i >= 0 {
		return &s.list[i]
	}
	return nil
}

// All returns the exports in the order given; they must not be changed.
func (s *Set) All() []Export { return s.list }

// ByID returns the export that a handle names, or nil: then the handle is stale.
func (s *Set) ByID(id uint32) *Export { return s.byID[id] }

// ByPath returns the export with the longest name that dir begins with, and the rest of dir below it.
func (s *Set) ByPath(dir string) (*Export, string) {
	dir = path.Clean("/" + dir)
	var best *Export
	for i := range s.list {
		e := &s.list[i]
		if under(dir, e.Name) && (best == nil || len(e.Name) > len(best.Name)) {
			best = e
		}
	}
	if best == nil {
		return nil, ""
	}
	return best, strings.TrimPrefix(strings.TrimPrefix(dir, best.Name), "/")
}

func under(dir, root string) bool {
	return root == "/" || dir == root || strings.HasPrefix(dir, root+"/")
}

// Difference lists, by name, what a server that goes from s to next serves anew, no longer, and otherwise than before.
func (s *Set) Difference(next *Set) (added, removed, changed []string) {
	for i := range next.list {
		e := &next.list[i]
		switch old := s.byName(e.Name, len(s.list)); {
		case old == nil:
			added = append(added, e.Name)
		case !old.Same(e):
			changed = append(changed, e.Name)
		}
	}
	for i := range s.list {
		if e := &s.list[i]; next.byName(e.Name, len(next.list)) == nil {
			removed = append(removed, e.Name)
		}
	}
	return added, removed, changed
}
