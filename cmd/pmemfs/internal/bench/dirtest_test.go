package bench

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
)

// script is a target that writes down what is done to it and refuses what cannot be.
type script struct {
	target
	mu               sync.Mutex
	dirs             []string
	files            map[string]bool
	did              []string
	creates, unlinks int
}

func (s *script) openDir(n *name) (int, error) {
	s.dirs = append(s.dirs, n.text)
	return len(s.dirs) - 1, nil
}

func (s *script) create(dir int, n *name) error { return s.set(dir, n, true, &s.creates) }
func (s *script) unlink(dir int, n *name) error { return s.set(dir, n, false, &s.unlinks) }

func (s *script) set(dir int, n *name, exists bool, count *int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.dirs[dir] + "/" + n.text
	if s.files[path] == exists {
		return errors.New(path)
	}
	s.files[path] = exists
	s.did = append(s.did, path)
	*count++
	return nil
}

// TestDirTestOperations: a round does as many operations as it says, the same for the same seed, and leaves nothing.
func TestDirTestOperations(t *testing.T) {
	play := func(seed uint64, goroutines int) *script {
		s := &script{files: map[string]bool{}}
		d, err := newDirTest(s, &DirTestOptions{Operations: 1001, Names: 100, Dirs: 7, Seed: seed}, goroutines)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.run(t.Context(), goroutines); err != nil {
			t.Fatal(err)
		}
		if s.creates != s.unlinks || len(s.did) < 1001 || len(s.did) > 1001+100 {
			t.Errorf("%d creates, %d unlinks", s.creates, s.unlinks)
		}
		return s
	}
	one := play(1, 1)
	if !slices.Equal(one.did, play(1, 1).did) || slices.Equal(one.did, play(2, 1).did) {
		t.Error("the seed does not decide what is done")
	}
	three := play(1, 3)
	for path := range one.files {
		if _, found := three.files[path]; !found {
			t.Errorf("three goroutines do not come by %s", path)
		}
	}
}

// TestDirTestStopped: nothing is left of a run that is stopped, nor of one that fails.
func TestDirTestStopped(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	o := DirTestOptions{Common: Common{Rounds: 1, Folders: []string{dir}, Image: Image{Dir: dir, Bytes: 64 << 20}}, Operations: 10, Names: 10, Dirs: 2}
	if _, err := DirTest(ctx, o); err == nil {
		t.Error("a run that was stopped has a report")
	}
	o.Folders = append(o.Folders, dir+"/missing")
	if _, err := DirTest(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is missing: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
}
