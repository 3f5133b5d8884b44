package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

const (
	ringOff  = 4 * layout.BlockSize
	ringSize = 16 * layout.BlockSize
	dataOff  = 64 * layout.BlockSize // free for the tests
	medium   = 256 * layout.BlockSize
)

func TestCommitStoresInPlace(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	before := j.region.Counters()
	tx := j.Begin()
	in := tx.NewInode(dataOff)
	layout.InitInode(in, 5, 6)
	in.SetMode(layout.ModeRegular)
	n := layout.Node(tx.NewBlock(layout.BlockOf(dataOff)+1, layout.EntryNode))
	layout.InitNode(n, 0, layout.TreeDir, 5, layout.BlockOf(dataOff)+1, 1)
	n.Insert(0, 9, []byte("nine"))
	bitmap := tx.NewBlock(layout.BlockOf(dataOff)+2, layout.EntryBitmap)
	layout.InitBitmap(bitmap, layout.KindInodes, 3)
	tx.Data(dataOff+3*layout.BlockSize+7, []byte("data"))
	tx.Count(-2, 1)
	if bytes.Contains(j.region.Bytes()[dataOff:], []byte("nine")) {
		t.Error("stored in place before the commit")
	}
	seq, err := tx.Commit()
	if err != nil || seq != 1 {
		t.Fatal(seq, err)
	}
	if d := j.region.Counters().Sub(before); d.Fences != 1 {
		t.Errorf("%d fences", d.Fences)
	}
	block := func(i int64) []byte {
		return j.region.Bytes()[dataOff+i*layout.BlockSize : dataOff+(i+1)*layout.BlockSize]
	}
	if !layout.Inode(block(0)[:layout.InodeSize]).Sealed(5) {
		t.Error("the inode is not sealed")
	}
	if err := layout.Node(block(1)).Validate(layout.BlockOf(dataOff) + 1); err != nil || layout.Sealed(block(1)) {
		t.Errorf("the node: %v, or sealed before a checkpoint", err)
	}
	if !layout.BitmapIs(block(2), layout.KindInodes, 3) || string(block(3)[7:11]) != "data" {
		t.Error("bitmap or data are not there")
	}
	if c := j.Counts(); c != (Counts{998, 1}) {
		t.Errorf("counts %+v", c)
	}
	if err := j.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if !layout.Sealed(block(1)) || !layout.Sealed(block(2)) {
		t.Error("a checkpoint does not seal")
	}
	bits := j.Begin()
	bits.Bits(dataOff+2*layout.BlockSize, 100, 70, true)
	bits.Bits(dataOff+2*layout.BlockSize, 120, 5, false)
	if _, err := bits.Commit(); err != nil || layout.BitmapUsed(block(2)) != 65 {
		t.Errorf("%d bits set, %v", layout.BitmapUsed(block(2)), err)
	}
}

func TestAbort(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	tx := j.Begin()
	tx.Data(dataOff, []byte("never"))
	tx.Inode(dataOff + 256).SetUID(7)
	tx.Count(5, 5)
	tx.Abort()
	if j.Appended() != 0 || j.Counts() != (Counts{1000, 0}) {
		t.Errorf("%d bytes of ring, counts %+v", j.Appended(), j.Counts())
	}
	tx = j.Begin() // likely the same one, from the pool
	if !bytes.Equal(tx.Inode(dataOff+256), make([]byte, 256)) {
		t.Error("a shadow survived an abort")
	}
	tx.Abort()
}

// TestRingWraps commits many times the ring's size, of every length, and checks each store.
func TestRingWraps(t *testing.T) {
	const seed = 1
	j := testJournal(t, Options{NoBackground: true})
	rng := rand.New(rand.NewPCG(seed, 0))
	model := make([]byte, 100*layout.BlockSize)
	for step := 0; j.Appended() < 20*ringSize; step++ {
		at := rng.IntN(100) * layout.BlockSize
		p := bytes.Repeat([]byte{byte(step)}, 1+rng.IntN(layout.BlockSize))
		copy(model[at:], p)
		if seq, err := put(j, dataOff+int64(at), p); err != nil || seq != uint64(step+1) {
			t.Fatalf("seed %d step %d: sequence %d, %v", seed, step, seq, err)
		}
	}
	if !bytes.Equal(j.region.Bytes()[dataOff:dataOff+len(model)], model) {
		t.Error("other bytes in place")
	}
	if j.Checkpoints() < 19 {
		t.Errorf("%d checkpoints in 20 laps", j.Checkpoints())
	}
}

