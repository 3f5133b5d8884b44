package locks

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func lock(owner string, exclusive bool, start, end uint64) Lock {
	return Lock{Owner: Owner{"client " + owner[:1], owner}, Exclusive: exclusive, Start: start, End: end}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dump is the locks of file 1, for instance "a:x0-9 b:r20-".
func (t *Table) dump() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var words []string
	if f := t.files[1]; f != nil {
		for _, h := range f.held {
			mode, end := "r", fmt.Sprint(h.end)
			if h.exclusive {
				mode = "x"
			}
			if h.end == EOF {
				end = ""
			}
			words = append(words, fmt.Sprintf("%s:%s%d-%s", h.own.name.ID, mode, h.start, end))
		}
	}
	return strings.Join(words, " ")
}

// told collects what those who wait are told.
type told struct {
	mu   sync.Mutex
	list []string
}

func (w *told) done(name string) func(error) {
	return func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil {
			name += " " + err.Error()
		}
		w.list = append(w.list, name)
	}
}

func (w *told) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.list, ", ")
}

func waits(t *testing.T, table *Table, ino uint64, w *told, l Lock) {
	t.Helper()
	granted, err := table.Wait(ino, l, w.done(l.Owner.ID))
	if granted || err != nil {
		t.Fatalf("%+v does not wait: %v, %v", l, granted, err)
	}
}
