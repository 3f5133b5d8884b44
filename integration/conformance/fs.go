// Package conformance says what a filesystem has to do, as cases that run on anything that can be made to look like an FS:
// the engine, its adapters, an NFS server behind a raw client, a directory of a kernel.
//
// What is expected is POSIX.1-2017, RFC 1813 where a case needs an NFS server, and where both leave a choice, every answer that
// they allow. A target says what it cannot express (Caps), so that what is left out is known; it never makes a case easier.
//
// The package needs no testing.T and no temporary files, so the same cases run under go test and in the guest program of the
// client kernels.
//
// # Concurrency and durability
//
// An FS and its cases belong to one goroutine. What a target promises about the medium is its own; no case cuts the power.
package conformance

import (
	"strings"
	"syscall"
)

// Errno is how targets say what went wrong. Errors that are none count as unexpected.
type Errno = syscall.Errno

// Type is a file's type, the type bits of a POSIX mode shifted right by 12.
type Type uint8

// File types.
const (
	FIFO    Type = 1
	Char    Type = 2
	Dir     Type = 4
	Block   Type = 6
	Regular Type = 8
	Symlink Type = 10
	Socket  Type = 12
)

// User is who calls.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// Attr is the attributes of a file; times are nanoseconds since 1970.
type Attr struct {
	Type                Type
	Mode                uint32 // 07777
	Nlink               uint32
	UID, GID            uint32
	Size, Used          uint64 // bytes
	Major, Minor        uint32
	Atime, Mtime, Ctime int64
	Ino, FSID           uint64
}

// Set is a change of attributes. What is nil or false stays.
type Set struct {
	Mode, UID, GID     *uint32
	Size               *uint64
	Atime, Mtime       *int64
	AtimeNow, MtimeNow bool
	Guard              *int64 // the ctime that the file must have; for CapGuard
}

// How is how Create treats a name that exists.
type How struct {
	Existing Existing
	Mode     uint32
	Size     *uint64 // set also if the file exists; nil or 0 with CapPaths targets
	Verifier uint64  // for ByVerifier
}

// Existing is what Create does about a name that exists (RFC 1813 section 3.3.8).
type Existing uint8

// The values of Existing.
const (
	Refuse     Existing = iota // GUARDED; O_EXCL
	Take                       // UNCHECKED; plain O_CREAT
	ByVerifier                 // EXCLUSIVE; for CapVerifier
)

// Bits of Access.
const (
	Exec      = 1
	WriteBit  = 2
	ReadBit   = 4
	AllAccess = Exec | WriteBit | ReadBit
)

// Entry is one entry of a directory.
type Entry struct {
	Name   string
	Ino    uint64
	Cookie uint64
}

// Statfs is the size of a filesystem in bytes and files.
type Statfs struct {
	Total, Free, Avail uint64
	Files, FreeFiles   uint64
	NameMax            uint32
}

// What a path cannot say otherwise, for CapRaw: a "/" within a name, and a name of no bytes. Targets put them in after they
// have taken a path apart.
const (
	Slash = "\x02"
	Empty = "\x03"
)

// PathNames takes a path apart and puts in what stands for something else.
func PathNames(path string) []string {
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		names = append(names, strings.ReplaceAll(strings.TrimSuffix(name, Empty), Slash, "/"))
	}
	return names
}

// LastName is PathNames with the last name apart.
func LastName(path string) (dir []string, name string) {
	names := PathNames(path)
	return names[:len(names)-1], names[len(names)-1]
}

// FS is a filesystem as one user sees it. Paths are relative to a directory, with "/" between names. No call follows a
// symbolic link in the last name.
type FS interface {
	As(u User) FS
	At(dir string) FS // the same with paths relative to dir
	Getattr(path string) (Attr, error)
	Setattr(path string, s Set) error
	Access(path string, want uint32) (uint32, error)
	Readlink(path string) (string, error)
	Read(path string, off uint64, n int) ([]byte, error) // shorter only at the end of the file
	Write(path string, off uint64, data []byte) error
	Create(path string, how How) error
	Mkdir(path string, mode uint32) error
	Symlink(target, path string) error
	Mknod(path string, t Type, mode, major, minor uint32) error
	Unlink(path string) error
	Rmdir(path string) error
	Rename(from, to string) error
	Link(old, path string) error
	Names(path string) ([]string, error) // without "." and ".."
	Statfs() (Statfs, error)
	Open(path string) (File, error) // needs CapOpen
}

// File is a file that is known by itself: a handle, or an open file.
type File interface {
	Getattr() (Attr, error)
	Setattr(s Set) error
	Read(off uint64, n int) ([]byte, error)
	Write(off uint64, data []byte) error
	Close() error
}

// Pager is an FS that lists directories in pieces of some bytes; for CapPages. Cookie 0 is the beginning.
type Pager interface {
	Page(path string, cookie uint64, bytes int) (entries []Entry, eof bool, err error)
}

// Wcc is what a target said about a file before and after its last call.
type Wcc struct {
	HasBefore    bool
	Size         uint64 // before
	Mtime, Ctime int64  // before
	HasAfter     bool
	After        Attr
}

// Witness is an FS that tells what it was told beside the results of the last call, a Wcc for each handle in the call; for
// CapWcc.
type Witness interface{ LastWcc() []Wcc }

// Caps are what a target can express.
type Caps uint32

// The capabilities.
const (
	CapUsers     Caps = 1 << iota // calls by different users
	CapLinks                      // hard links
	CapNodes                      // FIFOs, sockets, devices
	CapOpen                       // files known by themselves
	CapStale                      // such a file is stale when its last name is gone; else it lives on until Close
	CapGuard                      // guarded changes of attributes
	CapVerifier                   // Create with a verifier
	CapPages                      // directories in pieces
	CapWcc                        // attributes before and after
	CapDots                       // "." and ".." as a last name reach the filesystem
	CapRaw                        // names with NUL or "/" in them, and empty ones, reach it
	CapStateless                  // the owner may always read and write (RFC 1813 section 4.4)
	CapOpenCheck                  // a file is opened, by its mode, before it is read or written
	CapKinds                      // Unlink and Rmdir are told apart
	CapParents                    // missing parents are not made
	CapMany                       // several attributes in one change
	CapNow                        // times set to the server's clock
	CapAccess                     // questions about permissions
	CapStatfs                     // the size of the filesystem
	CapSetLink                    // attributes of a symbolic link itself
	CapUsed                       // the space that a file takes
	CapSpecial                    // Read and Write of what is no regular file answer at once
	CapExact                      // times to the nanosecond, before 1970 and after 2106 excepted
	CapACL                        // access control lists
	CapSnapshots                  // snapshots, in a directory of where the target begins
	capEnd
)

var capNames = []string{"users", "links", "nodes", "open", "stale", "guard", "verifier", "pages", "wcc", "dots", "raw", "stateless",
	"opencheck", "kinds", "parents", "many", "now", "access", "statfs", "setlink", "used", "special", "exact", "acl", "snapshots"}

// String lists the names of capabilities.
func (c Caps) String() string {
	text := ""
	for i, name := range capNames {
		if c&(1<<i) != 0 {
			text += " " + name
		}
	}
	return text[min(1, len(text)):]
}
