package layout

import (
	"slices"

	"pmemfs/pmemfs/internal/mutation"
)

// Accounts of quotas are in a tree (TreeAccounts) of inode QuotaIno. What an account has used changes with most operations, and is not in
// the tree but in the account's slot, which never moves. The slots are in blocks that the tree names.
//
// A slot is a line with two copies of what the account has used. A copy says by its version with which journal head it came: of those whose
// checksum is right and whose version is not above that of the head that counts, the newer one is the account as of the head's tail. What
// the live window says of the account (EntryAccount) is added to it.
//
//	copy:    0 crc u32 of 4..32 | 4 zero u32 | 8 version u64 | 16 blocks i64 | 24 inodes i64
//	account: 0 slot u64 | 8 hard blocks u64 | 16 soft blocks u64 | 24 hard inodes u64 | 32 soft inodes u64 | 40 deadline of blocks i64
//	         48 deadline of inodes i64 | 56 root inode u64 | 64 its generation u64 | 72 replaced project u32 | 76 state u8 | 77 zero
//	slots:   0 block u64 | 8 slots of it that are given out u32 | 12 zero
//	state:   0 walk u8 | 1 zero | 8 grace times i64, of users', groups' and projects' blocks and then inodes
const (
	QuotaIno     = 8      // its tree has the accounts of quotas; zeros while there are none
	FlagCounted  = 1 << 4 // of an inode: its accounts have what it takes
	TreeAccounts = 7

	AccountSlotSize  = LineSize // part of the medium
	accountCopySize  = 32
	SlotsPerBlock    = BlockSize / AccountSlotSize
	AccountPayload   = 80
	QuotaStateSize   = 56
	SlotBlockPayload = 16
)

// AccountKind says what an account is of.
type AccountKind uint8

// Kinds of accounts, part of the medium.
const (
	AccountUser    AccountKind = 1
	AccountGroup   AccountKind = 2
	AccountProject AccountKind = 3
)

// Other kinds of keys in the tree of accounts.
const (
	keyQuotaState = uint64(0)
	keySlotBlocks = uint64(4) << 32
)

// AccountKey returns the key of an account in their tree.
func AccountKey(kind AccountKind, id uint32) uint64 { return uint64(kind)<<32 | uint64(id) }

// AccountOf is the reverse of AccountKey. ok is false for a key that is no account's.
func AccountOf(key uint64) (kind AccountKind, id uint32, ok bool) {
	kind = AccountKind(key >> 32)
	return kind, uint32(key), key>>32 >= uint64(AccountUser) && key>>32 <= uint64(AccountProject)
}

// QuotaStateKey returns the key of the state of quotas.
func QuotaStateKey() uint64 { return keyQuotaState }

// SlotBlockKey returns the key that names block n of slots.
func SlotBlockKey(n uint64) uint64 { return keySlotBlocks + n }

// SlotBlockOf is the reverse of SlotBlockKey. ok is false for another key.
func SlotBlockOf(key uint64) (n uint64, ok bool) {
	return key - keySlotBlocks, key>>32 == keySlotBlocks>>32
}

// Usage is what an account has used.
type Usage struct {
	Blocks, Inodes int64
}

// Add adds what another one has.
func (u *Usage) Add(d Usage) {
	u.Blocks += d.Blocks
	u.Inodes += d.Inodes
}

// InitSlotBlock formats a block of slots: nothing is used, as of any head.
func InitSlotBlock(b []byte) {
	clear(b[:BlockSize])
	for at := 0; at < BlockSize; at += accountCopySize {
		EncodeAccountCopy(b[at:], 0, Usage{})
	}
}

// EncodeAccountCopy fills a copy of what an account has used.
func EncodeAccountCopy(b []byte, version uint64, u Usage) {
	le.PutUint32(b[4:], 0)
	le.PutUint64(b[8:], version)
	le.PutUint64(b[16:], uint64(u.Blocks))
	le.PutUint64(b[24:], uint64(u.Inodes))
	seal(b[:accountCopySize])
}

