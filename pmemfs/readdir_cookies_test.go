package pmemfs

import (
	"fmt"
	"slices"
	"testing"
)

// TestReaddirCookies goes on from every cookie, in batches of every size, with and without attributes.
func TestReaddirCookies(t *testing.T) {
	b := newBench(t, 16<<20)
	d := b.mkdir(b.root, "d")
	for i := range 500 {
		b.create(d, fmt.Sprint("f", i))
	}
	var names []string
	var cookies []uint64
	b.must(b.Readdir(superuser, nil, d, 0, true, func(e *DirEntry) bool {
		names, cookies = append(names, string(e.Name)), append(cookies, e.Cookie)
		if !e.HasAttr || e.Attr.Ino != e.Ino {
			t.Errorf("%q: attributes %+v", e.Name, e.Attr)
		}
		return true
	}))
	if len(names) != 502 || names[0] != "." || names[1] != ".." || !slices.IsSorted(cookies) {
		t.Fatalf("%d entries, the first are %q", len(names), names[:2])
	}
	for i, cookie := range cookies {
		n := i + 1
		b.must(b.Readdir(superuser, nil, d, cookie, false, func(e *DirEntry) bool {
			if string(e.Name) != names[n] {
				t.Fatalf("after %q comes %q, expected %q", names[i], e.Name, names[n])
			}
			n++
			return n < min(i+1+i%7+1, len(names))
		}))
	}
	for _, cookie := range []uint64{cookies[501] + 1, 1 << 63, ^uint64(0)} {
		b.must(b.Readdir(superuser, nil, d, cookie, false, func(e *DirEntry) bool { t.Errorf("%q behind the end", e.Name); return true }))
	}
}
