package pmemfs

import (
	"math"
	"pmemfs/pmemfs/internal/layout"
)

// Handle is the identity of a file: inode number and generation. No two files ever have the same. Snap is 0 for a live file, or the epoch
// of the snapshot in which the file is meant as it was; no two snapshots of an image ever have the same.
type Handle struct {
	Ino, Gen uint64
	Snap     uint32
}

// Cred is whose permissions a call has. UID 0 overrides permission checks.
type Cred struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
}

// FileType is a file's type, the type bits of a POSIX mode shifted right by 12.
type FileType uint8

// File types.
const (
	TypeFIFO    FileType = layout.ModeFIFO >> 12
	TypeChar    FileType = layout.ModeChar >> 12
	TypeDir     FileType = layout.ModeDir >> 12
	TypeBlock   FileType = layout.ModeBlock >> 12
	TypeRegular FileType = layout.ModeRegular >> 12
	TypeSymlink FileType = layout.ModeSymlink >> 12
	TypeSocket  FileType = layout.ModeSocket >> 12
)

// Attr is the attributes of a file. Times are nanoseconds since 1970.
type Attr struct {
	Handle
	Type                       FileType
	Mode                       uint32 // permission bits, setuid, setgid and sticky: 07777
	Nlink                      uint32
	UID, GID                   uint32
	Size                       uint64 // bytes
	Used                       uint64 // bytes allocated, metadata included
	Major, Minor               uint32 // of a device node
	Atime, Mtime, Ctime, Btime int64
	Change                     uint64 // rises with every change of the file or its attributes
}

// SetMask says which fields of a SetAttr count.
type SetMask uint32

// Bits of SetMask. The Now bits set a time to the server's clock.
const (
	SetMode SetMask = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
	SetAtimeNow
	SetMtimeNow
	SetGuard  // fail with ErrNotSync unless GuardCtime is the file's ctime (RFC 1813 section 3.3.2)
	SetDropID // take away the set-id bits that Mode lacks, of a regular file; who may write it may, others fail with ErrPerm
)

// NoID is the number that is no user's and no group's: chown(2) leaves what it is given for as it is, and so does Setattr. A Cred that has it
// makes nothing.
const NoID uint32 = math.MaxUint32

// nobody is who owns, for those who look, what belongs to NoID: earlier versions stored that, and Linux does not take it for an owner.
const nobody = 65534

func ownerOf(id uint32) uint32 {
	if id == NoID {
		return nobody
	}
	return id
}

// SetAttr is a change of attributes, made as one. UID and GID count for nothing if they are NoID. What is made without SetMode has the
// mode 0644, a directory 0755 and a symbolic link 0777.
type SetAttr struct {
	Mask         SetMask // which of the others count
	Mode         uint32
	UID, GID     uint32
	Size         uint64
	Atime, Mtime int64
	GuardCtime   int64
}

// withoutNoID returns the change without the owners that are to be left alone: s itself if there are none.
func (s *SetAttr) withoutNoID() *SetAttr {
	leave := SetMask(0)
	if s.UID == NoID {
		leave |= SetUID
	}
	if s.GID == NoID {
		leave |= SetGID
	}
	if s.Mask&leave == 0 {
		return s
	}
	less := *s
	less.Mask &^= leave
	return &less
}

// CreateMode is what Create does about a name that exists (RFC 1813 section 3.3.8).
type CreateMode uint8

// Create modes.
const (
	Unchecked CreateMode = iota // an existing regular file is returned, truncated if a size is given
	Guarded                     // ErrExist
	Exclusive                   // ErrExist unless the file was made with the same verifier
)

// CreateOptions are the arguments of Create beside the name.
type CreateOptions struct {
	Mode     CreateMode
	Verifier uint64 // for Exclusive
	Attr     SetAttr
}

// RenameFlags change what Rename does about an existing target.
type RenameFlags uint32

// Rename flags, at most one of them.
const (
	RenameNoReplace RenameFlags = 1 << iota // ErrExist when the target exists
	RenameExchange                          // swap source and target, which must both exist
)

// XattrFlags change what SetXattr does.
type XattrFlags uint32

// Extended attribute flags, at most one of them, as in setxattr(2).
const (
	XattrCreate  XattrFlags = 1 << iota // ErrExist when the attribute exists
	XattrReplace                        // ErrNoXattr when it does not
)

// Bits of Access.
const (
	AccessExec  = 1
	AccessWrite = 2
	AccessRead  = 4
	// AccessChange is for Access alone: to change the entries of a directory, writing and searching both by one right.
	AccessChange = 8
)

// DirEntry is one name of a directory.
type DirEntry struct {
	Name    []byte // valid only during the callback
	Ino     uint64
	Snap    uint32 // of its handle
	Type    FileType
	Cookie  uint64 // where to go on after this entry; stable while the name exists
	Attr    Attr   // counts only with HasAttr
	HasAttr bool
}

// FileID is Handle.FileID of the file.
func (e *DirEntry) FileID() uint64 { return Handle{Ino: e.Ino, Snap: e.Snap}.FileID() }

// Statfs is the size of a filesystem.
type Statfs struct {
	TotalBytes uint64
	FreeBytes  uint64
	AvailBytes uint64 // free less what is kept for operations that free space
	TotalFiles uint64 // files that exist or could be made
	FreeFiles  uint64
	NameMax    uint32
	BlockSize  uint32
}

// NameMax is the longest name in bytes.
const NameMax = layout.NameMax

// SymlinkMax is the longest symbolic link target in bytes.
const SymlinkMax = layout.BlockSize - 1

func attrOf(in layout.Inode) Attr {
	a := Attr{
		Handle: Handle{Ino: in.Ino(), Gen: in.Gen(), Snap: in.Snap()},
		Type:   FileType(in.Mode() >> 12),
		Mode:   uint32(in.Mode() & layout.ModePerm),
		Nlink:  in.Nlink(), UID: ownerOf(in.UID()), GID: ownerOf(in.GID()),
		Size: in.Size(), Used: in.Blocks() << layout.BlockShift,
		Atime: in.Atime(), Mtime: in.Mtime(), Ctime: in.Ctime(), Btime: in.Btime(), Change: in.Change(),
	}
	a.Major, a.Minor = in.Rdev()
	if a.Type == TypeDir {
		a.Size = max(a.Used, layout.BlockSize) // the inode keeps the number of entries there
	}
	return a
}
