// Package pmemfs is a POSIX filesystem on byte-addressable persistent memory, or on an ordinary file.
//
// A filesystem is opened with Open and used through the methods of FS. Files are named by Handle, which is valid for as
// long as the file exists, across renames and restarts. Every method that takes a Cred checks permissions as POSIX
// says; every method that changes something is durable on return, in the sense of the persistence domain that Info
// reports. All methods are safe for any number of goroutines.
//
// # Lock order
//
//	scrub.Scrubber.mu       one scrub at a time; held over all of it
//	  gate                  one shared hold per call; Close takes all of them
//	    renameMu            renames that move a directory to another parent; to read, lookups that must not leave a directory
//	      inode.Table.growMu
//	        stripes         of inodes, in ascending order of stripe; and what WriteUnstable has buffered of a file
//	          orphanMu      the orphan index and the list of bad blocks, held by an operation until it ends (alloc.Op.Own)
//	            the locks of alloc and journal (see there)
//	refsMu                  open files; leaf
//	writeback.Buffers.mu    which files are dirty; leaf
//	writeback.Buffers.markMu before gate: one call makes the image say that a crash may lose data
//	media.Health.mu         what is known of bad memory; leaf
//	locks.Table.mu          byte-range locks; leaf
//
// A fault is named and logged after a call has released its locks, with the stripe of the inode concerned, or, within a
// write, under the locks that the write holds.
//
// A second stripe is taken out of order only by TryRLock, which does not wait.
package pmemfs
