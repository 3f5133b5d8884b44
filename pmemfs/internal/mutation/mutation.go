// Package mutation takes one rule at a time away from the engine, to prove that a test would notice.
//
// A rule that the engine follows for the sake of crash consistency asks Rule.Off whether it is to be left out. In an
// ordinary build the answer is the constant false and the compiler leaves nothing of the question. Built with the tag
// "mutation", one rule can be off at a time. Fences and flushes need no rule here: package pmem names each of them, and a
// recorded region forgets one.
//
// Set is for one goroutine, while no filesystem is open.
package mutation

// Rule is something that the engine does lest a crash or damage do harm.
type Rule uint8

// The rules.
const (
	none Rule = iota
	// QuarantineFreed : a freed block is not handed out until a checkpoint has passed the record that freed it.
	QuarantineFreed
	// QuarantineSingle : so it is with a single block.
	QuarantineSingle
	// QuarantineTrimmed : so it is with the end of the inode file.
	QuarantineTrimmed
	// QuarantinePassed : a checkpoint releases only what records before its tail freed.
	QuarantinePassed
	// QuarantineHeld : what an operation frees stays taken until its record is durable.
	QuarantineHeld
	// QuarantineFailed : what an operation took stays taken when its fence was refused.
	QuarantineFailed
	// ReleaseAfterHead : a checkpoint releases freed blocks after its head is fenced, not before.
	ReleaseAfterHead
	// TailAfterHead : ring space is reused after the head that frees it is fenced, not before.
	TailAfterHead
	// TailApplied : a checkpoint's tail is in front of every record that is not stored in place.
	TailApplied
	// ApplyAfterFence : a record is stored in place after it is durable, not before.
	ApplyAfterFence
	// AckInOrder : a record is acknowledged when all before it are durable.
	AckInOrder
	// SealAtCheckpoint : a checkpoint brings the checksums of the metadata blocks it flushes up to date.
	SealAtCheckpoint
	// SealAtRecovery : recovery brings the checksums of the blocks it stores to up to date.
	SealAtRecovery
	// ReplayInOrder : recovery replays records in the order of their sequence.
	ReplayInOrder
	// ReplayFromTail : recovery replays the window from its very tail.
	ReplayFromTail
	// CountsReplayed : recovery counts free blocks and inodes as they are behind the window.
	CountsReplayed
	// EpochRaised : recovery begins a new epoch, with an empty window.
	EpochRaised
	// HeadsAlternate : a journal head is written beside the one that is in use, not over it.
	HeadsAlternate
	// VetEnd : recovery refuses a window that ends before a record that was durable.
	VetEnd
	// VetWhole : recovery looks at the whole window before it stores anything.
	VetWhole
	// RecordOwn : a record of another mount, or one that a user made, is not replayed.
	RecordOwn
	// RecordSeal : the checksum of a journal record is verified.
	RecordSeal
	// HeadSeal : the checksum of a journal head is verified.
	HeadSeal
	// SuperSeal : the checksum of a superblock is verified.
	SuperSeal
	// InodeSeal : the checksum of an inode is verified at each use.
	InodeSeal
	// BlockSeal : the checksum of a node or bitmap is verified at its first use.
	BlockSeal
	// DataSum : the checksum of file data is verified, where there is one.
	DataSum
	// ValueSum : the checksum of a long attribute value is verified.
	ValueSum
	// LostSeal : the checksum of the list of lost blocks is verified.
	LostSeal
	// NoteInRecord : who asked for an operation is in the operation's own record.
	NoteInRecord
	// NotesBeforeEnd : request notes are read from records before the end of the window only.
	NotesBeforeEnd
	// NotesApart : request notes are not read from where carried ones are about to be stored.
	NotesApart
	// NotesCarried : recovery stores the request notes that it found once more, in the new epoch.
	NotesCarried
	// NotesFenced : those are durable before the head that begins the epoch.
	NotesFenced
	// NotesRoom : a window that leaves no room for them is passed over before they are stored.
	NotesRoom
	// SaltRepeated : a recovery that is repeated begins its epoch with the same salt.
	SaltRepeated
	// CutIsOrphan : a file whose truncation takes several records is an orphan from the first one on.
	CutIsOrphan
	// CutFinished : an open finishes the orphans that have names.
	CutFinished
	// ExchangeStamps : an exchange is a change of both directories.
	ExchangeStamps
	// BulkVerified : recovery takes a record that nothing vouches for only if the bulk data that it names is there.
	BulkVerified
	// BulkVouched : recovery does not look at the bulk data of a record that a later one vouches for.
	BulkVouched
	// BulkFenced : the fence of records is one of their bulk data too.
	BulkFenced
	// AccountSeal : the checksum of what an account has used is verified.
	AccountSeal
	// AccountAsOfHead : what an account has used is not read from a copy that came with a later head than the one that counts.
	AccountAsOfHead
	// AccountOlderCopy : a checkpoint writes over the older copy of what an account has used.
	AccountOlderCopy
	// AccountsAtCheckpoint : a checkpoint stores what accounts have used as of its tail.
	AccountsAtCheckpoint
	// AccountsReplayed : recovery adds what the window says of accounts.
	AccountsReplayed
	// AccountsInRecord : what an operation changes of accounts is in its own record.
	AccountsInRecord
	// QuotaBitsFirst : both superblocks say that there are quotas before anything else does.
	QuotaBitsFirst
	// GrowthFlagged : the head says that a growth is under way before anything of it can count.
	GrowthFlagged
	// GrowthCounted : recovery brings the bitmaps in step with the superblock when a growth was under way, and counts them.
	GrowthCounted
	// GrowthWiped : recovery wipes a backup superblock that an interrupted growth has left behind the end.
	GrowthWiped
	// GrowthMarked : the place of the new backup superblock is marked used, on the medium, before that is written.
	GrowthMarked
	// GrowthHeld : the place of the old backup is not handed out before the image is larger.
	GrowthHeld
	// GrowthBackupFirst : the new backup superblock is written before the first one.
	GrowthBackupFirst
	// GrowthSpaceLast : the new space is used when both superblocks are durable, not before.
	GrowthSpaceLast
	// SnapshotNodes : a node that a snapshot has is copied, not changed.
	SnapshotNodes
	// SnapshotData : so is a block of data.
	SnapshotData
	// SnapshotInodes : an inode that a snapshot has is kept as it was, by the record that changes it.
	SnapshotInodes
	// SnapshotMarked : a snapshot is marked in the table before anything of it is freed.
	SnapshotMarked
	// SnapshotHeld : what another snapshot has stays when one is deleted.
	SnapshotHeld
	// RollbackNamed : the table names the snapshot before the first file is what it was.
	RollbackNamed
	// RollbackRevives : what files have again after a rollback is kept for no snapshot any more.
	RollbackRevives

	end
)

