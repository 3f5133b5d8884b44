//go:build !race && !invariants

package pmemfs

import "testing"

// TestCallAllocatesNothing counts the allocations of calls that learn something.
func TestCallAllocatesNothing(t *testing.T) {
	f := newFixture(t, false)
	call, p, name := &Call{}, make([]byte, 4096), []byte("file")
	f.call = call
	for what, run := range map[string]func() error{
		"getattr": func() error { _, err := f.fs.Getattr(call, f.file); return err },
		"lookup":  func() error { _, err := f.fs.Lookup(&f.c, f.call, f.root, name); return err },
		"read":    func() error { _, _, err := f.fs.Read(&f.c, f.call, f.file, p, 0); return err },
		"write":   func() error { _, _, err := f.fs.Write(&f.c, f.call, f.file, p, 0); return err },
		"access":  func() error { _, err := f.fs.Access(&f.c, f.call, f.file, 7); return err },
	} {
		if n := testing.AllocsPerRun(100, func() {
			call.Reset()
			if err := run(); err != nil {
				t.Error(err)
			}
		}); n >= 1 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	closeFS(t, f.fs)
}