// AccountCopySize is the size of a copy in a slot, in bytes.
const AccountCopySize = accountCopySize

// DecodeSlot returns what an account has used as of the head of a version, and which copy says so. ok is false when none can be used.
func DecodeSlot(b []byte, head uint64) (u Usage, copyNo int, ok bool) {
	newest := uint64(0)
	for i := range 2 {
		c := b[i*accountCopySize : (i+1)*accountCopySize]
		version := le.Uint64(c[8:])
		if version > head && !mutation.AccountAsOfHead.Off() || !sealed(c) && !mutation.AccountSeal.Off() || ok && version <= newest {
			continue
		}
		u, copyNo, ok, newest = Usage{int64(le.Uint64(c[16:])), int64(le.Uint64(c[24:]))}, i, true, version
	}
	return u, copyNo, ok
}

// SlotWhole reports whether both copies of a slot are right. One may be torn only while the live window says something of the account.
func SlotWhole(b []byte) bool {
	return sealed(b[:accountCopySize]) && sealed(b[accountCopySize:AccountSlotSize]) || mutation.AccountSeal.Off()
}

// Limits are those of an account. Zero is none. Blocks are of BlockSize bytes, deadlines in ns since 1970.
type Limits struct {
	HardBlocks, SoftBlocks uint64
	HardInodes, SoftInodes uint64
}

// What becomes of the inodes below the root of a project.
const (
	ProjectNone   = 0 // it has no root
	ProjectSet    = 1 // all of them have it
	ProjectGrows  = 2 // they are being given to it
	ProjectLeaves = 3 // they are being taken from it
)

// Account is a record of the tree of accounts.
type Account struct {
	Slot int64 // byte offset in the image
	Limits
	BlocksDeadline int64 // when the soft limit counts like the hard one; 0 while it is not exceeded
	InodesDeadline int64
	Root, RootGen  uint64 // of a project: the directory that it is of
	Replaced       uint32 // the project that its inodes had before, or get back
	State          uint8
}

// EncodeAccount fills a payload.
func EncodeAccount(b []byte, a *Account) {
	clear(b[:AccountPayload])
	for i, v := range []uint64{uint64(a.Slot), a.HardBlocks, a.SoftBlocks, a.HardInodes, a.SoftInodes, uint64(a.BlocksDeadline),
		uint64(a.InodesDeadline), a.Root, a.RootGen} {
		le.PutUint64(b[8*i:], v)
	}
	le.PutUint32(b[72:], a.Replaced)
	b[76] = a.State
}

// DecodeAccount reads a payload. ok is false when it makes no sense.
func DecodeAccount(b []byte) (a Account, ok bool) {
	if len(b) != AccountPayload || anySet(b[77:]) || b[76] > ProjectLeaves || le.Uint64(b)%AccountSlotSize != 0 || int64(le.Uint64(b)) <= 0 {
		return a, false
	}
	return Account{
		Slot:           int64(le.Uint64(b)),
		Limits:         Limits{le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:])},
		BlocksDeadline: int64(le.Uint64(b[40:])), InodesDeadline: int64(le.Uint64(b[48:])),
		Root: le.Uint64(b[56:]), RootGen: le.Uint64(b[64:]), Replaced: le.Uint32(b[72:]), State: b[76],
	}, true
}

// What is to be done with the inodes of an image.
const (
	WalkCounts = 0 // those without FlagCounted are to be counted
	WalkDone   = 1 // nothing
	WalkClears = 2 // the flag is to be taken from all of them, and then all accounts are to be cleared: nothing is charged for meanwhile
)

// QuotaState is what quotas have beside accounts.
type QuotaState struct {
	Walk uint8
	// Grace is how long a soft limit may be exceeded, in ns: of the blocks and then of the inodes, of users, groups and projects.
	Grace [6]int64
}

// EncodeQuotaState fills a payload.
func EncodeQuotaState(b []byte, s *QuotaState) {
	clear(b[:QuotaStateSize])
	b[0] = s.Walk
	for i, v := range s.Grace {
		le.PutUint64(b[8+8*i:], uint64(v))
	}
}

