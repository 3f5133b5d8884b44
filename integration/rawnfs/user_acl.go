package rawnfs

import (
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// ACE is an entry of a list as it travels: the tag of a default list's has 0x1000 beside it.
type ACE struct{ Tag, ID, Perm uint32 }

// ACL is GETACL of NFSACL, for the access list or the default one.
func (u *User) ACL(h Handle, def bool) ([]ACE, error) {
	mask := aclMask(def)
	d, err := u.callIn(nfswire.ProgACL, nfswire.ProcGetACL, shape{"a", "a"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint32(mask)
	})
	if err != nil {
		return nil, err
	}
	if d.Uint32() != mask {
		return nil, errMalformed
	}
	access, defaults := aces(d), aces(d)
	if def {
		access, defaults = defaults, access
	}
	if len(defaults) > 0 {
		return nil, errMalformed
	}
	return access, done(d)
}

// SetACL is SETACL, for the access list or the default one.
func (u *User) SetACL(h Handle, def bool, list []ACE) error {
	d, err := u.callIn(nfswire.ProgACL, nfswire.ProcSetACL, shape{"a", "a"}, func(e *rpc.Encoder) {
		e.Opaque([]byte(h))
		e.Uint32(aclMask(def))
		if def {
			putACEs(e, nil)
		}
		putACEs(e, list)
		if !def {
			putACEs(e, nil)
		}
	})
	if err != nil {
		return err
	}
	return done(d)
}

func aclMask(def bool) uint32 {
	if def {
		return nfswire.ACLDefault
	}
	return nfswire.ACLAccess
}

func putACEs(e *rpc.Encoder, list []ACE) {
	for range 2 {
		e.Uint32(uint32(len(list)))
	}
	for _, x := range list {
		e.Uint32(x.Tag)
		e.Uint32(x.ID)
		e.Uint32(x.Perm)
	}
}

// aces reads a list; what is not whole the end of the reply tells.
func aces(d *rpc.Decoder) (list []ACE) {
	count, n := d.Uint32(), d.Uint32()
	if count != n {
		d.Fail()
	}
	for i := uint32(0); i < n && d.OK(); i++ {
		list = append(list, ACE{d.Uint32(), d.Uint32(), d.Uint32()})
	}
	return list
}