func TestTooBig(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	fill := func(n int) error {
		tx := j.Begin()
		for i := range n {
			tx.Data(dataOff+int64(i)*layout.BlockSize, make([]byte, layout.BlockSize))
		}
		_, err := tx.Commit()
		return err
	}
	if err := fill(4); !errors.Is(err, ErrTooBig) {
		t.Errorf("a record of more than a quarter of the ring: %v", err)
	}
	if err := fill(3); err != nil || j.Err() != nil {
		t.Errorf("after it: %v, %v", err, j.Err())
	}
}

// TestGroupCommit makes fences slow, as they are where a fence is a system call: goroutines that arrive meanwhile share the next one.
func TestGroupCommit(t *testing.T) {
	j := openJournal(t, domainRegion(t, pmem.PageCache), Options{NoBackground: true})
	j.region.SetPersistHook(pmem.Before(func(pmem.Range) error { time.Sleep(2 * time.Millisecond); return nil }))
	before := j.region.Counters()
	const workers, each = 16, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				if _, err := put(j, dataOff+int64(w)*layout.BlockSize, []byte{byte(i)}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	fences := j.region.Counters().Sub(before).Fences
	t.Logf("%d operations, %d fences", workers*each, fences)
	if fences > workers*each/3 {
		t.Errorf("%d fences for %d operations", fences, workers*each)
	}
}

// TestRingFull lets many committers wait for space in a ring that only they can empty.
func TestRingFull(t *testing.T) {
	for _, background := range []bool{false, true} {
		j := testJournal(t, Options{NoBackground: !background, Idle: time.Millisecond})
		var wg sync.WaitGroup
		for w := range 12 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				p := bytes.Repeat([]byte{byte(w)}, 4000)
				for range 150 {
					if _, err := put(j, dataOff+int64(w)*layout.BlockSize, p); err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		wg.Wait()
		for w := range 12 {
			at := dataOff + w*layout.BlockSize
			if !bytes.Equal(j.region.Bytes()[at:at+4000], bytes.Repeat([]byte{byte(w)}, 4000)) {
				t.Errorf("worker %d: other bytes in place", w)
			}
		}
	}
}

// TestFailedFence refuses one fence: nothing is stored in place, nothing is acknowledged any more, and waiters return.
func TestFailedFence(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	if _, err := put(j, dataOff, []byte("good")); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("made up")
	j.region.SetPersistHook(pmem.Before(func(pmem.Range) error { return cause }))
	var wg sync.WaitGroup
	var acknowledged atomic.Int64
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, err := put(j, dataOff, []byte("evil"))
			if err == nil {
				acknowledged.Add(1)
			} else if !errors.Is(err, ErrFailed) || !errors.Is(err, cause) {
				t.Errorf("%v", err)
			}
		}()
	}
	wg.Wait()
	j.region.SetPersistHook(nil)
	for name, err := range map[string]error{"checkpoint": j.Checkpoint(), "clean checkpoint": j.CheckpointClean(), "state": j.Err()} {
		if !errors.Is(err, ErrFailed) {
			t.Errorf("%s after the failure: %v", name, err)
		}
	}
	if _, err := put(j, dataOff, []byte("late")); !errors.Is(err, ErrFailed) {
		t.Errorf("commit after the failure: %v", err)
	}
	if acknowledged.Load() != 0 || string(j.region.Bytes()[dataOff:dataOff+4]) != "good" {
		t.Errorf("%d acknowledged, in place is %q", acknowledged.Load(), j.region.Bytes()[dataOff:dataOff+4])
	}
}

