package tarball

import (
	"bytes"
	"testing"
)

// TestACLText reads lists in the forms that programs write, which mean the same.
func TestACLText(t *testing.T) {
	want, err := parseACL("user::rwx,user:0:r--,group::r-x,mask::r-x,other::---")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"user::rwx\nuser:root:r--\ngroup::r-x\nmask::r-x\nother::---\n",
		"other::---,group::r-x,user::rwx,user:root:r--:0,mask::r-x",
		"default:user::rwx,default:user:0:r--,default:group::r-x,default:mask::r-x,default:other::---",
		"u::rwx,u:root:r--:0,g::r-x,m::r-x,o::---",
		"user::rwx # owner\nuser:nobodyknows:r--:0\ngroup::rx\nmask:rx\nother:",
	} {
		got, err := parseACL(text)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %x %v, want %x", text, got, err, want)
		}
	}
	for _, text := range []string{"user", "user:x:rwx", "who::rwx", "user::rwz", "user:nobodyknows:rwx"} {
		if got, err := parseACL(text); err == nil {
			t.Errorf("%q is %x", text, got)
		}
	}
}
