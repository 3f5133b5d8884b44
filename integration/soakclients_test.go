package integration

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"syscall"

	"pmemfs/integration/rawnfs"
	"pmemfs/server/ninetest"
)

// soakNFS is the worker of the kill loops as a client of a soak.
type soakNFS struct {
	*worker
	addr string
	c    *rawnfs.Client
}

func newSoakNFS(addr string, id int, seed uint64) (*soakNFS, error) {
	c, err := rawnfs.Dial(addr, patience)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	root, err := c.Mount("/")
	if err != nil {
		return nil, err
	}
	w, err := newWorker(c, root, id, seed)
	return &soakNFS{worker: w, addr: addr}, err
}

func (n *soakNFS) connect(killed bool) (err error) {
	if n.c, err = rawnfs.Dial(n.addr, patience); err != nil || !killed {
		return err
	}
	if err := n.recover(n.c); err != nil {
		n.c.Close()
		return err
	}
	return nil
}

func (n *soakNFS) step() error { return n.do(n.c, n.choose()) }
func (n *soakNFS) close()      { n.c.Close() }
func (n *soakNFS) counts() int { return n.acked }

// Fids and sizes of a client of 9P.
const (
	soakRoot = iota
	soakDir
	soakFile

	nineNames   = 24
	nineSizeMax = 100_000
	nineMSize   = 64 << 10
)

// soakNine is a client of 9P with a directory of its own. It replaces, removes, locks and reads files, and knows what each holds.
type soakNine struct {
	addr  string
	id    int
	rng   *rand.Rand
	c     *ninetest.Client
	files map[int]int // version by number
	last  int         // version given last
	acked int

	flight int // number of the file that is being replaced or removed, or -1
	to     int // version that it gets; 0 if it is removed
}

func newSoakNine(addr string, id int, seed uint64) (*soakNine, error) {
	n := &soakNine{addr: addr, id: id, rng: rand.New(rand.NewPCG(seed, uint64(id))), files: make(map[int]int), flight: -1}
	if err := n.dial(); err != nil {
		return nil, err
	}
	defer n.c.Close()
	_, err := n.c.Made(ninetest.Mkdir, uint32(soakRoot), n.dirName(), uint32(0o755), uint32(0))
	return n, err
}

func (n *soakNine) dirName() string { return "nine-" + strconv.Itoa(n.id) }

func (n *soakNine) dial() (err error) {
	if n.c, err = ninetest.Dial("tcp", n.addr); err != nil {
		return err
	}
	if err = n.c.Begin(nineMSize, soakRoot, "/", 0); err != nil {
		n.c.Close()
	}
	return err
}

func (n *soakNine) connect(killed bool) error {
	if err := n.dial(); err != nil {
		return err
	}
	_, err := n.c.Walk(soakRoot, soakDir, n.dirName())
	if err == nil && killed {
		err = n.compare()
	}
	if err != nil {
		n.c.Close()
	}
	return err
}

func (n *soakNine) close()      { n.c.Close() }
func (n *soakNine) counts() int { return n.acked }

// compare reads all files. The one that was being changed may be as it was, or as it was to be. The server may be killed meanwhile, and then
// it is compared again.
func (n *soakNine) compare() error {
	names, err := n.names()
	if err != nil {
		return err
	}
	if at := n.flight; at >= 0 {
		version, err := n.outcome(at, slices.Contains(names, strconv.Itoa(at)))
		if err != nil {
			return fmt.Errorf("9P client %d, to make file %d of version %d one of version %d: %w", n.id, at, n.files[at], n.to, err)
		}
		n.know(at, version)
	}
	for at, version := range n.files {
		if err := n.read(at, version); err != nil {
			return fmt.Errorf("9P client %d: %w", n.id, err)
		}
	}
	err = n.c.Do(ninetest.Unlinkat, uint32(soakDir), "draft", uint32(0))
	if err != nil && !errors.Is(err, syscall.ENOENT) {
		return err
	}
	return n.list()
}

// outcome returns the version that a file has which was being changed: the one of before, or the new one; 0 if it has none.
func (n *soakNine) outcome(at int, there bool) (int, error) {
	before := n.files[at]
	if !there && (before == 0 || n.to == 0) {
		return 0, nil
	}
	for _, version := range []int{before, n.to} {
		if there && version != 0 {
			if err := n.read(at, version); !errors.Is(err, errOther) {
				return version, err
			}
		}
	}
	return 0, fmt.Errorf("there: %v; it is neither", there)
}

// know notes what is so of a file, of which no change is under way.
func (n *soakNine) know(at, version int) {
	if n.files[at] = version; version == 0 {
		delete(n.files, at)
	}
	n.flight = -1
}

