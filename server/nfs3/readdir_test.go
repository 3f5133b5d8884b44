package nfs3_test

import (
	"flag"
	"fmt"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// entries is how many names TestReaddirLarge lists; -entries 1000000 takes half a minute.
var entriesFlag = flag.Int("entries", 50_000, "names in the directory of TestReaddirLarge")

// entry is what a client keeps of one.
type entry struct {
	ino    uint64
	name   string
	cookie uint64
	attr   bool   // attributes came with it
	fh     []byte // nil without one
}

// page reads one reply of READDIR or READDIRPLUS.
func (f *fixture) page(proc uint32, dir []byte, cookie uint64, count int) (st nfswire.Status, list []entry, eof bool, size int) {
	f.t.Helper()
	a := args(dir, cookie, uint64(0), count)
	if proc == nfswire.ProcReaddirPlus {
		a.Uint32(uint32(count))
	}
	result, d := f.send(f.request(proc, a))
	if result != rpc.Success {
		f.t.Fatalf("result %d", result)
	}
	whole := d.Rest()
	if err := wellFormed(proc, whole); err != nil {
		f.t.Fatal(err)
	}
	st = nfswire.Status(d.Uint32())
	if d.Bool() {
		d.Fixed(nfswire.FattrBytes)
	}
	if st != nfswire.OK {
		return st, nil, false, 0
	}
	d.Uint64()
	for d.Bool() {
		e := entry{ino: d.Uint64(), name: string(d.Opaque(255)), cookie: d.Uint64()}
		if proc == nfswire.ProcReaddirPlus {
			if e.attr = d.Bool(); e.attr {
				d.Fixed(nfswire.FattrBytes)
			}
			if d.Bool() {
				e.fh = d.Opaque(64)
			}
		}
		list = append(list, e)
	}
	return st, list, d.Bool(), len(whole) - 4
}

// list reads a whole directory in pages of at most count bytes and calls between, if not nil, after each.
func (f *fixture) list(proc uint32, dir []byte, count int, between func()) []entry {
	f.t.Helper()
	var all []entry
	for cookie := uint64(0); ; {
		st, list, eof, size := f.page(proc, dir, cookie, count)
		if st != nfswire.OK || size > count {
			f.t.Fatalf("pages of %d: status %d, %d bytes", count, st, size)
		}
		all = append(all, list...)
		if eof {
			return all
		}
		if len(list) == 0 {
			f.t.Fatalf("pages of %d: neither an entry nor the end", count)
		}
		cookie = list[len(list)-1].cookie
		if between != nil {
			between()
		}
	}
}

// create makes files with names of a form.
func (f *fixture) create(form string, from, to int) {
	f.t.Helper()
	for i := from; i < to; i++ {
		if _, err := f.eng.Create(&pmemfs.Cred{}, nil, f.eng.Root(), fmt.Appendf(nil, form, i), &pmemfs.CreateOptions{}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// vet demands each name once, and "." and ".." first.
func vet(t *testing.T, all []entry, form string, count int) {
	t.Helper()
	seen := make(map[string]int, len(all))
	for _, e := range all {
		seen[e.name]++
	}
	if len(all) < 2 || all[0].name != "." || all[1].name != ".." {
		t.Fatalf("the first of %d entries are %v", len(all), all[:min(len(all), 2)])
	}
	for i := range count {
		if n := seen[fmt.Sprintf(form, i)]; n != 1 {
			t.Fatalf("%s is listed %d times", fmt.Sprintf(form, i), n)
		}
	}
}

var readdirs = map[string]uint32{"READDIR": nfswire.ProcReaddir, "READDIRPLUS": nfswire.ProcReaddirPlus}

// TestReaddirPages reads a directory in pages of every size.
func TestReaddirPages(t *testing.T) {
	f := newFixture(t)
	const count = 300
	f.create("a rather long name of a file %d", 0, count)
	for name, proc := range readdirs {
		for _, size := range []int{300, 301, 512, 1000, 4096, 8192, 65536, 1 << 20, 1<<31 - 1} {
			all := f.list(proc, f.root(), size, nil)
			vet(t, all, "a rather long name of a file %d", count)
			if len(all) != count+2 {
				t.Errorf("%s, pages of %d: %d entries", name, size, len(all))
			}
			for _, e := range all {
				if proc == nfswire.ProcReaddirPlus && (!e.attr || len(e.fh) == 0) && e.name != ".." {
					t.Errorf("%s without attributes or handle", e.name)
				}
			}
		}
		for _, size := range []int{0, 1, 95, 100, 112} {
			if st, _, _, _ := f.page(proc, f.root(), 0, size); st != nfswire.ErrTooSmall {
				t.Errorf("%s, pages of %d: status %d", name, size, st)
			}
		}
	}
}

// TestReaddirChanges adds and removes names between pages: those that are there all the time are listed once each.
func TestReaddirChanges(t *testing.T) {
	f := newFixture(t)
	const count = 500
	f.create("stays %d", 0, count)
	f.create("goes %d", 0, count)
	added, removed := 0, 0
	all := f.list(nfswire.ProcReaddirPlus, f.root(), 2000, func() {
		f.create("new %d", added, added+7)
		added += 7
		for range 7 {
			if removed < count {
				if err := f.eng.Unlink(&pmemfs.Cred{}, nil, f.eng.Root(), fmt.Appendf(nil, "goes %d", removed)); err != nil {
					t.Fatal(err)
				}
				removed++
			}
		}
	})
	vet(t, all, "stays %d", count)
}

// TestReaddirShortCookies lists by cookies of 31 bits: each name once, in pages of every size, and each of a page leads to what follows.
func TestReaddirShortCookies(t *testing.T) {
	f := newFixture(t)
	e := named("/", "/")
	e.ShortOffsets = true
	f.serve(e)
	const count = 3000
	f.create("name %d", 0, count)
	root := f.handles.Append(nil, e.ID(), f.eng.Root())
	for name, proc := range readdirs {
		for _, size := range []int{400, 4096, 65536} {
			all := f.list(proc, root, size, nil)
			vet(t, all, "name %d", count)
			for i, e := range all {
				if e.cookie == 0 || e.cookie >= 1<<31 || i > 0 && e.cookie < all[i-1].cookie {
					t.Fatalf("%s: cookie %#x of %q", name, e.cookie, e.name)
				}
			}
			if _, rest, _, _ := f.page(proc, root, all[10].cookie, size); rest[0].name != all[11].name && all[11].cookie != all[10].cookie {
				t.Errorf("%s: behind %q comes %q, not %q", name, all[10].name, rest[0].name, all[11].name)
			}
		}
	}
}

// TestReaddirCookies goes on from the cookies of names that are gone, from one behind all, and with a verifier of another server.
func TestReaddirCookies(t *testing.T) {
	f := newFixture(t)
	f.create("f%d", 0, 50)
	_, all, _, _ := f.page(nfswire.ProcReaddir, f.root(), 0, 65536)
	for i, e := range all[2:] {
		if err := f.eng.Unlink(&pmemfs.Cred{}, nil, f.eng.Root(), []byte(e.name)); err != nil {
			t.Fatal(err)
		}
		_, rest, eof, _ := f.page(nfswire.ProcReaddir, f.root(), e.cookie, 65536)
		if !eof || len(rest) != len(all)-3-i {
			t.Errorf("after %d removals: %d entries", i+1, len(rest))
		}
	}
	if _, rest, eof, _ := f.page(nfswire.ProcReaddir, f.root(), 1<<63, 4096); len(rest) != 0 || !eof {
		t.Errorf("behind every name: %v, eof %v", rest, eof)
	}
	if st, _ := f.call(nfswire.ProcReaddir, args(f.root(), uint64(1), uint64(7), 4096)); st != nfswire.ErrBadCookie {
		t.Errorf("a foreign verifier: status %d", st)
	}
	if st, _ := f.call(nfswire.ProcReaddir, args(f.root(), uint64(0), uint64(7), 4096)); st != nfswire.OK {
		t.Errorf("a foreign verifier at the start: status %d", st)
	}
}

// TestReaddirLarge lists many names. No state is kept between pages: they are asked for as by different clients.
func TestReaddirLarge(t *testing.T) {
	testpart.NotRace(t)
	f := newFixtureOf(t, int64(*entriesFlag)*1024+imageBytes)
	f.create("%d", 0, *entriesFlag)
	n := 0
	for name, proc := range readdirs {
		all := f.list(proc, f.root(), 65536, func() {
			n++
			f.from = netipPort(n)
		})
		vet(t, all, "%d", *entriesFlag)
		t.Logf("%s: %d entries", name, len(all))
	}
}
