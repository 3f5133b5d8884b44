package main

import (
	"encoding/binary"
	"errors"
	"math"

	"golang.org/x/sys/unix"

	"pmemfs/integration/conformance"
)

func aclName(def bool) string {
	if def {
		return "system.posix_acl_default"
	}
	return "system.posix_acl_access"
}

// ACL implements conformance.Lister.
func (f osFS) ACL(path string, def bool) (list []conformance.Rule, err error) {
	err = f.do(func() error {
		b := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(f.path(path), aclName(def), b)
		if errors.Is(err, unix.ENODATA) {
			return nil
		}
		if err != nil {
			return err
		}
		for b = b[4:n]; len(b) >= 8; b = b[8:] {
			r := conformance.Rule{Tag: binary.LittleEndian.Uint16(b), Perm: binary.LittleEndian.Uint16(b[2:])}
			if r.Tag == conformance.RuleUser || r.Tag == conformance.RuleGroup {
				r.ID = binary.LittleEndian.Uint32(b[4:])
			}
			list = append(list, r)
		}
		return nil
	})
	return conformance.WithoutMode(list), err
}

// SetACL implements conformance.Lister.
func (f osFS) SetACL(path string, def bool, list []conformance.Rule) error {
	return f.do(func() error {
		if list == nil {
			return unix.Lremovexattr(f.path(path), aclName(def))
		}
		b := binary.LittleEndian.AppendUint32(nil, 2)
		for _, r := range list {
			id := uint32(math.MaxUint32)
			if r.Tag == conformance.RuleUser || r.Tag == conformance.RuleGroup {
				id = r.ID
			}
			b = binary.LittleEndian.AppendUint16(b, r.Tag)
			b = binary.LittleEndian.AppendUint16(b, r.Perm)
			b = binary.LittleEndian.AppendUint32(b, id)
		}
		return unix.Lsetxattr(f.path(path), aclName(def), b, 0)
	})
}
