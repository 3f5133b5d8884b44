package conformance

import (
	"bytes"
	"fmt"
	"slices"
)

// sizeCases read, write and truncate.
func sizeCases() []Case {
	list := slices.Concat(endCases(), truncateCases(), bulkCases())
	for _, n := range []int{1, 511, 4095, 4096, 4097, 8191, 8192, 8193, 65535, 65536, 65537, 1 << 20, 1<<20 + 1} {
		for _, off := range []uint64{0, 1, 4095} {
			list = append(list, Case{fmt.Sprintf("size/%d bytes at %d", n, off), 0, func(c *C) {
				data := fill(n, uint32(n))
				c.file("f", "")
				c.ok(c.Write("f", off, data))
				same(c, "size", c.attr("f").Size, off+uint64(n))
				got, err := c.Read("f", 0, int(off)+n+10)
				c.ok(err)
				if !bytes.Equal(got, append(make([]byte, off), data...)) {
					c.fault("%d bytes came back otherwise", len(got))
				}
			}})
		}
	}
	return append(list, guardCases()...)
}

// endCases read and write around the end of a file, and far beyond it.
func endCases() []Case {
	return []Case{
		{"size/read around the end", 0, func(c *C) {
			c.file("f", "0123456789")
			for _, r := range []struct {
				off  uint64
				n    int
				want string
			}{{0, 10, "0123456789"}, {0, 4, "0123"}, {4, 4, "4567"}, {8, 4, "89"}, {9, 1, "9"}, {10, 4, ""}, {11, 4, ""}, {1 << 40, 4, ""}, {3, 0, ""}} {
				got, err := c.Read("f", r.off, r.n)
				c.ok(err)
				same(c, fmt.Sprintf("%d bytes at %d", r.n, r.off), string(got), r.want)
			}
		}},
		{"size/write of nothing", 0, func(c *C) {
			c.file("f", "content")
			c.ok(c.Write("f", 100, nil))
			c.holds("f", "content")
		}},
		{"size/write inside, at and beyond the end", 0, func(c *C) {
			c.file("f", "0123456789")
			c.ok(c.Write("f", 3, []byte("abc")))
			c.holds("f", "012abc6789")
			c.ok(c.Write("f", 10, []byte("X")))
			c.holds("f", "012abc6789X")
			c.ok(c.Write("f", 15, []byte("Y")))
			c.holds("f", "012abc6789X\x00\x00\x00\x00Y")
			same(c, "size", c.attr("f").Size, 16)
		}},
		{"size/hole", 0, func(c *C) {
			c.file("f", "a")
			c.ok(c.Write("f", 1<<20, []byte("z")))
			same(c, "size", c.attr("f").Size, 1<<20+1)
			got, err := c.Read("f", 1, 1<<20-1)
			c.ok(err)
			if !bytes.Equal(got, make([]byte, 1<<20-1)) {
				c.fault("the hole is not empty: %d bytes", len(got))
			}
		}},
		{"size/hole takes no space", CapUsed, func(c *C) {
			c.file("f", "a")
			c.ok(c.Write("f", 1<<30, []byte("z")))
			if used := c.attr("f").Used; used > 1<<20 || used == 0 {
				c.fault("two blocks take %d bytes", used)
			}
			c.ok(c.Setattr("f", Set{Size: ptr[uint64](0)}))
			if used := c.attr("f").Used; used > 64<<10 {
				c.fault("an empty file takes %d bytes", used)
			}
		}},
		{"size/large offset", 0, func(c *C) {
			const far = 1 << 40
			c.file("f", "a")
			c.ok(c.Write("f", far, []byte("far")))
			same(c, "size", c.attr("f").Size, far+3)
			got, err := c.Read("f", far-2, 100)
			c.ok(err)
			same(c, "content", string(got), "\x00\x00far")
			c.ok(c.Setattr("f", Set{Size: ptr[uint64](far + 1)}))
			got, err = c.Read("f", far, 100)
			c.ok(err)
			same(c, "content", string(got), "f")
		}},
		{"size/offset beyond everything", CapStateless, func(c *C) {
			c.file("f", "a")
			c.fails(c.Write("f", 1<<63, []byte("x")), EFBIG, EINVAL)
			c.fails(c.Write("f", 1<<64-1, []byte("xyz")), EFBIG, EINVAL)
			c.fails(c.Setattr("f", Set{Size: ptr[uint64](1<<64 - 1)}), EFBIG, EINVAL)
			got, err := c.Read("f", 1<<64-1, 10)
			if err == nil && len(got) > 0 {
				c.fault("read %q", got)
			} else if err != nil {
				c.fails(err, EINVAL, EFBIG)
			}
			c.holds("f", "a")
		}},
	}
}

