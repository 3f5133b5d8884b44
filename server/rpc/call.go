package rpc

import (
	"encoding/binary"
	"errors"
)

// Version is the only version of the RPC protocol (RFC 5531 section 9).
const Version = 2

// Authentication flavors (RFC 5531 section 8.2).
const (
	AuthNone uint32 = 0
	AuthSys  uint32 = 1
)

const (
	msgCall  = 0
	msgReply = 1

	maxAuthBytes   = 400 // opaque_auth body (RFC 5531 section 8.2)
	maxMachineName = 255 // authsys_parms (RFC 5531 appendix A)
	maxGroups      = 16
)

// ErrNotCall says that a record is not the beginning of a call. There is nobody to answer.
var ErrNotCall = errors.New("rpc: record is not a call")

// Call is the header of a call.
type Call struct {
	XID                          uint32
	RPCVersion, Prog, Vers, Proc uint32
	CredFlavor                   uint32
	CredBody                     []byte // aliases the record
	Args                         []byte // what follows the header; aliases the record
	ArgsOffset                   int    // of Args in the record
}

// callFixed is the length of the header of a call up to its credential's body: xid, type, RPC version, program, version,
// procedure, flavor, length.
const callFixed = 8 * 4

// ParseCall reads the header of a call from a whole record (RFC 5531 section 9). The only error is ErrNotCall.
func ParseCall(record []byte) (c Call, err error) {
	be := binary.BigEndian
	if len(record) < callFixed || be.Uint32(record[4:]) != msgCall {
		return Call{}, ErrNotCall
	}
	c.XID = be.Uint32(record)
	c.RPCVersion, c.Prog, c.Vers, c.Proc = be.Uint32(record[8:]), be.Uint32(record[12:]), be.Uint32(record[16:]), be.Uint32(record[20:])
	c.CredFlavor = be.Uint32(record[24:])
	d := Decoder{buf: record[callFixed-4:]}
	c.CredBody = d.Opaque(maxAuthBytes)
	d.Uint32() // verifier flavor: of no meaning for the flavors served
	d.Opaque(maxAuthBytes)
	if !d.OK() {
		return Call{}, ErrNotCall
	}
	c.Args = d.buf
	c.ArgsOffset = len(record) - len(c.Args)
	return c, nil
}

// SysCred is an AUTH_SYS credential: who the client says is calling.
type SysCred struct {
	UID, GID uint32
	Groups   []uint32
	store    [maxGroups]uint32
}

// ParseSys reads the body of an AUTH_SYS credential; false if it is malformed.
func ParseSys(body []byte) (*SysCred, bool) {
	c := new(SysCred)
	return c, c.parse(body)
}

// parse fills c from the body of a credential, without allocating; false if it is malformed.
func (c *SysCred) parse(body []byte) bool {
	d := NewDecoder(body)
	d.Uint32() // stamp
	d.Opaque(maxMachineName)
	c.UID, c.GID = d.Uint32(), d.Uint32()
	n := d.Uint32()
	if !d.OK() || n > maxGroups {
		return false
	}
	c.Groups = c.store[:n]
	for i := range c.Groups {
		c.Groups[i] = d.Uint32()
	}
	return d.Done()
}
