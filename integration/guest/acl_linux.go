package main

import (
	"errors"

	"golang.org/x/sys/unix"

	"pmemfs/integration/conformance"
)

// ACL implements conformance.Lister.
func (f osFS) ACL(path string, def bool) (list []conformance.Rule, err error) {
	err = f.do(func() error {
		b := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(f.path(path), conformance.ACLAttribute(def), b)
		if errors.Is(err, unix.ENODATA) {
			return nil
		}
		if err != nil {
			return err
		}
		list = conformance.DecodeACL(b[:n])
		return nil
	})
	return conformance.WithoutMode(list), err
}

// SetACL implements conformance.Lister.
func (f osFS) SetACL(path string, def bool, list []conformance.Rule) error {
	return f.do(func() error {
		if list == nil {
			return unix.Lremovexattr(f.path(path), conformance.ACLAttribute(def))
		}
		return unix.Lsetxattr(f.path(path), conformance.ACLAttribute(def), conformance.EncodeACL(list), 0)
	})
}
