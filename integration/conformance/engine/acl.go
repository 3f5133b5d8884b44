package engine

import (
	"pmemfs/integration/conformance"
	"pmemfs/pmemfs"
)

func kind(def bool) pmemfs.ACLKind {
	if def {
		return pmemfs.ACLDefault
	}
	return pmemfs.ACLAccess
}

// ACL implements conformance.Lister.
func (f *engineFS) ACL(path string, def bool) (list []conformance.Rule, err error) {
	h, err := f.find(path)
	if err != nil {
		return nil, err
	}
	acls, err := f.eng.GetACLs(nil, h)
	acl := acls.Access
	if def {
		acl = acls.Default
	}
	for _, e := range acl {
		r := conformance.Rule{Tag: e.Tag, Perm: e.Perm}
		if e.Tag == pmemfs.ACLUser || e.Tag == pmemfs.ACLGroup {
			r.ID = e.ID
		}
		list = append(list, r)
	}
	return conformance.WithoutMode(list), engineError(err)
}

// SetACL implements conformance.Lister.
func (f *engineFS) SetACL(path string, def bool, list []conformance.Rule) error {
	h, err := f.find(path)
	if err != nil {
		return err
	}
	var acl pmemfs.ACL
	for _, r := range list {
		acl = append(acl, pmemfs.ACLEntry{Tag: r.Tag, Perm: r.Perm, ID: r.ID})
	}
	return engineError(f.eng.SetACLs(f.cred(), nil, h, pmemfs.ACLs{Access: acl, Default: acl}, kind(def)))
}
