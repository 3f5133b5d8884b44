package pmemfs

import (
	"time"

	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
)

// GroupBuckets is in how many classes Activity.Groups has fences: those for 1 change, for 2, up to 4, up to 8 and so on; the last is for more.
const GroupBuckets = journal.GroupBuckets

// Activity is what an open filesystem has done since Open, and what of its space is not simply used or free.
type Activity struct {
	Changes          uint64               // that were recorded in the journal
	RingBytes        uint64               // of the journal in use: what the next open would replay after a crash
	RingAppended     uint64               // bytes that were ever written to it
	RingWaits        uint64               // times that a change found the journal full, and waited for a checkpoint
	CheckpointTime   time.Duration        // of all checkpoints
	Groups           [GroupBuckets]uint64 // fences that were made for several changes at once, in the page-cache domain, by how many
	GroupChanges     uint64               // and those changes
	ReadersWaited    uint64               // calls that waited for another one to read an inode
	WritersWaited    uint64               // and to change one
	ReservedBytes    uint64               // free, and set aside for dirty data and growth under way
	EmergencyBytes   uint64               // free, and kept for what frees others
	QuarantinedBytes uint64               // freed, and reusable after the next checkpoint
	DirtyBytes       uint64               // written and not durable yet, as clients have not asked for it
	OpenFiles        uint64               // that are kept although they may have no name
	Replayed         uint64               // records that Open has replayed
	OpenTook         time.Duration        // how long Open took
}

// Activity returns it. The fields need not belong to the same instant. Safe for concurrent use; no fence.
func (fs *FS) Activity() Activity {
	j := fs.j.Activity()
	a := Activity{
		Changes: j.Records, RingBytes: j.RingBytes, RingAppended: j.RingAppended, RingWaits: j.RoomWaits, CheckpointTime: j.CheckpointTime,
		Groups: j.Groups, GroupChanges: j.GroupRecords, OpenFiles: uint64(max(fs.open.Load(), 0)), DirtyBytes: uint64(max(fs.dirty.Bytes(), 0)), Replayed: fs.replayed, OpenTook: fs.openTook,
		ReservedBytes: bytesOf(fs.a.Reserved()), EmergencyBytes: bytesOf(fs.a.EmergencyReserve()), QuarantinedBytes: bytesOf(fs.a.Blocks.Quarantined()),
	}
	a.ReadersWaited, a.WritersWaited = fs.stripes.waited()
	return a
}

// bytesOf is the bytes of blocks, of which there may be less than none for a moment.
func bytesOf(blocks int64) uint64 { return uint64(max(blocks, 0)) << layout.BlockShift }
