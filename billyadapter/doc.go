// Package billyadapter shows a pmemfs engine as a go-billy v5 filesystem, and as an io/fs one.
//
// # What it adds to billy
//
// Besides billy.Filesystem, billy.Change and billy.Capable an FS offers what billy v5 cannot say:
// hard links, device nodes, fsync, WriteAt, allocation and holes, statfs, extended attributes,
// identity, renames with flags and streaming directories. Each is a small interface in optional.go,
// found by a type assertion.
//
// # Paths
//
// A path is cleaned lexically first, as billy's Join does, so ".." in an argument never passes through
// a link. Then every component is looked up here, one by one, from the inode of the root: the target of
// a symbolic link is followed physically, an absolute target starts again at this filesystem's root, and
// a ".." that would leave the root is billy.ErrCrossedBoundary. The walk keeps the handles it came
// through, so a directory that is moved away meanwhile cannot lead it outside either. More than 40
// links in one walk is ELOOP.
//
// As billy asks, Create, OpenFile with O_CREATE, Rename, Symlink and TempFile make missing parents.
//
// # Credentials and permissions
//
// An FS acts for one pmemfs.Cred, given to New or WithCred; the engine checks every call against it.
// A file's permissions are checked when it is opened: a later chmod does not take an open file away.
//
// # Concurrency
//
// An FS and a File are safe for any number of goroutines. Locks are taken in this order and no other:
//
//	File.lockMu              whether this File has the advisory lock; held while waiting for it, so Close waits too
//	  File.gate              shared by every operation, alone by Close
//	    File.pos             the file's offset
//	      (engine locks)
//	anchor.mu              the lazily found root of a Chroot; never held while a file's lock is taken
//
// File.Lock and Unlock are advisory, exclusive, and hold between all files opened through the filesystems
// derived (Chroot, WithCred) from one New. They are not on the medium: a restart forgets them.
//
// # Durability
//
// Every change is durable when the call returns (the engine's own promise), so Sync has nothing left to
// do in the power-safe modes and exists for callers that want to say it.
//
// # Errors
//
// Failures are *fs.PathError or *os.LinkError around a syscall.Errno, so os.IsNotExist and errors.Is
// with the io/fs sentinels both work; leaving the root is exactly billy.ErrCrossedBoundary. The methods
// name the errors that they can return, and abbreviate two groups:
//
//   - Path errors: ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, EINVAL for a NUL, ESTALE when the root
//     of a Chroot goes meanwhile, and billy.ErrCrossedBoundary.
//   - Change errors: EACCES and EPERM by permission, EROFS where nothing may change, ENOSPC, EMLINK, and EIO
//     when memory is bad or the journal has failed. Nothing has changed then.
//
// After the engine's Close every method returns EBADF, and those of a File os.ErrClosed after its own.
package billyadapter
