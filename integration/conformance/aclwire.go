package conformance

import (
	"encoding/binary"
	"math"
)

// What Linux keeps a list in: a version, and an entry for each rule (linux/posix_acl_xattr.h).
const (
	aclVersion    = 2
	aclHeadBytes  = 4
	aclEntryBytes = 8
)

// aclNames are the attributes that Linux has lists in, the access list first.
var aclNames = [2]string{"system.posix_acl_access", "system.posix_acl_default"}

// ACLAttribute is the name of the attribute with a list.
func ACLAttribute(def bool) string {
	if def {
		return aclNames[1]
	}
	return aclNames[0]
}

// EncodeACL is a list as its attribute has it.
func EncodeACL(list []Rule) []byte {
	b := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, r := range list {
		id := uint32(math.MaxUint32)
		if r.Tag == RuleUser || r.Tag == RuleGroup {
			id = r.ID
		}
		b = binary.LittleEndian.AppendUint16(b, r.Tag)
		b = binary.LittleEndian.AppendUint16(b, r.Perm)
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}

// DecodeACL reads an attribute with a list; what is not whole entries is left out.
func DecodeACL(b []byte) (list []Rule) {
	for b = b[min(aclHeadBytes, len(b)):]; len(b) >= aclEntryBytes; b = b[aclEntryBytes:] {
		r := Rule{Tag: binary.LittleEndian.Uint16(b), Perm: binary.LittleEndian.Uint16(b[2:])}
		if r.Tag == RuleUser || r.Tag == RuleGroup {
			r.ID = binary.LittleEndian.Uint32(b[4:])
		}
		list = append(list, r)
	}
	return list
}
