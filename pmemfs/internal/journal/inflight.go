package journal

import (
	"runtime"
	"sync/atomic"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// slotCount is a power of two. One slot is free, so that the one before a record stays as it is until the record is done with: it says
// that all before is durable.
const (
	slotCount   = 2048
	inFlightMax = slotCount - 1
)

// What has become of a record in flight.
const (
	slotReserved = iota // it has its sequence and its position in the ring
	slotStored          // it is in the ring
	slotFenced          // its lines are durable; those of earlier records need not be
	slotDurable         // those of all records before it are too
	slotApplied         // and it is stored in place
)

// slot is a record in flight. All but state is written under Journal.mu before anybody else looks.
type slot struct {
	state  atomic.Uint32
	seq    uint64
	pos    uint64 // where the record begins
	end    uint64 // where the next one does
	counts Counts
	named  uint32        // accounts that the record changes: see accountList
	_      [64 - 52]byte // a line each
}

// slot returns the slot of a record in flight.
func (j *Journal) slot(seq uint64) *slot { return &j.slots[seq%slotCount] }

// reserve gives a record of n bytes a sequence and a position in the ring. It waits for space. On an error nothing has happened;
// otherwise the record must be stored, fenced and applied, or the journal fail: later ones wait for it.
func (j *Journal) reserve(n int, counts Counts, accounts []accountChange) (*slot, error) {
	need := layout.LineUp(uint64(n))
	j.mu.LockShort()
	for j.pos+need-j.tail > j.size || j.seq-j.lowSeq >= inFlightMax || j.paused {
		if err := j.awaitRoom(need); err != nil {
			j.mu.Unlock()
			return nil, err
		}
	}
	s := j.slot(j.seq)
	if err := j.mayReserve(need); err != nil {
		j.mu.Unlock()
		return nil, err
	}
	s.state.Store(slotReserved)
	s.seq, s.pos, s.end, s.counts, s.named = j.seq, j.pos, j.pos+need, counts, uint32(len(accounts))
	if len(accounts) > 0 {
		j.await(s.seq, accounts)
	}
	j.seq++
	j.pos += need
	j.fences++
	j.lines += need / layout.LineSize
	wake := j.pos-j.tail > j.limit && !j.pending
	j.pending = j.pending || wake
	j.mu.Unlock()
	if wake {
		j.Wake()
	}
	return s, nil
}

// mayReserve says why the next need bytes of the ring cannot be had, if so.
func (j *Journal) mayReserve(need uint64) error {
	if j.failure.Load() != nil {
		return j.Err()
	}
	if j.pos+need > j.prefaulted {
		return j.prefault(need)
	}
	return nil
}

// awaitRoom lets the records that hold back the tail, or the slots, come to their end. mu is held, but not all the time.
func (j *Journal) awaitRoom(need uint64) error {
	j.advance()
	if j.pos+need-j.tail <= j.size {
		if j.seq-j.lowSeq < inFlightMax && !j.paused {
			return nil
		}
		j.mu.Unlock()
		runtime.Gosched()
		j.mu.Lock()
		return j.Err()
	}
	j.mu.Unlock()
	defer j.mu.Lock()
	j.roomWaits.Add(1)
	if err := j.Checkpoint(); err != nil {
		return err
	}
	runtime.Gosched() // records that are not yet stored in place hold the tail back
	return nil
}

// prefault stores to the pages of the ring that the next need bytes are in, if this mount has not yet. In a sparse image the host
// may have no space for them: that is found out while it harms nobody. (Where records are stored by system calls, those say so.) mu is
// held.
func (j *Journal) prefault(need uint64) error {
	for j.prefaulted < j.pos+need {
		if err := j.probeRing(j.prefaulted % j.size); err != nil && pmem.HostReason(err) == nil {
			return j.fail(err)
		} else if err != nil {
			return err
		}
		j.prefaulted += layout.BlockSize
	}
	if j.prefaulted >= j.firstPos+j.size {
		j.prefaulted = ^uint64(0) // once around
	}
	return nil
}

func (j *Journal) probeRing(at uint64) (err error) {
	defer j.region.Unguard(j.region.Guard(), &err)
	j.region.ProbeStore(j.ring+int64(at), 1)
	return nil
}

// advance moves the low-water mark over all records that are stored in place. mu is held.
func (j *Journal) advance() {
	for j.lowSeq != j.seq {
		s := j.slot(j.lowSeq)
		if s.state.Load() != slotApplied {
			return
		}
		j.low = s.end
		if s.named > 0 {
			j.fold(j.lowSeq)
		}
		j.lowSeq++
		j.lowCnt.Free += s.counts.Free
		j.lowCnt.Inodes += s.counts.Inodes
	}
}

// quiet waits until every record that is in flight now has been applied, or the journal has failed.
func (j *Journal) quiet() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for seq, spins := j.seq, spinsMax+1; j.Err() == nil; spins++ {
		if j.advance(); j.lowSeq == j.seq || !layout.SeqBefore(j.lowSeq, seq) { // the last one may have been taken back
			return
		}
		j.mu.Unlock()
		relax(spins)
		j.mu.Lock()
	}
}