// list compares the names in the directory with those that are to be there.
func (n *soakNine) list() error {
	names, err := n.names()
	if err != nil {
		return err
	}
	var want []string
	for at := range n.files {
		want = append(want, strconv.Itoa(at))
	}
	slices.Sort(want)
	if slices.Sort(names); !slices.Equal(names, want) {
		return fmt.Errorf("9P client %d: names %q, want %q", n.id, names, want)
	}
	return nil
}

// names returns the names in the directory.
func (n *soakNine) names() (names []string, err error) {
	err = n.open(".", 0o200000, func() error {
		for off := uint64(0); ; {
			list, err := n.c.Readdir(soakFile, off, nineMSize/2)
			if err != nil || len(list) == 0 {
				return err
			}
			for _, e := range list {
				if off = e.Offset; e.Name != "." && e.Name != ".." {
					names = append(names, e.Name)
				}
			}
		}
	})
	return names, err
}

// open calls f while soakFile is open on a name in the directory, "." for the directory itself.
func (n *soakNine) open(name string, flags uint32, f func() error) error {
	path := []string{name}
	if name == "." {
		path = nil
	}
	if _, err := n.c.Walk(soakDir, soakFile, path...); err != nil {
		return fmt.Errorf("walk to %s: %w", name, err)
	}
	err := n.c.Open(soakFile, flags)
	if err == nil {
		err = f()
	}
	return errors.Join(err, n.c.Do(ninetest.Clunk, uint32(soakFile)))
}

// content is what a version of a file holds.
func (n *soakNine) content(at, version int) []byte {
	return record(n.id, at, version, 16+version*7919%nineSizeMax)
}

// errOther says that a file does not hold what it might.
var errOther = errors.New("that is another content")

// read compares a file with what it is to hold.
func (n *soakNine) read(at, version int) error {
	want := n.content(at, version)
	var got []byte
	err := n.open(strconv.Itoa(at), 0, func() error {
		for {
			data, err := n.c.Read(soakFile, uint64(len(got)), nineMSize-100)
			if err != nil || len(data) == 0 {
				return err
			}
			got = append(got, data...)
		}
	})
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("file %d holds %d bytes, and not the %d of version %d: %w", at, len(got), len(want), version, errOther)
	}
	return err
}

func (n *soakNine) step() error {
	at := n.rng.IntN(nineNames)
	err := n.one(at, n.rng.IntN(10))
	if err != nil {
		return fmt.Errorf("9P client %d: %w", n.id, err)
	}
	n.acked++
	return nil
}

func (n *soakNine) one(at, pick int) error {
	switch there := n.files[at] != 0; {
	case pick < 4 || !there:
		n.last++
		return n.change(at, n.last, n.replace)
	case pick < 6:
		return n.change(at, 0, n.remove)
	case pick < 7:
		return n.lock(at)
	case pick < 8:
		return n.list()
	}
	return n.read(at, n.files[at])
}

// change makes a file have another version, or none.
func (n *soakNine) change(at, to int, how func() error) error {
	n.flight, n.to = at, to
	if err := how(); err != nil {
		return err
	}
	n.know(at, to)
	return nil
}

func (n *soakNine) remove() error {
	return n.c.Do(ninetest.Unlinkat, uint32(soakDir), strconv.Itoa(n.flight), uint32(0))
}

// replace writes a draft and gives it the name.
func (n *soakNine) replace() error {
	if _, err := n.c.Walk(soakDir, soakFile); err != nil {
		return err
	}
	err := n.c.Create(soakFile, "draft", 0o301, 0o644, 0)
	data := n.content(n.flight, n.to)
	for off := 0; err == nil && off < len(data); {
		var wrote uint32
		wrote, err = n.c.Write(soakFile, uint64(off), data[off:min(off+nineMSize-100, len(data))])
		off += int(wrote)
	}
	if err := errors.Join(err, n.c.Do(ninetest.Clunk, uint32(soakFile))); err != nil {
		return err
	}
	return n.c.Do(ninetest.Renameat, uint32(soakDir), "draft", uint32(soakDir), strconv.Itoa(n.flight))
}

// lock takes a lock of a file, and gives it back.
func (n *soakNine) lock(at int) error {
	return n.open(strconv.Itoa(at), 2, func() error {
		for _, typ := range []uint8{1, 2} { // to write, and none
			status, err := n.c.Lock(soakFile, typ, 0, 0, 0, 1, "soak")
			if err != nil || status != 0 {
				return fmt.Errorf("lock of file %d: status %d: %w", at, status, err)
			}
		}
		return nil
	})
}
