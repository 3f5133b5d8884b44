package integration

import (
	"fmt"

	"pmemfs/integration/conformance"
	"pmemfs/integration/rawnfs"
)

// ACL implements conformance.Lister, and demands that each entry of a default list says so.
func (f *nfsFS) ACL(path string, def bool) (list []conformance.Rule, err error) {
	err = f.on(path, func(h rawnfs.Handle) error {
		aces, err := f.u.ACL(h, def)
		if err != nil {
			return err
		}
		for _, e := range aces {
			if e.Tag&0x1000 != 0 != def {
				return fmt.Errorf("tag %#x in a list, default: %v", e.Tag, def)
			}
			r := conformance.Rule{Tag: uint16(e.Tag &^ 0x1000), Perm: uint16(e.Perm)}
			if r.Tag == conformance.RuleUser || r.Tag == conformance.RuleGroup {
				r.ID = e.ID
			}
			list = append(list, r)
		}
		return nil
	})
	return conformance.WithoutMode(list), err
}

// SetACL implements conformance.Lister.
func (f *nfsFS) SetACL(path string, def bool, list []conformance.Rule) error {
	var aces []rawnfs.ACE
	for _, r := range list {
		aces = append(aces, rawnfs.ACE{Tag: uint32(r.Tag), ID: r.ID, Perm: uint32(r.Perm)})
	}
	return f.on(path, func(h rawnfs.Handle) error { return f.u.SetACL(h, def, aces) })
}
