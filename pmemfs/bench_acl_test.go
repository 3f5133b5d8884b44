package pmemfs

import "testing"

// benchRights returns a filesystem, a directory that others may use and a file in it; listed gives both a list.
func benchRights(b *testing.B, listed bool) (*FS, Handle, Handle) {
	fs, c, d := benchFS(b)
	a, err := fs.Create(c, nil, d, []byte("file"), &CreateOptions{Attr: SetAttr{Mask: SetMode, Mode: 0o644}})
	if err == nil && listed {
		err = fs.SetACLs(c, nil, d, ACLs{Access: someACL(7, 5)}, ACLAccess)
	}
	if err == nil && listed {
		err = fs.SetACLs(c, nil, a.Handle, ACLs{Access: someACL(7, 5)}, ACLAccess)
	}
	if err != nil {
		b.Fatal(err)
	}
	return fs, d, a.Handle
}

func benchLookup(b *testing.B, listed bool) {
	fs, d, _ := benchRights(b, listed)
	name := []byte("file")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := fs.Lookup(stranger, nil, d, name); err != nil {
			b.Fatal(err)
		}
	}
}

func benchAccess(b *testing.B, listed bool) {
	fs, _, h := benchRights(b, listed)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := fs.Access(stranger, nil, h, AccessRead|AccessWrite|AccessExec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookupStranger(b *testing.B) { benchLookup(b, false) }
func BenchmarkLookupListed(b *testing.B)   { benchLookup(b, true) }
func BenchmarkAccessStranger(b *testing.B) { benchAccess(b, false) }
func BenchmarkAccessListed(b *testing.B)   { benchAccess(b, true) }
