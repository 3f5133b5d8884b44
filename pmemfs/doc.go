// Package pmemfs is a POSIX filesystem on byte-addressable persistent memory, or on an ordinary file.
//
// Format makes an image, Open opens it, and the methods of FS use it. A Handle names a file for as long as the file exists,
// across renames and restarts. Every method that changes something is durable on return, in the sense of the persistence domain
// that Info reports; WriteUnstable alone may not be. All methods are safe for any number of goroutines.
//
// A file is named by its Handle, or by the Handle of its directory and one name in it. A nil *Call, or a nil *SetAttr of what is
// made, asks for nothing beyond the call. Package billyadapter has paths, open files and io/fs on top of this.
//
// # Permissions
//
// A method that takes a Cred checks permissions: mode bits, access control lists (acl(5)), the sticky bit, set-id bits, and who may
// give a file away. It differs from POSIX where a server without open files has to:
//   - The owner of a file may always read and write its data, and who may execute a file may read it (RFC 1813 section 4.4). Access says
//     what an open would be allowed; Call.Open says that the file was opened, and permissions of its data are not looked at again.
//   - User 0 may do anything but execute a file without an execute bit. There are no capabilities.
//   - A file's new group is the caller's, or its directory's if that has the setgid bit.
//
// What the engine leaves to its callers: paths and the following of symbolic links, umask, open modes, access times (a read does not
// change them), names that are not bytes, squashing, and quotas. Opening a device node, FIFO or socket means nothing here.
//
// # Errors
//
// Every error is an *Error or wraps one: compare with errors.Is. Methods name the errors that they can return, and abbreviate two groups:
//   - Read errors: ErrStale for a handle whose file is gone; ErrIO where what the call needs is damaged, or its memory cannot be read;
//     ErrClosed after Close; ErrWouldBlock by Call.NoWait.
//   - Change errors: ErrStale, ErrIO and ErrClosed too; ErrNoSpace; ErrReadOnly in a filesystem that is open for reading, or has failed.
//
// # The way through the files
//
//	fs.go, format.go          Open, Close, Format; image_whole.go: blocks that an image lacks
//	types.go, errors.go       what callers see; call_wcc.go: what one call asks and learns
//	view.go, change.go        the frames of calls that read, and of those that change something: begin with these
//	retry.go, stripes.go      attempts of a change, and locks of inodes
//	attr.go, permissions.go, acl.go, xattrs.go
//	lookup.go, readdir.go     names to files; dotdot.go: how far up ".." leads
//	create.go, remove.go, link.go, rename.go, rename_resolve.go
//	read.go, read_direct.go, write.go, unstable.go, space.go
//	hold.go, orphan.go, orphan_deferred.go     open files, and files without a name
//	file_locks.go             byte-range locks
//	keyvalue.go, request_notes.go              what servers keep in the image
//	grow.go                   more space
//	check.go, repair.go, scrub.go, media_errors.go, info.go
//
// Everything else is below internal: DESIGN.md says which package does what.
//
// # Lock order
//
//	scrub.Scrubber.mu       one scrub at a time; held over all of it
//	writeback.Buffers.markMu  one call makes the image say that a crash may lose data
//	  gate                  one shared hold per call; Close takes all of them
//	    growMu              one growth at a time; only tried
//	      volume.Volume.SuperMu  who stores a superblock, or compares the two
//	    renameMu            renames that move a directory to another parent; to read, lookups that must not leave a directory
//	      inode.Table.growMu
//	        stripes         of inodes, in ascending order of stripe; and what WriteUnstable has buffered of a file
//	          orphanMu      the orphan index and the list of bad blocks, held by an operation until it ends (alloc.Op.Own); volume.OwnMu below
//	            the locks of alloc and journal (see there)
//	refsMu                  open files; leaf
//	writeback.Buffers.mu    which files are dirty; leaf
//	media.Health.mu         what is known of bad memory; leaf
//	locks.Table.mu          byte-range locks; leaf
//
// A fault is named and logged after a call has released its locks, with the stripe of the inode concerned, or, within a
// write, under the locks that the write holds.
//
// A second stripe is taken out of order only by TryRLock, which does not wait.
package pmemfs
