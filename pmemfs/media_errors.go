package pmemfs

// MediaErrors counts what bad memory, and the host of the image, have done to an open filesystem.
type MediaErrors struct {
	Data      uint64 `json:"data"`       // refused accesses to file data or attribute values, since Open
	Metadata  uint64 `json:"metadata"`   // refused accesses to anything else, since Open
	Sums      uint64 `json:"checksums"`  // calls that met file data with a wrong checksum, since Open
	Host      uint64 `json:"host"`       // accesses that the host of the image could not do, since Open: no space, I/O errors
	Misplaced uint64 `json:"misplaced"`  // looks for the image that did not find it at its path, since Open
	Lost      uint64 `json:"lost"`       // blocks in use whose content is known not to be the truth, and is refused
	Bad       uint64 `json:"bad_blocks"` // blocks on the list of bad blocks, which nobody uses
}

// MediaErrors returns the counters of bad memory. The fields need not belong to the same instant.
func (fs *FS) MediaErrors() MediaErrors { return MediaErrors(fs.media.Counters()) }

// LookForImage looks whether the image's path still leads to it, logs what has changed since the last look, and counts each look that does not find it
// (MediaErrors). An image that has no name left vanishes with this process: from then on every change is ErrReadOnly. In the page-cache
// domain no change is acknowledged after that whether anybody looks or not; elsewhere, where a reply waits for no system call, those are that come before the next look. Called
// every few seconds by whoever serves an image, from one goroutine.
func (fs *FS) LookForImage() error { return mapErr(fs.media.LookForImage()) }
