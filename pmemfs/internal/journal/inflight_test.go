package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCheckpointBeside runs checkpoints beside commits, then makes sure that each line was flushed that had changed: the
// medium as flushed must equal the medium as stored.
func TestCheckpointBeside(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	stored, flushed := slices.Clone(j.region.Bytes()), slices.Clone(j.region.Bytes())
	j.region.SetRecorder(func(e *pmem.Event) { // it is called by one goroutine at a time
		switch e.Kind {
		case pmem.Stored:
			copy(stored[e.Range.Off:], e.Data)
		case pmem.Flushed:
			from, to := e.Range.Off&^(layout.LineSize-1), layout.LineUp(e.Range.Off+e.Range.Len)
			copy(flushed[from:to], stored[from:to])
		}
	})
	stop := make(chan struct{})
	var checkpoints, writers sync.WaitGroup
	checkpoints.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := j.Checkpoint(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	const each = 2000
	for w := range 4 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 0))
			for i := range each {
				off := dataOff + int64(w)*8*layout.BlockSize + int64(rng.IntN(8*64))*64
				if _, err := put(j, off, fmt.Appendf(nil, "%d:%d", w, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	checkpoints.Wait()
	if err := j.CheckpointClean(); err != nil {
		t.Fatal(err)
	}
	head, ok := layout.DecodeHead(j.region.Bytes()[layout.BlockOffset(layout.JournalHeadA+j.version%2):])
	if !ok || head.TailPos != j.Appended() || head.TailSeq != 4*each+1 || !head.Clean || head.Salt != 42 {
		t.Errorf("head %+v, %v, after %d bytes", head, ok, j.Appended())
	}
	if n := len(j.dirty.list); n != 0 {
		t.Errorf("%d leaves may be dirty after the last checkpoint", n)
	}
	if at := dataOff; !bytes.Equal(flushed[at:], j.region.Bytes()[at:]) {
		t.Error("not everything that was stored in place was flushed")
	}
}

// TestDirtyMapRenewed: a map that has got too large begins anew, and forgets nothing that is dirty.
func TestDirtyMapRenewed(t *testing.T) {
	d := newDirtyMap(1 << 30)
	store := func(block uint64) {
		ts := []touched{{leaf: d.leaf(block), lines: 5, at: uint8(block % leafBlocks), seal: true}}
		ts[0].sealMark()
		d.mark(ts)
	}
	for i := range uint64(leavesMax + 10) {
		store(i * leafBlocks * 3)
	}
	list := d.take(nil, false)
	if len(list) != leavesMax+10 {
		t.Errorf("%d leaves are listed", len(list))
	}
	for _, l := range list {
		l.listed.Store(false) // as a checkpoint does
	}
	store(7)
	list = d.take(nil, true)
	if len(list) != 1 || list[0].lines[7].Load() != 5 || list[0].seal.Load() != 1<<7|1 {
		t.Errorf("%d leaves are listed after one more store", len(list))
	}
	if d.leaves != 0 || d.sealDue(7) {
		t.Errorf("%d leaves are left in a map that begins anew", d.leaves)
	}
}

// TestAcknowledgedInOrder holds up the fence of a record: the next one, whose own lines are durable, waits for it.
func TestAcknowledgedInOrder(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	hold, held, behind := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	j.region.SetPersistHook(func(p pmem.Failpoint, _ pmem.Range) error {
		switch {
		case !p.After && n.Add(1) == 1:
			close(held)
			<-hold
		case p.After && n.Load() == 2:
			close(behind)
			n.Add(1)
		}
		return nil
	})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := put(j, dataOff, []byte("a")); first <- err }()
	<-held
	go func() { _, err := put(j, dataOff+layout.BlockSize, []byte("b")); second <- err }()
	<-behind
	select {
	case err := <-second:
		t.Errorf("a record is done before the one in front of it: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if claim := j.lastDurable(j.seq); claim != 0 {
		t.Errorf("sequence %d is taken for durable", claim)
	}
	close(hold)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	if claim := j.lastDurable(j.seq); claim != 2 {
		t.Errorf("sequence %d is taken for durable, of 2", claim)
	}
}

// TestManyInFlight has more records than there are slots, some of which wait for the first.
func TestManyInFlight(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	for i := range 3 * slotCount {
		if _, err := put(j, dataOff+int64(i%64)*64, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if c := j.lastDurable(j.seq); c != 3*slotCount {
		t.Errorf("sequence %d is durable, of %d", c, 3*slotCount)
	}
	if n := j.region.Counters().Fences; n < 3*slotCount {
		t.Errorf("%d fences for %d records", n, 3*slotCount)
	}
}

// TestHelpLater holds up the fence of a record. Those behind it, which are fenced, are durable with it, without being given a processor.
func TestHelpLater(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	hold, held := make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	j.region.SetPersistHook(pmem.Before(func(pmem.Range) error {
		if n.Add(1) == 1 {
			close(held)
			<-hold
		}
		return nil
	}))
	first := make(chan error, 1)
	go func() { _, err := put(j, dataOff, []byte("a")); first <- err }()
	<-held
	var later sync.WaitGroup
	for i := range 5 {
		later.Go(func() {
			if _, err := put(j, dataOff+int64(i+1)*layout.BlockSize, []byte("b")); err != nil {
				t.Error(err)
			}
		})
	}
	for seq := range uint64(5) {
		for j.slot(seq+2).state.Load() != slotFenced {
			runtime.Gosched()
		}
	}
	close(hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
	for seq := range uint64(5) {
		if state := j.slot(seq + 2).state.Load(); state < slotDurable {
			t.Errorf("record %d is in state %d", seq+2, state)
		}
	}
	later.Wait()
}

// TestQuietBehindRefusal waits for a record that is taken back.
func TestQuietBehindRefusal(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	s, err := j.reserve(layout.RecordHeader, Counts{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		j.quiet()
		close(done)
	}()
	time.Sleep(time.Millisecond) // so that it is likely to wait; right either way
	if !j.unreserve(s) {
		t.Error("the last record cannot be taken back")
	}
	<-done
}

// TestPayloadChanges: who changes bytes that are being committed may get any of them, but a record that is right, in the ring and in
// place. Others' records stand behind it.
func TestPayloadChanges(t *testing.T) {
	testpart.NotRace(t) // the race is the caller's, and what this is about
	j := testJournal(t, Options{NoBackground: true})
	if err := j.Renew(); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 3001)
	var stop atomic.Bool
	var racer sync.WaitGroup
	racer.Go(func() {
		for i := 0; !stop.Load(); i++ {
			p[i*997%len(p)]++
		}
	})
	for i := range 2000 {
		if _, err := put(j, dataOff+layout.BlockSize*int64(i%4), p); err != nil {
			t.Fatal(err)
		}
		if i%8 > 0 {
			continue
		}
		if _, err := j.InspectSelf(func(off int64, object, problem string) { t.Errorf("%d: %s, offset %d: %s", i, object, off, problem) }); err != nil || t.Failed() {
			t.Fatal(err)
		}
		if err := j.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	racer.Wait()
}

// TestPayloadWraps commits payloads that lie around the end of the ring, and looks at what is stored in place.
func TestPayloadWraps(t *testing.T) {
	j := testJournal(t, Options{NoBackground: true})
	p := make([]byte, 3001)
	for i := range 300 {
		for k := range p {
			p[k] = byte(i + k)
		}
		off := dataOff + layout.BlockSize*int64(i%4) + int64(i%90)
		if _, err := put(j, off, p); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(j.region.Bytes()[off:off+int64(len(p))], p) {
			t.Fatalf("commit %d is not in place as it was", i)
		}
		if _, err := put(j, dataOff+4*layout.BlockSize, p[:64+i]); err != nil { // so that records begin everywhere
			t.Fatal(err)
		}
	}
}

// TestCountersOfTwo opens a second journal on a region: the fences of the first stay counted.
func TestCountersOfTwo(t *testing.T) {
	region := testRegion(t)
	for i := range uint64(3) {
		j := openJournal(t, region, Options{NoBackground: true})
		if _, err := put(j, dataOff, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if c := region.Counters(); c.Fences != i+1 || c.Lines != 2*(i+1) {
			t.Errorf("%d fences and %d lines after %d commits", c.Fences, c.Lines, i+1)
		}
	}
}

// TestDirtyMapBounded stores all over the medium, from several sides at once, with fences that take time: a map that has got too large
// begins anew all the same.
func TestDirtyMapBounded(t *testing.T) {
	defer func(old int) { leavesMax = old }(leavesMax)
	leavesMax = 1
	j := openJournal(t, domainRegion(t, pmem.PageCache), Options{NoBackground: true})
	j.region.SetPersistHook(pmem.Before(func(pmem.Range) error { time.Sleep(100 * time.Microsecond); return nil }))
	blocks := (j.region.Size() - dataOff) / layout.BlockSize
	var stop atomic.Bool
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 0))
			for !stop.Load() {
				if _, err := put(j, dataOff+(rng.Int64N(blocks/4)*4+int64(w))*layout.BlockSize, []byte{byte(w)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 30 {
		for !j.dirty.large() {
			runtime.Gosched()
		}
		before := j.dirty.branches[0].Load()
		if err := j.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		if j.dirty.branches[0].Load() == before {
			t.Fatal("a map that is too large has not begun anew")
		}
	}
	stop.Store(true)
	writers.Wait()
}
