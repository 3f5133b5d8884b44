package ninep_test

import (
	"syscall"
	"testing"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/ninep"
)

// panics is a user of whose groups to ask is a fault of ours.
const panics = 666

// TestPanic has requests fail in a way that nobody has thought of: each has an answer, and nothing else suffers.
func TestPanic(t *testing.T) {
	f := serve(t, ninep.Limits{})
	c, before := f.mount(0), safego.Panics()
	for fid := uint32(1); fid < 50; fid++ {
		f.fails(syscall.EIO, c.Attach(fid, "/", panics))
	}
	if n := safego.Panics() - before; n != 49 {
		t.Errorf("%d panics are counted", n)
	}
	f.file(c, 1, "f", "content", 0o644)
	f.reads(c, 1, "content")
	f.ok(c.Attach(2, "/", 1000))
	f.ok(c.Begin(messageBytes, 0, "/", 0)) // nothing is under way for ever
}
