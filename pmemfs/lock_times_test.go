//go:build locktimes

package pmemfs

import "testing"

// TestLockTimes: every lock that a call takes has a name, and each change takes the stripes of its inodes once.
func TestLockTimes(t *testing.T) {
	fs, err := OpenMemory(64<<20, DomainVolatile, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := fs.Close(); err != nil {
			t.Error(err)
		}
	}()
	root, name := &Cred{}, []byte("name")
	var file Handle
	const n = 100
	for _, c := range []struct {
		what           string
		stripes, reads uint64 // each time
		op             func(i int) error
	}{
		{"create", 2, 0, func(i int) error {
			a, err := fs.Create(root, nil, fs.Root(), append(name, byte('a'+i%26), byte('a'+i/26)), &CreateOptions{})
			file = a.Handle
			return err
		}},
		{"setattr", 1, 0, func(i int) error {
			_, err := fs.Setattr(root, nil, file, &SetAttr{Mask: SetMode, Mode: uint32(i & 0o777)})
			return err
		}},
		{"write", 1, 0, func(i int) error {
			_, _, err := fs.Write(root, nil, file, []byte("text"), uint64(i))
			return err
		}},
		{"getattr", 0, 1, func(int) error {
			_, err := fs.Getattr(nil, file)
			return err
		}},
	} {
		times := LockTimes(func() {
			for i := range n {
				if err := c.op(i); err != nil {
					t.Errorf("%s: %v", c.what, err)
				}
			}
		})
		found := map[string]LockTime{}
		for _, l := range times {
			found[l.Name] = l
			if l.Name == "a lock without a name" {
				t.Errorf("%s takes a lock that has no name: %+v", c.what, l)
			}
		}
		if s := found["stripe"]; s.Takes != c.stripes*n || s.Reads != c.reads*n || s.Of != stripeCount {
			t.Errorf("%s: %+v", c.what, s)
		}
		if g := found["gate"]; g.Takes != 0 || g.Reads != n {
			t.Errorf("%s: %+v", c.what, g)
		}
	}
}
