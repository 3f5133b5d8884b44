package check

import (
	"fmt"

	"pmemfs/pmemfs/internal/layout"
)

// lists are the access control lists among the attributes of one inode: the access list and the default one.
type lists [2]struct {
	acl   layout.ACL
	found bool
	off   int64 // of the node that has it
}

var listNames = [2]string{layout.ACLAccess, layout.ACLDefault}

// take notes an attribute that is a list. Its value lies in the image.
func (l *lists) take(x *layout.Xattr, off int64) {
	for i, name := range listNames {
		if string(x.Name) == name {
			l[i].acl, l[i].found, l[i].off = x.Value, true, off
		}
	}
}

// vetLists checks the lists of an inode whose attributes could all be read, against each other and the inode.
func (c *checker) vetLists(in layout.Inode, ino uint64, off int64, l *lists) {
	may := typeFlags(in.Mode()&layout.ModeType, ino)
	for i, flag := range [2]uint32{layout.FlagACL, layout.FlagDefaultACL} {
		flagged := in.Flags()&flag != 0
		switch list := &l[i]; {
		case list.found && may&flag == 0:
			c.fault(ACLList, list.off, fmt.Sprintf("attribute %q of inode %d", listNames[i], ino), "none: its type has no such list", "one")
			continue
		case list.found && !list.acl.Valid():
			c.fault(ACLList, list.off, fmt.Sprintf("attribute %q of inode %d", listNames[i], ino), "an access control list", fmt.Sprintf("%d bytes that are none", len(list.acl)))
			continue
		case list.found != flagged:
			c.fault(ACLFlag, off, inodeName(ino), fmt.Sprintf("a flag %#x if it has the attribute %s", flag, listNames[i]), fmt.Sprintf("flags %#x", in.Flags()))
			continue
		case i > 0 || !list.found:
			continue
		}
		if mode, _ := l[i].acl.Mode(); mode != in.Mode()&0o777 {
			c.fault(ACLMode, off, inodeName(ino), fmt.Sprintf("permissions %#o, as its access control list says", mode), fmt.Sprintf("%#o", in.Mode()&0o777))
		}
	}
}
