package journal

import (
	"math/bits"
	"time"
)

// GroupBuckets is in how many classes groups of records are counted: those of 1, 2, up to 4, up to 8 and so on, the last those that are larger.
const GroupBuckets = 12

// Activity is what a journal has done since New, and how full its ring is.
type Activity struct {
	Records        uint64 // made
	RingBytes      uint64 // records in the window, which recovery would replay
	RingAppended   uint64 // bytes of all records
	RoomWaits      uint64 // times that a record found the ring full
	Checkpoints    uint64
	CheckpointTime time.Duration
	Groups         [GroupBuckets]uint64 // fences that were made for several records, by how many there were
	GroupRecords   uint64               // and those records
}

// Activity returns it. The fields need not belong to the same instant.
func (j *Journal) Activity() Activity {
	j.mu.Lock()
	a := Activity{Records: j.seq - j.firstSeq, RingBytes: j.pos - j.tail, RingAppended: j.pos - j.firstPos}
	j.mu.Unlock()
	a.RoomWaits, a.Checkpoints, a.CheckpointTime = j.roomWaits.Load(), j.checkpoints.Load(), time.Duration(j.checkpointTime.Load())
	a.GroupRecords = j.groupRecords.Load()
	for i := range a.Groups {
		a.Groups[i] = j.groups[i].Load()
	}
	return a
}

// countGroup counts a fence that has made n records durable.
func (j *Journal) countGroup(n uint64) {
	j.groups[min(bits.Len64(n-1), GroupBuckets-1)].Add(1) // n is not 0
	j.groupRecords.Add(n)
}
