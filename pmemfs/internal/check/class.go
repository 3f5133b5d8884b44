package check

// Class names a rule of the format that may be broken. It is stable: REPAIR.md says for each class what a repair does.
type Class string

// Superblocks and the image as a whole.
const (
	SuperblockBoth        Class = "superblock-both"         // no copy is valid
	Superblock            Class = "superblock"              // the first is not, the backup is
	BackupSuperblock      Class = "superblock-backup"       // the backup is not valid
	SuperblocksDiffer     Class = "superblocks-differ"      // both are valid and say different things
	SuperblockBackupBlock Class = "superblock-backup-place" // the backup is not the last block
	SuperblockGeometry    Class = "superblock-geometry"     // regions overlap
	SuperblockReserved    Class = "superblock-reserved"     // reserved bytes are not zero
	ImageTruncated        Class = "image-truncated"         // shorter than the superblock says
	Unreadable            Class = "medium-unreadable"       // memory faults when it is read
)

// Journal.
const (
	JournalHeads        Class = "journal-heads"         // neither is valid
	JournalHeadVersions Class = "journal-head-versions" // the two do not follow each other
	JournalHeadTurn     Class = "journal-head-turn"     // a head in the other's block
	JournalTail         Class = "journal-tail"          // not at the start of a line
	JournalWindow       Class = "journal-window"        // records that overwrite the window's beginning
	JournalRecord       Class = "journal-record"        // one that was durable is not valid
	JournalFenced       Class = "journal-fenced"        // claims to be durable before it was written
	JournalEntry        Class = "journal-entry"         // malformed
	JournalTarget       Class = "journal-target"        // an entry for superblock, head or ring
	JournalEntryCount   Class = "journal-entry-count"   // not as many entries as the header says
	JournalReserved     Class = "journal-reserved"      // reserved bytes of a record are not zero
	JournalFreeBlocks   Class = "journal-free-blocks"   // counter is not as the bitmaps say
	JournalUsedInodes   Class = "journal-used-inodes"
	JournalLostList     Class = "journal-lost-list" // of blocks that refused a store
)

// Bitmaps and ownership of blocks.
const (
	BitmapIdentity      Class = "bitmap-identity"       // not the bitmap that belongs there
	BitmapChecksum      Class = "bitmap-checksum"       //
	BitmapReserved      Class = "bitmap-reserved"       // reserved bytes are not zero
	BitmapPastEnd       Class = "bitmap-past-end"       // a bit behind the last object is set
	BitmapLostBlock     Class = "bitmap-lost-block"     // marked used and owned by nobody
	BitmapUnmarkedBlock Class = "bitmap-unmarked-block" // owned and not marked used
	TwoOwners           Class = "block-two-owners"
	BlockLost           Class = "block-lost"         // its memory refused what was stored last
	BadBlockMap         Class = "bad-block-map"      // the list of bad blocks maps one to another
	InodeMapReserved    Class = "inode-map-reserved" // a number below 17 is marked free
	InodeMapUnused      Class = "inode-map-unused"   // marked used, and nothing is there
	InodeMapUnmarked    Class = "inode-map-unmarked" // an inode that is marked free
)

// Snapshots.
const (
	SnapshotFeature  Class = "snapshot-feature" // the superblock says that there are none, and inode 7 is there
	SnapshotData     Class = "snapshot-data"    // inode 7 has data beside its tree
	SnapshotState    Class = "snapshot-state"   // key 0 of the table
	SnapshotLine     Class = "snapshot-line"    // a snapshot in the table
	SnapshotTwice    Class = "snapshot-twice"   // two of the same name
	ShardTable       Class = "shard-table"
	ShardCounts      Class = "shard-counts"      // not as many nodes, inodes or blocks as its trees have
	KeptShard        Class = "kept-shard"        // in another inode's shard
	KeptInode        Class = "kept-inode"        // an inode as it was
	KeptInodeEntry   Class = "kept-inode-entry"  // the list of kept blocks says otherwise which there are
	KeptRecord       Class = "kept-record"       // malformed entry of a list of kept blocks
	KeptPlace        Class = "kept-place"        // not in the image
	KeptUnneeded     Class = "kept-unneeded"     // no snapshot of its epochs is there
	KeptMissing      Class = "kept-missing"      // a snapshot refers to blocks that are gone, or another's
	KeptUnreferenced Class = "kept-unreferenced" // no inode of a snapshot has the blocks
	KeptName         Class = "kept-name"         // in a directory as it was: of an inode that was not there
)