// NextSeq returns the sequence of the next record.
func (j *Journal) NextSeq() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// counted returns the fences of records that their owners made, and the lines that those flushed.
func (j *Journal) counted() (fences, lines uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fences, j.lines
}

// pause lets no more records begin until paused is unset, and waits until those in flight have been applied or the journal has failed.
// mu is held at the end, so that nobody begins before the caller lets go of it.
func (j *Journal) pause() {
	j.paused = true
	for spins := spinsMax + 1; j.lowSeq != j.seq && j.Err() == nil; spins++ {
		j.mu.Unlock()
		relax(spins)
		j.mu.Lock()
		j.advance()
	}
}

// Counts returns the counters behind the last record, of which some may not be durable yet.
func (j *Journal) Counts() Counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.lowCnt
	for seq := j.lowSeq; seq != j.seq; seq++ {
		s := j.slot(seq)
		c.Free += s.counts.Free
		c.Inodes += s.counts.Inodes
	}
	return c
}

// unreserve takes a reservation back, if no later one has been made. Its record is not in the ring.
func (j *Journal) unreserve(s *slot) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seq != s.seq+1 {
		return false
	}
	if s.named > 0 {
		j.forgo(s.seq)
	}
	j.fences--
	j.lines -= (s.end - s.pos) / layout.LineSize
	j.seq, j.pos = s.seq, s.pos
	return true
}

// claim returns the last sequence before seq that a power cut is known to spare. Where fences are dropped at the user's wish, none is.
func (j *Journal) claim(seq uint64) uint64 {
	if !j.claims {
		return 0
	}
	return j.lastDurable(seq)
}

// store copies the record of tx to its position in the ring. body is the checksum of what follows the header, unless there are cuts. It
// returns an error when the host could not store all of it; then it is no record. Memory that faults ends the call.
func (j *Journal) store(tx *Tx, s *slot, h *layout.RecordHead, body uint32) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			fault := j.region.Fault(cause)
			if fault.Host == nil {
				panic(cause)
			}
			err = fault
		}
		if err != nil {
			j.refuse(s.pos % j.size)
		}
	}()
	rest := tx.rec
	if len(tx.cuts) > 0 {
		if err := j.storeCuts(tx, s.pos+layout.RecordHeader); err != nil {
			return err
		}
		for _, part := range j.ringParts(s.pos+layout.RecordHeader, tx.size-layout.RecordHeader) {
			body = layout.CRCUpdate(body, part)
		}
		rest = tx.rec[:layout.RecordHeader]
	}
	layout.EncodeRecordHead(tx.rec, h, body)
	return j.storeRing(s.pos, rest)
}

// storeCuts stores what follows the header, at pos.
func (j *Journal) storeCuts(tx *Tx, pos uint64) error {
	from := layout.RecordHeader
	for i := range tx.cuts {
		c := &tx.cuts[i]
		if err := j.storeRing(pos, tx.rec[from:c.at]); err != nil {
			return err
		}
		c.pos = pos + uint64(c.at-from)
		if err := j.storeRing(c.pos, c.words()); err != nil {
			return err
		}
		pos, from = c.pos+uint64(len(c.words())), c.at
	}
	return j.storeRing(pos, tx.rec[from:])
}

// ringParts returns n bytes of the ring from logical position pos on, the second part where they wrap.
func (j *Journal) ringParts(pos uint64, n int) [2][]byte {
	at := pos % j.size
	first := min(uint64(n), j.size-at)
	ring := j.region.Bytes()[j.ring : j.ring+int64(j.size)]
	return [2][]byte{ring[at : at+first], ring[:uint64(n)-first]}
}

// storeRing copies b to logical position pos, in two parts when it wraps.
func (j *Journal) storeRing(pos uint64, b []byte) error {
	at := pos % j.size
	n := min(uint64(len(b)), j.size-at)
	if err := j.region.Put(j.ring+int64(at), b[:n]); err != nil || n == uint64(len(b)) {
		return err
	}
	return j.region.Put(j.ring, b[n:])
}

// refuse makes a record of which a part was stored in the ring none.
func (j *Journal) refuse(at uint64) {
	defer func() {
		if fault := recover(); fault != nil {
			j.region.Fault(fault) // its head is not stored either
		}
	}()
	j.region.Zero(j.ring+int64(at), layout.RecordHeader)
}
