// Package handle is what clients hold for a file: the bytes of an NFS file handle. All servers of an image share them, so a
// client that mounted through one stack goes on with another.
//
// On the wire, 40 bytes (RFC 1813 section 2.3.3 allows 64, go-nfs needs a multiple of four):
//
//	 0        8            12             20             28            40
//	+--------+------------+--------------+--------------+-------------+
//	| fsid   | export id  | file number  | generation   | digest      |
//	+--------+------------+--------------+--------------+-------------+
//
// The file number of a live file is that of its inode; of one in a snapshot it says which too (pmemfs.Handle.FileID).
//
// The digest is 96 bits of SipHash-2-4-128, keyed with the image's secret, over what stands before it. So nobody can guess a
// handle or carry one over to another export. SipHash is made for authenticating short messages; SHA-256 in its place took a third
// of the time of a GETATTR.
//
// # Concurrency and durability
//
// A Codec is a value that never changes; its methods are safe for any number of goroutines. Handles are made of what the
// image keeps for ever, so they survive restarts, and are good for as long as their file exists.
package handle

import (
	"encoding/binary"
	"errors"

	"github.com/dchest/siphash"

	"pmemfs/pmemfs"
)

// Bytes is the length of a handle.
const Bytes = 40

const signedBytes = 28

var (
	// ErrBad is returned for bytes that this image never gave out: NFS3ERR_BADHANDLE.
	ErrBad = errors.New("handle: malformed or forged")
	// ErrForeign is returned for a handle of another image, which may have been served here before: NFS3ERR_STALE. Its
	// digest cannot be checked.
	ErrForeign = errors.New("handle: of another filesystem")
)

// Codec makes and checks the handles of one image.
type Codec struct {
	fsid   uint64
	k0, k1 uint64
}

// New returns the codec of an open image.
func New(eng *pmemfs.FS) Codec {
	id, key := eng.UUID(), eng.HandleKey()
	le := binary.LittleEndian
	return Codec{fsid: binary.BigEndian.Uint64(id[:8]), k0: le.Uint64(key[:]), k1: le.Uint64(key[8:])}
}

// FSID is the number of the filesystem, for fsid of fattr3.
func (c *Codec) FSID() uint64 { return c.fsid }

// Append appends the Bytes bytes that name a file in an export to b. It allocates nothing if b has room.
func (c *Codec) Append(b []byte, export uint32, h pmemfs.Handle) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint64(b, c.fsid)
	b = binary.BigEndian.AppendUint32(b, export)
	b = binary.BigEndian.AppendUint64(b, h.FileID())
	b = binary.BigEndian.AppendUint64(b, h.Gen)
	sum := c.digest(b[at:])
	return append(b, sum[:]...)
}

// Decode returns what a handle names. Its errors are ErrBad and ErrForeign. It allocates nothing, and takes as long for a
// digest that is almost right as for any other.
func (c *Codec) Decode(b []byte) (export uint32, h pmemfs.Handle, err error) {
	if len(b) != Bytes {
		return 0, h, ErrBad
	}
	if binary.BigEndian.Uint64(b) != c.fsid {
		return 0, h, ErrForeign
	}
	sum := c.digest(b)
	le := binary.LittleEndian
	wrong := le.Uint64(sum[:]) ^ le.Uint64(b[signedBytes:]) | uint64(le.Uint32(sum[8:])^le.Uint32(b[signedBytes+8:]))
	if wrong != 0 { // one comparison, whichever bytes differ
		return 0, h, ErrBad
	}
	h = pmemfs.HandleOf(binary.BigEndian.Uint64(b[12:]), binary.BigEndian.Uint64(b[20:]))
	return binary.BigEndian.Uint32(b[8:]), h, nil
}

// digest signs the first signedBytes of b, in Bytes-signedBytes bytes.
func (c *Codec) digest(b []byte) (sum [Bytes - signedBytes]byte) {
	hi, lo := siphash.Hash128(c.k0, c.k1, b[:signedBytes])
	binary.LittleEndian.PutUint64(sum[:], hi)
	binary.LittleEndian.PutUint32(sum[8:], uint32(lo))
	return sum
}
