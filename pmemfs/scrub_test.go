package pmemfs

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/recovery"
)

func mustScrub(t testing.TB, fs *FS, o ScrubOptions) *ScrubReport {
	t.Helper()
	r, err := fs.Scrub(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Complete {
		t.Error("the pass is not complete")
	}
	return r
}

// target is one byte of the medium for damage, and what a scrub must say of it.
type target struct {
	object   string
	off      int64
	repaired bool
}

// targets returns a byte in every kind of object of a filesystem that rich has filled, and in every node of some trees.
func (s *surgery) targets() []target {
	in := func(ino uint64) layout.Inode { return s.inode(ino) }
	node := func(ino uint64, what string, block uint64) target {
		return target{object: nodeObject(block, what, ino), off: layout.BlockOffset(block) + 100}
	}
	dirLeaf, fragLeaf := s.leaf(s.dir), s.leaf(s.frag)
	_, attr := s.large()
	list := []target{
		{"superblock", 40, true},
		{"backup superblock", layout.BlockOffset(s.sb.Backup) + 100, true},
		{"journal head in block 2", layout.BlockOffset(2) + 20, true},
		{"journal head in block 3", layout.BlockOffset(3) + 20, true},
		{"bitmap of block group 0", layout.BlockOffset(1) + 1000, false},
		{"bitmap of inode group 0", layout.BlockOffset(s.sb.InodeBoot-1) + 80, false},
		{"inode 1", s.at(1) + 30, false},
		{"inode 9", s.at(9) + 30, false},
		{"inode 16", s.at(16) + 200, false},
		{inodeObject(s.plain), s.at(s.plain) + 255, false},
		node(s.dir, "names", s.root(s.dir)), node(s.dir, "names", dirLeaf),
		node(s.frag, "extents", s.root(s.frag)), node(s.frag, "extents", fragLeaf),
		node(s.attrs, "attributes", s.attrNode()),
		{`attribute "large" of ` + inodeObject(s.attrs), layout.BlockOffset(attr.Blocks[1]), false},
	}
	if orphans, height := in(layout.OrphanIno).DataRoot(); height > 0 {
		list = append(list, node(layout.OrphanIno, "orphans", orphans))
	}
	if s.sb.Sums().On() {
		plain, long := in(s.plain).InlineExtent(0).Phys, in(s.long).InlineExtent(0).Phys
		list = append(list,
			target{"data at byte 4096 of " + inodeObject(s.plain), layout.BlockOffset(plain+1) + 7, false},
			target{"data at byte 0 of " + inodeObject(s.plain), s.sb.Sums().Offset(plain), false},
			target{"data at byte 0 of " + inodeObject(s.long), layout.BlockOffset(long), false})
	}
	return list
}

// imageTargets is targets for an image that is opened to be scrubbed: what that does not survive is damage of the image, and
// what it empties is not there.
func (s *surgery) imageTargets() (list []target) {
	for _, d := range s.targets() {
		switch d.object {
		case "inode 1", "inode 16":
			d.object = "image"
		}
		list = append(list, d)
	}
	return list
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func inodeObject(ino uint64) string { return "inode " + decimal(ino) }

func nodeObject(block uint64, what string, ino uint64) string {
	return "node at block " + decimal(block) + " (" + what + " of " + inodeObject(ino) + ")"
}

// TestScrubFinds damages every kind of object of an open filesystem, one at a time: a scrub names it and nothing else, and
// repairs what there is another copy of.
func TestScrubFinds(t *testing.T) {
	bothWays(t, func(t *testing.T, sums bool) {
		s := operateWith(t, false, sums)
		fs := mountBytesHeld(t, s)
		if r := mustScrub(t, fs, ScrubOptions{}); !r.Clean() || r.Nodes < 10 || r.DataBlocks < 400 || r.Inodes < 600 {
			t.Fatalf("healthy: %+v", r)
		}
		s.medium = fs.region.Bytes() // it has moved on
		for _, d := range s.targets() {
			undo := flip(fs, d.off)
			r := mustScrub(t, fs, ScrubOptions{})
			if len(r.Findings) != 1 || r.Findings[0].Object != d.object || r.Findings[0].Repaired != d.repaired || r.Findings[0].Problem == "" {
				t.Errorf("%s damaged at %d: found %v", d.object, d.off, r.Findings)
			}
			if !d.repaired {
				undo()
			}
			if again := mustScrub(t, fs, ScrubOptions{}); !again.Clean() {
				t.Fatalf("%s is well again: found %v", d.object, again.Findings)
			}
		}
		checkFS(t, fs)
		closeFS(t, fs)
	})
}

// mountBytesHeld mounts a medium of operate and holds an open file without a name, so that the orphan index is not empty.
func mountBytesHeld(t *testing.T, s *surgery) *FS {
	t.Helper()
	fs := mountBytes(t, s.medium)
	a, err := fs.Create(superuser, nil, fs.Root(), []byte("held again"), &CreateOptions{})
	if err == nil {
		err = errors.Join(fs.Hold(a.Handle), fs.Unlink(superuser, nil, fs.Root(), []byte("held again")), fs.SyncAll())
	}
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// TestScrubFindsJournal damages a record of the live window.
func TestScrubFindsJournal(t *testing.T) {
	b := newBench(t, 16<<20)
	b.must(b.SyncAll())
	pos := b.j.Appended()
	b.create(b.root, "a")
	b.create(b.root, "b")
	flip(b.FS, layout.BlockOffset(layout.JournalRing)+int64(pos)+70)
	r := mustScrub(t, b.FS, ScrubOptions{})
	if len(r.Findings) != 1 || !strings.HasPrefix(r.Findings[0].Object, "journal record") || !r.Findings[0].Repaired {
		t.Errorf("found %v", r.Findings)
	}
	checkMedium(t, b.region.Bytes()) // the damaged record is not in the window any more
}

// TestScrubImageFinds damages every kind of object of an image that is closed.
func TestScrubImageFinds(t *testing.T) {
	s := operateWith(t, false, true)
	path := t.TempDir() + "/img"
	write := func(medium []byte) {
		if err := os.WriteFile(path, medium, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scrub := func() *ScrubReport {
		r, err := ScrubImage(context.Background(), path, ScrubOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	write(s.medium) // opened once, so that what its orphan held is freed
	if r := scrub(); !r.Clean() || !r.Complete {
		t.Fatalf("healthy: %v", r.Findings)
	}
	healthy, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.medium = healthy
	head, err := recovery.Head(healthy)
	if err != nil {
		t.Fatal(err)
	}
	current := layout.JournalHeadA + head.Version%2
	for _, d := range s.imageTargets() {
		medium := slices.Clone(healthy)
		medium[d.off] ^= 4
		write(medium)
		r := scrub()
		found := slices.ContainsFunc(r.Findings, func(f ScrubFinding) bool { return f.Object == d.object && f.Repaired == d.repaired })
		if layout.BlockOf(d.off) == current {
			if !r.Clean() {
				t.Errorf("a head that a power cut may have torn: found %v", r.Findings)
			}
		} else if !found {
			t.Errorf("%s damaged at %d: found %v", d.object, d.off, r.Findings)
		}
	}
}

// TestScrubBeside scrubs a filesystem again and again while others change everything: nothing is found.
func TestScrubBeside(t *testing.T) {
	bothWays(t, func(t *testing.T, sums bool) {
		fs, err := OpenMemory(64<<20, DomainCacheFlush, Options{DataChecksums: sums})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for w := range uint64(4) {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(w, 14))
				s := &stirrer{fs: fs, rng: rng}
				for {
					select {
					case <-stop:
						for len(s.held) > 0 {
							if err := s.release(); err != nil {
								t.Error(err)
							}
						}
						return
					default:
					}
					if rng.IntN(2) == 0 {
						churn(fs, rng)
					} else if err := s.step(); errors.Is(err, ErrIO) {
						t.Error(err)
					}
				}
			})
		}
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			if r := mustScrub(t, fs, ScrubOptions{}); !r.Clean() {
				t.Errorf("found %v", r.Findings)
				break
			}
		}
		close(stop)
		wg.Wait()
		checkFS(t, fs)
		closeFS(t, fs)
	})
}

// endsAfter is a context that ends when it has been asked so many times whether it has.
type endsAfter struct {
	context.Context
	steps int
}

func (c *endsAfter) Err() error {
	if c.steps--; c.steps < 0 {
		return context.Canceled
	}
	return nil
}

// TestScrubResumes stops a pass again and again, also with a restart between, and finds what is damaged once.
func TestScrubResumes(t *testing.T) {
	s := operateWith(t, false, true)
	phys := s.inode(s.plain).InlineExtent(0).Phys
	s.medium[layout.BlockOffset(phys)] ^= 1
	fs := mountBytes(t, s.medium)
	runs, found, read := 0, 0, uint64(0)
	for complete := false; !complete; runs++ {
		if runs > 200 {
			t.Fatal("it does not come to an end")
		}
		r, err := fs.Scrub(&endsAfter{Context: context.Background(), steps: 15 + 3*runs}, ScrubOptions{Resume: true})
		if err != nil && !errors.Is(err, context.Canceled) || (err == nil) != r.Complete {
			t.Fatalf("%+v, %v", r, err)
		}
		complete, found, read = r.Complete, found+len(r.Findings), read+r.Bytes
		st, err := fs.ScrubStatus()
		if err != nil || st.Partial == complete || st.Findings != uint64(found) || st.Running {
			t.Errorf("run %d: status %+v, %v", runs, st, err)
		}
		if runs%3 == 1 {
			next := mountBytes(t, fs.region.Bytes())
			closeFS(t, fs)
			fs = next
		}
	}
	if runs < 4 || found != 1 {
		t.Errorf("%d runs found it %d times", runs, found)
	}
	if st, err := fs.ScrubStatus(); err != nil || st.Passes != 1 || st.Ended < st.Began || st.Ended == 0 || st.Bytes != read {
		t.Errorf("status %+v, %v, after %d bytes", st, err, read)
	}
	if r, err := fs.Check(); err != nil || len(r.Faults) != 1 {
		t.Errorf("check: %v, %v", r, err)
	}
	closeFS(t, fs)
}

// TestScrubRate reads no faster than it may.
func TestScrubRate(t *testing.T) {
	b := newBench(t, 32<<20)
	big := b.create(b.root, "big")
	b.write(big, 4<<20, 0)
	const rate = 16 << 20
	start := time.Now()
	r := mustScrub(t, b.FS, ScrubOptions{Rate: rate})
	if took, least := time.Since(start), time.Duration(float64(r.Bytes)/rate*0.9*float64(time.Second)); took < least || r.Bytes < 4<<20 {
		t.Errorf("%d bytes in %v, expected at least %v", r.Bytes, took, least)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.Scrub(ctx, ScrubOptions{Rate: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopped while it waits: %v", err)
	}
}

// TestScrubState saves how far it is now and then, with one fence each time, and none besides.
func TestScrubState(t *testing.T) {
	b := newBench(t, 32<<20)
	for i := range 300 {
		b.write(b.create(b.root, decimal(uint64(i))), 5000, 0)
	}
	b.must(b.SyncAll())
	before := b.Counters()
	mustScrub(t, b.FS, ScrubOptions{})
	if n := b.Counters().Fences - before.Fences; n != 1 {
		t.Errorf("a scrub took %d fences, expected 1", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { _, err := b.Scrub(ctx, ScrubOptions{Rate: 1 << 16}); done <- err }()
	for running := false; !running; {
		st, err := b.ScrubStatus()
		b.must(err)
		running = st.Running
		time.Sleep(time.Millisecond)
	}
	if _, err := b.Scrub(ctx, ScrubOptions{}); !errors.Is(err, ErrBusy) {
		t.Errorf("a second scrub: %v", err)
	}
	if st, err := b.ScrubStatus(); err != nil || !st.Running {
		t.Errorf("status %+v, %v", st, err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