// TestFailedFull fails the checkpoint that makes room: those who wait for room return.
func TestFailedFull(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	var fail atomic.Bool
	cause := errors.New("made up")
	j.region.SetPersistHook(pmem.Before(func(r pmem.Range) error {
		if fail.Load() && (r.Off < ringOff || r.Off >= dataOff) {
			return cause
		}
		return nil
	}))
	fail.Store(true)
	for i := 0; ; i++ {
		if _, err := put(j, dataOff, make([]byte, 4000)); err != nil {
			if !errors.Is(err, ErrFailed) || !errors.Is(err, cause) || i < ringSize/4200-1 {
				t.Errorf("commit %d: %v", i, err)
			}
			return
		}
		if i > ringSize/4000 {
			t.Fatal("the ring takes more than it holds")
		}
	}
}

// TestOnCheckpoint is told of the first record that is still in the window.
func TestOnCheckpoint(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	var got []uint64
	j.OnCheckpoint(func(seq uint64) { got = append(got, seq) })
	for range 3 {
		if _, err := put(j, dataOff, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Checkpoint(), j.Checkpoint()); err != nil { // the second has nothing to do
			t.Fatal(err)
		}
	}
	if fmt.Sprint(got) != "[2 3 4]" {
		t.Errorf("told %v", got)
	}
}

// TestVerify finds a wrong checksum at the first use, and only then looks.
func TestVerify(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	good := layout.BlockOf(dataOff)
	b := make([]byte, layout.BlockSize)
	layout.InitBitmap(b, layout.KindBlocks, 0)
	layout.Seal(b)
	j.region.Write(dataOff, b)
	checks := 0
	check := func([]byte) error { checks++; return nil }
	refused := errors.New("made up")
	if err := j.Verify(good, func([]byte) error { return refused }); err != refused {
		t.Errorf("%v", err)
	}
	for range 2 {
		if err := j.Verify(good, check); err != nil {
			t.Error(err)
		}
	}
	if checks != 1 {
		t.Errorf("checked %d times", checks)
	}
	var seal *SealError
	if err := j.Verify(good+1, check); !errors.As(err, &seal) || seal.Block != good+1 || !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("a block of zeros: %v", err)
	}
}

// TestBackground checkpoints an idle journal and one whose ring fills.
func TestBackground(t *testing.T) {
	j := testJournal(t, Options{Idle: 5 * time.Millisecond})
	if _, err := put(j, dataOff, []byte("x")); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Minute) // for a busy machine
	for j.Checkpoints() == 0 {
		if time.Now().After(deadline) {
			t.Fatal("an idle journal is not checkpointed")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAppendLines(t *testing.T) {
	for _, mask := range []uint64{0, 1, 1 << 63, ^uint64(0), 0b1011, 0xff00ff, ^uint64(0) >> 1, ^uint64(1)} {
		var got uint64
		rs := AppendLines(nil, 3, mask)
		for i, r := range rs {
			if i > 0 && rs[i-1].Off+rs[i-1].Len >= r.Off {
				t.Errorf("%#x: runs %+v and %+v are one", mask, rs[i-1], r)
			}
			for off := r.Off; off < r.Off+r.Len; off += layout.LineSize {
				got |= 1 << ((off - layout.BlockOffset(3)) / layout.LineSize)
			}
		}
		if got != mask {
			t.Errorf("%#x: %#x", mask, got)
		}
	}
}

// TestCheckpointPanics: the process outlives a panic in a checkpoint, and the journal must then let no record go any more.
func TestCheckpointPanics(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	if _, err := put(j, dataOff, []byte("data")); err != nil {
		t.Fatal(err)
	}
	j.OnCheckpoint(func(uint64) { panic("as asked") })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		_ = j.Checkpoint()
	}()
	if err := j.Err(); !errors.Is(err, ErrFailed) {
		t.Errorf("after a panic in a checkpoint: %v", err)
	}
	if err := j.Checkpoint(); !errors.Is(err, ErrFailed) {
		t.Errorf("another checkpoint: %v", err)
	}
}
