package gonfs

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"

	"pmemfs/pmemfs"
)

// A file handle on the wire, 40 bytes (RFC 1813 allows 64; go-nfs needs a multiple of four):
//
//	 0        8            12             20             28            40
//	+--------+------------+--------------+--------------+-------------+
//	| fsid   | export id  | inode number | generation   | digest      |
//	+--------+------------+--------------+--------------+-------------+
//
// The digest is the beginning of SHA-256 over the image's secret key and what stands before it.
const (
	handleBytes  = 40
	handleSigned = 28
)

// handleCodec makes and checks handles of one image.
type handleCodec struct {
	fsid uint64
	key  [16]byte
}

func newHandleCodec(eng *pmemfs.FS) handleCodec {
	id := eng.UUID()
	return handleCodec{fsid: binary.BigEndian.Uint64(id[:8]), key: eng.HandleKey()}
}

func (c handleCodec) encode(export uint32, h pmemfs.Handle) []byte {
	b := make([]byte, handleSigned, handleBytes)
	binary.BigEndian.PutUint64(b, c.fsid)
	binary.BigEndian.PutUint32(b[8:], export)
	binary.BigEndian.PutUint64(b[12:], h.Ino)
	binary.BigEndian.PutUint64(b[20:], h.Gen)
	return append(b, c.digest(b)...)
}

// decode returns what a handle names; false if this image never gave it out.
func (c handleCodec) decode(b []byte) (export uint32, h pmemfs.Handle, ok bool) {
	if len(b) != handleBytes || binary.BigEndian.Uint64(b) != c.fsid ||
		subtle.ConstantTimeCompare(c.digest(b[:handleSigned]), b[handleSigned:]) != 1 {
		return 0, pmemfs.Handle{}, false
	}
	h = pmemfs.Handle{Ino: binary.BigEndian.Uint64(b[12:]), Gen: binary.BigEndian.Uint64(b[20:])}
	return binary.BigEndian.Uint32(b[8:]), h, true
}

// digest signs b, which always has the same length: key-prefixed hashing needs that to be sound.
func (c handleCodec) digest(b []byte) []byte {
	var msg [16 + handleSigned]byte
	copy(msg[:], c.key[:])
	copy(msg[16:], b)
	sum := sha256.Sum256(msg[:])
	return sum[:handleBytes-handleSigned]
}
