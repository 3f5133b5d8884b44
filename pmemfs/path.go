package pmemfs

import "strings"

// pathMax bounds the directories of a path that PathOf follows: a rename may lead it in a circle.
const pathMax = 4096

// PathOf returns the path of a directory, from the root on. It reads the directories above until it finds the names, so it is for people.
// Renames meanwhile may make it one that never was.
//
// Errors: ErrNotDir for another file; ErrStale for a directory that was removed, or moved meanwhile; read errors. No fence.
func (fs *FS) PathOf(dir Handle) (string, error) {
	var names []string
	for h := dir; h != fs.root; {
		if len(names) == pathMax {
			return "", ErrStale
		}
		up, err := fs.Lookup(&Cred{}, nil, h, nameDotDot)
		if err != nil {
			return "", err
		}
		name := ""
		if err := fs.Readdir(&Cred{}, nil, up.Handle, cookieDotDot, false, func(e *DirEntry) bool {
			if e.Ino == h.Ino {
				name = string(e.Name)
			}
			return name == ""
		}); err != nil {
			return "", err
		}
		if name == "" {
			return "", ErrStale
		}
		names, h = append(names, name), up.Handle
	}
	var b strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		b.WriteString("/" + names[i])
	}
	if b.Len() == 0 {
		return "/", nil
	}
	return b.String(), nil
}