var names = [end]string{
	QuarantineFreed: "quarantine of freed blocks", QuarantinePassed: "quarantine until the record is passed",
	QuarantineHeld: "freed blocks held until the commit", QuarantineFailed: "blocks of a refused fence kept",
	ReleaseAfterHead: "quarantine released behind the head", TailAfterHead: "ring reused behind the head",
	TailApplied: "tail before what is not in place", ApplyAfterFence: "stores in place behind the fence",
	AckInOrder:       "acknowledged in the order of the ring",
	SealAtCheckpoint: "checksums at a checkpoint", SealAtRecovery: "checksums at recovery", ReplayInOrder: "replay in order",
	ReplayFromTail: "replay from the tail", EpochRaised: "new epoch", CountsReplayed: "counters as of the end of the window", HeadsAlternate: "heads written in turn", VetEnd: "damaged window refused",
	VetWhole: "window vetted before it is replayed", RecordOwn: "records of this mount only", RecordSeal: "checksum of records",
	HeadSeal: "checksum of heads", SuperSeal: "checksum of superblocks", InodeSeal: "checksum of inodes",
	BlockSeal: "checksum of nodes and bitmaps", DataSum: "checksum of file data", ValueSum: "checksum of attribute values",
	LostSeal: "checksum of the list of lost blocks", NoteInRecord: "request notes in the record", NotesBeforeEnd: "request notes of what has happened only",
	NotesApart: "request notes read apart from where they are carried", NotesCarried: "request notes carried into the new epoch",
	NotesFenced: "carried request notes durable before the head", NotesRoom: "window passed over before request notes are carried",
	SaltRepeated: "salt of a repeated recovery", QuarantineSingle: "quarantine of single blocks", QuarantineTrimmed: "quarantine of the inode file's end", CutIsOrphan: "long truncations in the orphan index",
	CutFinished: "truncations finished at open", ExchangeStamps: "times of both directories of an exchange",
	BulkVerified: "bulk data verified", BulkVouched: "bulk data not verified where a record is vouched for",
	BulkFenced: "bulk data fenced with its record", AccountSeal: "checksum of accounts", AccountAsOfHead: "accounts as of the head that counts",
	AccountOlderCopy: "older copy of an account overwritten", AccountsAtCheckpoint: "accounts stored at a checkpoint",
	AccountsReplayed: "accounts as of the end of the window", AccountsInRecord: "changes of accounts in the record",
	QuotaBitsFirst: "superblocks before accounts",
	GrowthFlagged:  "growth said in the head", GrowthCounted: "bitmaps counted after a growth", GrowthWiped: "backup superblock of a broken growth wiped",
	GrowthMarked: "place of a new backup superblock marked", GrowthHeld: "old backup superblock held until the image has grown",
	SnapshotNodes: "shared nodes copied", SnapshotData: "shared data replaced", SnapshotInodes: "shared inodes kept",
	SnapshotMarked: "deletion of a snapshot marked first", SnapshotHeld: "what other snapshots have stays",
	RollbackNamed: "rollback named first", RollbackRevives: "blocks of a rollback given back",
	GrowthBackupFirst: "backup superblock written first", GrowthSpaceLast: "new space used when the superblocks are durable",
}

// String returns what the rule says.
func (r Rule) String() string { return names[r] }

// Rules returns all rules.
func Rules() []Rule {
	var rs []Rule
	for r := none + 1; r < end; r++ {
		rs = append(rs, r)
	}
	return rs
}