// truncateCases change the size.
func truncateCases() []Case {
	return []Case{
		{"size/truncate up and down", 0, func(c *C) {
			text := fill(10000, 3)
			c.file("f", string(text))
			for _, n := range []uint64{9999, 8193, 8192, 8191, 4097, 100, 1, 0} {
				c.ok(c.Setattr("f", Set{Size: &n}))
				same(c, "size", c.attr("f").Size, n)
				c.holds("f", string(text[:n]))
				up := n + 5000
				c.ok(c.Setattr("f", Set{Size: &up}))
				c.holds("f", string(text[:n])+string(make([]byte, 5000))) // what was cut off does not come back
				c.ok(c.Setattr("f", Set{Size: &n}))
			}
		}},
		{"size/write after truncate", 0, func(c *C) {
			c.file("f", string(fill(10000, 4)))
			c.ok(c.Setattr("f", Set{Size: ptr[uint64](10)}))
			c.ok(c.Write("f", 6000, []byte("x")))
			want := append(append(fill(10000, 4)[:10], make([]byte, 5990)...), 'x')
			c.holds("f", string(want))
		}},
		{"size/truncate to the same size keeps the content", 0, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{Size: ptr[uint64](7)}))
			c.holds("f", "content")
		}},
	}
}

// bulkCases move much, or change much at once.
func bulkCases() []Case {
	return []Case{
		{"size/several MiB in one call", 0, func(c *C) {
			data := fill(5<<20+12345, 5)
			c.file("f", "")
			c.ok(c.Write("f", 777, data))
			got, err := c.Read("f", 777, len(data))
			c.ok(err)
			if !bytes.Equal(got, data) {
				c.fault("%d bytes came back otherwise", len(got))
			}
		}},
		{"size/many small writes", 0, func(c *C) {
			want := make([]byte, 40000)
			c.file("f", "")
			for i := range 200 {
				off := (i * 7919) % (len(want) - 300)
				piece := fill(1+(i*37)%300, uint32(i))
				copy(want[off:], piece)
				c.ok(c.Write("f", uint64(off), piece))
			}
			size := c.attr("f").Size
			c.holds("f", string(want[:size]))
		}},
		{"size/several attributes at once", CapMany, func(c *C) {
			c.file("f", "content")
			c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0o4711), UID: &alice.UID, GID: &bob.GID, Size: ptr[uint64](3), Atime: ptr[int64](1e18), Mtime: ptr[int64](2e18)}))
			a := c.attr("f")
			same(c, "owner", [2]uint32{a.UID, a.GID}, [2]uint32{alice.UID, bob.GID})
			same(c, "mode", a.Mode, 0o4711)
			same(c, "times", [2]int64{a.Atime, a.Mtime}, [2]int64{1e18, 2e18})
			c.holds("f", "con")
		}},
		{"size/all of several attributes or none", CapMany | CapUsers, func(c *C) {
			c.ok(c.As(alice).Create("f", How{Mode: 0o600}))
			c.ok(c.As(alice).Write("f", 0, []byte("content")))
			before := c.attr("f")
			c.fails(c.As(alice).Setattr("f", Set{Mode: ptr[uint32](0o777), Size: ptr[uint64](0), UID: &bob.UID}), EPERM)
			same(c, "attributes", c.attr("f"), before)
			c.fails(c.Setattr(".", Set{Mode: ptr[uint32](0o700), Size: ptr[uint64](0)}), EISDIR, EINVAL)
			same(c, "mode", c.attr(".").Mode, 0o777)
		}},
	}
}

// guardCases change attributes if nobody else has (RFC 1813 section 3.3.2).
func guardCases() []Case {
	return []Case{
		{"guard/right", CapGuard, func(c *C) {
			c.file("f", "content")
			ctime := c.attr("f").Ctime
			c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0o600), Guard: &ctime}))
			same(c, "mode", c.attr("f").Mode, 0o600)
		}},
		{"guard/wrong", CapGuard, func(c *C) {
			c.file("f", "content")
			for _, off := range []int64{-1, 1, 1e9, -1e9} {
				before := c.attr("f")
				guard := before.Ctime + off
				c.fails(c.Setattr("f", Set{Mode: ptr[uint32](0o600), Size: ptr[uint64](0), Guard: &guard}), EAGAIN)
				same(c, "attributes", c.attr("f"), before)
			}
		}},
		{"guard/changed meanwhile", CapGuard, func(c *C) {
			c.file("f", "content")
			guard := c.attr("f").Ctime
			tick()
			c.ok(c.Write("f", 0, []byte("x")))
			c.fails(c.Setattr("f", Set{Size: ptr[uint64](0), Guard: &guard}), EAGAIN)
			c.holds("f", "xontent")
		}},
	}
}