// Inodes.
const (
	InodeFile        Class = "inode-file"      // inode 1 is not usable
	InodeFileMap     Class = "inode-file-map"  // it has a hole, or blocks of somebody else
	InodeFileSize    Class = "inode-file-size" // it is not as long as its blocks
	InodeChecksum    Class = "inode-checksum"
	FreeInodeContent Class = "inode-free-content" // a free slot holds neither zeros nor a freed inode
	InodeReserved    Class = "inode-reserved"     // reserved bytes are not zero
	InodeType        Class = "inode-type"
	InodeFlags       Class = "inode-flags"
	InodeLinkLimit   Class = "inode-link-limit"
	InodeGeneration  Class = "inode-generation"
	InodeBirth       Class = "inode-birth"
	InodeSize        Class = "inode-size"
	InodeSystem      Class = "inode-system" // one of the filesystem's own has a wrong type or link count
	InodeParent      Class = "inode-parent" // of something that is no directory
	InodeDevice      Class = "inode-device" // a device number of something that is no device
	InodeDataRoot    Class = "inode-data-root"
	InodeAttrRoot    Class = "inode-attr-root"
	InodeInlineCount Class = "inode-inline-count"
	InodeBlocks      Class = "inode-blocks" // another number of blocks than it owns
	InodeLinks       Class = "inode-links"  // another number of links than names
	SymlinkTarget    Class = "symlink-target"
	BytesBehindEnd   Class = "bytes-behind-end" // of a file, in its last block
)

// Directories.
const (
	RootMissing       Class = "root-missing"
	RootParent        Class = "root-parent"
	DirSize           Class = "dir-size"  // not the number of entries
	DirLinks          Class = "dir-links" // not 2 and the number of subdirectories
	DirParent         Class = "dir-parent"
	DirNames          Class = "dir-names" // a directory with none or several
	DirRing           Class = "dir-ring"  // directories that are each other's ancestors
	RemovedDirEntries Class = "dir-removed-entries"
	EntryMalformed    Class = "entry-malformed"
	EntryName         Class = "entry-name" // not legal
	EntryKey          Class = "entry-key"  // not under its hash
	EntryTwice        Class = "entry-twice"
	EntryDangling     Class = "entry-dangling" // of an inode that is not in use
	EntryType         Class = "entry-type"
)

// Accounts of quotas.
const (
	AccountState  Class = "account-state"   // what quotas have beside accounts makes no sense, or is not there
	AccountRecord Class = "account-record"  // makes no sense
	AccountSlots  Class = "account-slots"   // a block of slots that cannot be one
	AccountSlot   Class = "account-slot"    // not one that is given out, or that of another account
	AccountCopies Class = "account-copies"  // a copy of what is used is damaged
	AccountUsed   Class = "account-used"    // not what the inodes take
	InodeCounted  Class = "inode-uncounted" // accounts are not charged for it, and should be
	QuotaData     Class = "quota-data"      // data or attributes beside the tree of accounts
)

// Trees, extents, attributes and the orphan index.
const (
	NodePointer     Class = "node-pointer"
	NodeChecksum    Class = "node-checksum"
	NodeMalformed   Class = "node-malformed"
	NodeOverlap     Class = "node-overlap"  // records share bytes
	NodeReserved    Class = "node-reserved" // reserved bytes are not zero
	NodeIdentity    Class = "node-identity"
	NodeEmpty       Class = "node-empty"
	NodeKeys        Class = "node-keys"  // outside what the parent says
	NodeBirth       Class = "node-birth" // from the future, or younger than the parent
	ExtentRecord    Class = "extent-record"
	ExtentLocation  Class = "extent-place"
	ExtentFlags     Class = "extent-flags"
	ExtentBirth     Class = "extent-birth"
	ExtentLimit     Class = "extent-limit"
	ExtentOrder     Class = "extent-order"
	ExtentBehindEnd Class = "extent-behind-end"
	DataChecksum    Class = "data-checksum" // file data is not as its checksum says
	AttrRecord      Class = "attr-record"
	AttrName        Class = "attr-name"
	AttrKey         Class = "attr-key"
	AttrTwice       Class = "attr-twice"
	AttrInline      Class = "attr-inline" // a value in place that is too long for it
	AttrBlock       Class = "attr-block"
	AttrValue       Class = "attr-value"
	AttrBirth       Class = "attr-birth"
	ACLList         Class = "acl-list"          // an access control list that makes no sense, or where there can be none
	ACLFlag         Class = "acl-flag"          // the inode says that there is one and there is none, or the reverse
	ACLMode         Class = "acl-mode"          // the mode's bits are not as the list says
	StateData       Class = "state-data"        // the key-value store has data beside its attributes
	OrphanIndexData Class = "orphan-index-data" // the index has data beside its tree
	OrphanPayload   Class = "orphan-payload"
	OrphanDangling  Class = "orphan-dangling"
	OrphanType      Class = "orphan-type"
	OrphanMissing   Class = "orphan-missing" // no links, no name, and not in the index
)
