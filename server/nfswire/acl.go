package nfswire

import (
	"pmemfs/pmemfs"
	"pmemfs/server/rpc"
)

// NFSACL is a program beside NFS that Solaris has brought and no RFC describes; Linux speaks it too. Version 3 has the same
// handles and statuses as NFS version 3.
const (
	ProgACL      = 100227
	ProcACLNull  = 0
	ProcGetACL   = 1
	ProcSetACL   = 2
	ProcACLCount = 3
)

// Bits of what GETACL and SETACL are about.
const (
	ACLAccess       = 0x1 // the list
	ACLAccessCount  = 0x2 // how many entries it has
	ACLDefault      = 0x4 // the default one
	ACLDefaultCount = 0x8
	ACLMaskAll      = 0xf
)

// ACLEntryBytes is the length of an entry.
const ACLEntryBytes = 12

const (
	aclDefaultFlag = 0x1000 // beside the tag of an entry of a default list
	aclWireEntries = 1024   // of a list on the wire: Linux's NFS_ACL_MAX_ENTRIES
)

// PutACL appends a list of a file with the attributes a, or with only its count if full is not set. What a list without users and
// groups by number does not have and Solaris expects is added: a mask.
func PutACL(e *rpc.Encoder, a *pmemfs.Attr, acl pmemfs.ACL, full, isDefault bool) {
	bare := len(acl) == 3
	count := len(acl)
	if bare {
		count++
	}
	e.Uint32(uint32(count))
	if !full {
		e.Uint32(0)
		return
	}
	e.Uint32(uint32(count))
	flag := uint32(0)
	if isDefault {
		flag = aclDefaultFlag
	}
	for _, x := range acl {
		id := uint32(0)
		switch x.Tag {
		case pmemfs.ACLUser, pmemfs.ACLGroup:
			id = x.ID
		case pmemfs.ACLUserObj:
			id = a.UID
		case pmemfs.ACLGroupObj:
			id = a.GID
		}
		putEntry(e, uint32(x.Tag)|flag, id, x.Perm)
		if bare && x.Tag == pmemfs.ACLGroupObj {
			putEntry(e, pmemfs.ACLMask|flag, 0, x.Perm)
		}
	}
}

func putEntry(e *rpc.Encoder, tag, id uint32, perm uint16) {
	e.Uint32(tag)
	e.Uint32(id)
	e.Uint32(uint32(perm))
}

// ACLBytes reads a list without looking into it. It has as many entries as it counts, or the decoder fails.
func ACLBytes(d *rpc.Decoder) []byte {
	count, n := d.Uint32(), d.Uint32()
	if count != n || n > aclWireEntries {
		d.Fail()
		return nil
	}
	return d.Fixed(int(n) * ACLEntryBytes)
}

// DecodeACL turns what ACLBytes has read into a list, whose entries may be in any order. ErrInval is for an entry that makes no
// sense; the engine says whether the list does. The mask that PutACL would have added is taken away again.
func DecodeACL(b []byte) (pmemfs.ACL, error) {
	d := rpc.NewDecoder(b)
	acl := make(pmemfs.ACL, 0, len(b)/ACLEntryBytes)
	var group, mask uint16
	at := -1
	for len(d.Rest()) > 0 {
		tag, id, perm := d.Uint32()&^aclDefaultFlag, d.Uint32(), d.Uint32()
		switch tag {
		case pmemfs.ACLMask:
			perm &= 7 // Solaris may set other bits
			mask, at = uint16(perm), len(acl)
		case pmemfs.ACLGroupObj:
			group = uint16(perm)
		case pmemfs.ACLUserObj, pmemfs.ACLUser, pmemfs.ACLGroup, pmemfs.ACLOther:
		default:
			return nil, ErrInval
		}
		if perm > 7 {
			return nil, ErrInval
		}
		acl = append(acl, pmemfs.ACLEntry{Tag: uint16(tag), Perm: uint16(perm), ID: id})
	}
	if len(acl) == 4 && at >= 0 && mask == group {
		acl = append(acl[:at], acl[at+1:]...)
	}
	return acl, nil
}
