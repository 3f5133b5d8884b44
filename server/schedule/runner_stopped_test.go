package schedule

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"pmemfs/pmemfs"
)

// stopped is an image whose medium stops when a snapshot is made.
type stopped struct {
	*bed
	begun, goOn chan struct{}
}

func (s *stopped) CreateSnapshot(name, text string) (pmemfs.Snapshot, error) {
	close(s.begun)
	<-s.goOn
	return s.bed.CreateSnapshot(name, text)
}

// TestStopped asks how schedules do, and gives a Runner others, while a snapshot is being made that takes for ever: nobody waits. When it goes on, what is
// scheduled no more has no turn.
func TestStopped(t *testing.T) {
	old := []Schedule{{Prefix: "a-", Every: time.Hour, Keep: Keep{Last: 1}}, {Prefix: "b-", Every: time.Hour, Keep: Keep{Last: 1}}}
	b := newBed(t)
	image := &stopped{b, make(chan struct{}), make(chan struct{})}
	r := NewRunner(image, slog.New(slog.DiscardHandler))
	if err := r.Set(old); err != nil {
		t.Fatal(err)
	}
	ended := make(chan time.Duration)
	go func() { ended <- r.turn(epoch, 0) }()
	<-image.begun
	if states := r.States(); len(states) != 2 || states[0].Prefix != "a-" || !states[0].Last.IsZero() {
		t.Errorf("the schedules are %+v", states)
	}
	if added, removed, changed := r.Difference(old[:1]); len(added)+len(changed) > 0 || !slices.Equal(removed, []string{"b-"}) {
		t.Errorf("added %v, removed %v, changed %v", added, removed, changed)
	}
	if err := r.Set(old[:1]); err != nil {
		t.Fatal(err)
	}
	close(image.goOn)
	if wait := <-ended; wait != lookMin {
		t.Errorf("the next turn is in %v", wait)
	}
	if len(b.made) != 1 || b.made[0][:2] != "a-" {
		t.Errorf("made %v", b.made)
	}
	if states := r.States(); len(states) != 1 || states[0].Last.IsZero() {
		t.Errorf("then the schedules are %+v", states)
	}
}