// DecodeQuotaState reads a payload. ok is false when it makes no sense.
func DecodeQuotaState(b []byte) (s QuotaState, ok bool) {
	if len(b) != QuotaStateSize || b[0] > WalkClears || anySet(b[1:8]) {
		return s, false
	}
	s.Walk = b[0]
	for i := range s.Grace {
		if s.Grace[i] = int64(le.Uint64(b[8+8*i:])); s.Grace[i] < 0 {
			return s, false
		}
	}
	return s, true
}

// EncodeSlotBlock fills a payload that names a block of slots, the first of which are given out.
func EncodeSlotBlock(b []byte, block uint64, used int) {
	clear(b[:SlotBlockPayload])
	le.PutUint64(b, block)
	le.PutUint32(b[8:], uint32(used))
}

// DecodeSlotBlock reads it. ok is false when it makes no sense.
func DecodeSlotBlock(b []byte) (block uint64, used int, ok bool) {
	if len(b) != SlotBlockPayload || anySet(b[12:]) || le.Uint32(b[8:]) > SlotsPerBlock {
		return 0, 0, false
	}
	return le.Uint64(b), int(le.Uint32(b[8:])), true
}

// AccountEntry is the payload of an entry EntryAccount: what a record changes of the account whose slot is at the entry's offset. Its length
// is 8 bytes for two i32, of blocks and inodes, and 16 for two i64.
const (
	accountShort = 8
	accountLong  = 16
)

// AppendAccountEntry appends an entry for the account with its slot at byte offset off.
func AppendAccountEntry(b []byte, off int64, d Usage) []byte {
	n := accountShort
	if d.Blocks != int64(int32(d.Blocks)) || d.Inodes != int64(int32(d.Inodes)) {
		n = accountLong
	}
	at := len(b)
	b = slices.Grow(b, EntryHeader+n)[:at+EntryHeader+n]
	e := b[at:]
	le.PutUint64(e, uint64(off))
	le.PutUint64(e[8:], uint64(n)|uint64(EntryAccount)<<32)
	if n == accountShort {
		le.PutUint32(e[EntryHeader:], uint32(int32(d.Blocks)))
		le.PutUint32(e[EntryHeader+4:], uint32(int32(d.Inodes)))
	} else {
		le.PutUint64(e[EntryHeader:], uint64(d.Blocks))
		le.PutUint64(e[EntryHeader+8:], uint64(d.Inodes))
	}
	return b
}

// AccountEntryMax bounds the size of an entry of an account.
const AccountEntryMax = EntryHeader + accountLong

func nextAccountEntry(e Entry, rest []byte, size int64) (Entry, []byte, bool) {
	if e.Len != accountShort && e.Len != accountLong || e.Arg != 0 || e.Off%AccountSlotSize != 0 || e.Off > size-AccountSlotSize || len(rest) < int(e.Len) {
		return e, nil, false
	}
	e.Data, rest = rest[:e.Len], rest[e.Len:]
	return e, rest, true
}

// AccountChange returns what an entry of that kind changes.
func (e *Entry) AccountChange() Usage {
	if len(e.Data) == accountShort {
		return Usage{int64(int32(le.Uint32(e.Data))), int64(int32(le.Uint32(e.Data[4:])))}
	}
	return Usage{int64(le.Uint64(e.Data)), int64(le.Uint64(e.Data[8:]))}
}

// Project returns the project whose account has what the inode takes, 0 for none.
func (in Inode) Project() uint32 { return le.Uint32(in[offProject:]) }

// SetProject sets the project.
func (in Inode) SetProject(v uint32) { le.PutUint32(in[offProject:], v) }

// Counted reports whether the inode's accounts have what it takes.
func (in Inode) Counted() bool { return in.Flags()&FlagCounted != 0 }

// Quotas reports whether the image may have accounts of quotas.
func (s *Superblock) Quotas() bool { return s.ROCompat&ROCompatQuota != 0 }

// The two copies fill a slot.
var _ [AccountSlotSize - 2*accountCopySize]byte = [0]byte{}
