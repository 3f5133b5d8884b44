package ninep_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"pmemfs/server/ninep"
	"pmemfs/server/ninetest"
)

// from connects, from an address of this machine, and attaches fid 0 as root.
func (f *fixture) from(address string) (*ninetest.Client, error) {
	f.t.Helper()
	c, err := ninetest.DialAs(netip.MustParseAddr(address), f.addr)
	f.ok(err)
	f.t.Cleanup(func() { c.Close() })
	return c, c.Begin(messageBytes, 0, "/", 0)
}

// greedy takes what it can get with so many connections of one address, each as much as it gets, and returns how much that was.
func (f *fixture) greedy(address string, conns int, refusal syscall.Errno, take func(c *ninetest.Client, i int) error) (n int) {
	f.t.Helper()
	for range conns {
		c, err := f.from(address)
		for i := 0; err == nil; i++ {
			if err = take(c, i); err == nil {
				n++
			}
		}
		f.fails(refusal, err)
	}
	return n
}

// TestShares has clients take all that they can get, of everything: who comes later finds room, and who is greedy gets no more by more
// connections.
func TestShares(t *testing.T) {
	for _, row := range []struct {
		name    string
		limits  ninep.Limits
		refusal syscall.Errno
		most    int // of the first
		take    func(c *ninetest.Client, i int) error
	}{
		{"fids", ninep.Limits{Fids: 1000}, syscall.EMFILE, 500, func(c *ninetest.Client, i int) error {
			_, err := c.Walk(0, uint32(10+i))
			return err
		}},
		{"attributes that are written", ninep.Limits{XattrBytes: 1 << 20}, syscall.ENOMEM, 8, func(c *ninetest.Client, i int) error {
			fid := uint32(10 + i)
			if _, err := c.Walk(0, fid, "f"); err != nil {
				return err
			}
			return c.Do(ninetest.Xattrcreate, fid, fmt.Sprint("user.", i), uint64(64<<10), uint32(0))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := serve(t, row.limits)
			f.file(f.mount(0), 1, "f", "content", 0o644)
			first := f.greedy("127.0.0.2", 3, row.refusal, row.take)
			second := f.greedy("127.0.0.3", 2, row.refusal, row.take)
			third := f.greedy("127.0.0.4", 1, row.refusal, row.take)
			if first > row.most || first < row.most*4/5 || second < first/3 || third < second/3 {
				t.Errorf("%d, %d, %d", first, second, third)
			}
		})
	}
}

// TestShareOfWaits has clients send more requests for a lock than may wait: those of each that find no room are told so.
func TestShareOfWaits(t *testing.T) {
	f := serve(t, ninep.Limits{AllWaits: 16})
	holder := f.mount(0)
	f.file(holder, 1, "f", "content", 0o644)
	f.locks(holder, lockGranted, 1, lockWrite, 0, 0, 0, 1)
	const asked = 12
	for _, row := range []struct {
		address string
		waits   int
	}{{"127.0.0.2", 8}, {"127.0.0.3", 4}, {"127.0.0.4", 2}} {
		c, err := f.from(row.address)
		f.ok(err)
		f.walk(c, 0, 1, "f")
		f.ok(c.Open(1, openRDWR))
		for i := range uint32(asked) {
			_, err := c.Send(ninetest.Lock, uint32(1), uint8(lockWrite), uint32(1), uint64(0), uint64(0), i, "host")
			f.ok(err)
		}
		for range asked - row.waits {
			a, err := c.Next()
			f.ok(err)
			if r, err := a.For(ninetest.Lock); err != nil || r.Uint8() != lockBlocked {
				t.Errorf("%s: %v", row.address, err)
			}
		}
		f.silent(c)
	}
}
