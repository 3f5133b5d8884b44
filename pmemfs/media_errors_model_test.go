package pmemfs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"pmemfs/pmemfs/internal/extent"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/testpart"
)

// badFile is a file of the model and what it holds.
type badFile struct {
	h    Handle
	name string
	data []byte
}

// badModel writes and reads files while memory goes bad beneath them, and knows what they hold.
type badModel struct {
	t      *testing.T
	rng    *rand.Rand
	path   string
	domain pmem.Domain
	fs     *FS
	files  []*badFile
	next   int
	what   string // for failures
	eios   int
	right  int
}

func (m *badModel) open() {
	m.t.Helper()
	region, err := pmem.Open(m.path, pmem.Options{Domain: m.domain, Durability: pmem.Process})
	if err != nil {
		m.t.Fatalf("%s: %v", m.what, err)
	}
	m.fs, err = mount(region, Options{NoBackground: true})
	if err != nil {
		m.t.Fatalf("%s: %v", m.what, errors.Join(err, region.Close()))
	}
}

// reopen closes the filesystem and opens it over memory that is well again, with whatever it holds.
func (m *badModel) reopen() {
	m.t.Helper()
	failed := m.fs.j.Err() != nil
	if err := m.fs.Close(); err != nil && !failed && !errors.Is(err, ErrReadOnly) {
		m.t.Fatalf("%s: close: %v", m.what, err)
	}
	// What is lost may be metadata, which is not as the rest says it is then; beside that all is in order.
	if r, err := Check(m.path, CheckOptions{}); err != nil || r.LostBlocks == 0 && !r.Clean() {
		m.t.Fatalf("%s: check: %+v, %v", m.what, r, err)
	}
	m.open()
}

// vet reports whether a call has succeeded; if not, it must say that the medium is why.
func (m *badModel) vet(what string, err error) bool {
	m.t.Helper()
	if err == nil {
		return true
	}
	m.eios++
	if !errors.Is(err, ErrIO) && !errors.Is(err, ErrReadOnly) && !errors.Is(err, ErrNoSpace) {
		m.t.Fatalf("%s: %s: %v", m.what, what, err)
	}
	return false
}

func (m *badModel) create() {
	f := &badFile{name: fmt.Sprintf("file %d", m.next)}
	m.next++
	a, err := m.fs.Create(root, nil, m.fs.Root(), []byte(f.name), &CreateOptions{})
	if m.vet("create", err) {
		f.h = a.Handle
		m.files = append(m.files, f)
	}
}

// bad lets a block go bad: of a file, or any behind the journal.
func (m *badModel) bad() {
	block := m.fs.super().InodeBoot + 1 + uint64(m.rng.IntN(1500))
	if f := m.pick(); f != nil && len(f.data) > 0 && m.rng.IntN(4) > 0 {
		if at, err := m.blockOf(f, uint64(m.rng.IntN(len(f.data)))>>layout.BlockShift); err == nil {
			block = at
		}
	}
	poison(m.t, m.fs.region, block)
}

// blockOf returns the image block of a file block.
func (m *badModel) blockOf(f *badFile, b uint64) (block uint64, err error) {
	defer m.fs.region.Unguard(m.fs.region.Guard(), &err)
	in, err := m.fs.inodes.View(nil, f.h.Ino)
	if err != nil {
		return 0, err
	}
	x := extent.Open(m.fs.j, nil, in)
	e, ok, err := x.Next(b)
	if err != nil || !ok || e.Logical > b {
		return 0, errors.Join(err, ErrNoData)
	}
	return e.Phys + b - e.Logical, nil
}

func (m *badModel) pick() *badFile {
	if len(m.files) == 0 {
		return nil
	}
	return m.files[m.rng.IntN(len(m.files))]
}

func (m *badModel) write(f *badFile) {
	off := m.rng.IntN(40 << 12)
	size := 1 + m.rng.IntN(1<<(4+m.rng.IntN(14)))
	if m.rng.IntN(2) == 0 {
		off &^= 4095
		size = (size + 4095) &^ 4095
	}
	p := bytes.Repeat([]byte{byte(1 + m.rng.IntN(255))}, size)
	n, _, err := m.fs.Write(root, nil, f.h, p, uint64(off))
	m.vet("write", err)
	if n == 0 {
		return
	}
	if end := off + n; end > len(f.data) {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[off:], p[:n])
}

// read compares a range of a file.
func (m *badModel) read(f *badFile, off, size int) {
	m.t.Helper()
	p := make([]byte, size)
	n, _, err := m.fs.Read(root, nil, f.h, p, uint64(off))
	if !m.vet("read", err) {
		return
	}
	want := f.data[min(off, len(f.data)):min(off+size, len(f.data))]
	if n > len(want) || !bytes.Equal(p[:n], want[:n]) {
		m.t.Fatalf("%s: %s: wrong data at %d: %d bytes", m.what, f.name, off, n)
	}
	m.right++
}

// step does one random thing.
func (m *badModel) step() {
	f := m.pick()
	switch k := m.rng.IntN(30); {
	case f == nil || k == 0 && len(m.files) < 30:
		m.create()
	case k == 1:
		// An unlink that has been refused may be half done: what has no name and is refused is not looked at again.
		m.vet("unlink", m.fs.Unlink(root, nil, m.fs.Root(), []byte(f.name)))
		m.drop(f)
	case k == 2:
		size := m.rng.IntN(len(f.data) + 1)
		if _, err := m.fs.Setattr(root, nil, f.h, &SetAttr{Mask: SetSize, Size: uint64(size)}); m.vet("truncate", err) {
			f.data = f.data[:size]
		} else if a, err := m.fs.Getattr(nil, f.h); err != nil || a.Size != uint64(len(f.data)) {
			m.drop(f)
		}
	case k == 3:
		m.vet("sync", m.fs.SyncAll())
	case k == 4:
		m.vet("attribute", m.fs.SetXattr(root, nil, f.h, []byte("user.x"), make([]byte, m.rng.IntN(9000)), 0))
	case k < 9:
		m.bad()
	case k < 18:
		m.write(f)
	default:
		m.read(f, m.rng.IntN(len(f.data)+1), 1+m.rng.IntN(1<<(4+m.rng.IntN(14))))
	}
}

func (m *badModel) drop(f *badFile) {
	for i := range m.files {
		if m.files[i] == f {
			m.files[i] = m.files[len(m.files)-1]
			m.files = m.files[:len(m.files)-1]
			return
		}
	}
}

// TestMediaModel lets memory go bad at random beneath random reads and writes, and become well again with whatever content
// it has at each reopening. Every read is right or EIO.
func TestMediaModel(t *testing.T) {
	testpart.NotRace(t)
	domains := []pmem.Domain{pmem.PageCache}
	if cacheFlush() {
		domains = append(domains, pmem.CacheFlush)
	}
	for _, d := range domains {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%s/%d", d, seed), func(t *testing.T) { mediaModel(t, d, seed) })
		}
	}
}

// rootNode returns the block that new names go to.
func (m *badModel) rootNode() uint64 {
	in, err := m.fs.inodes.View(nil, layout.RootIno)
	if err != nil {
		return layout.BlockOf(mustOffset(m.t, m.fs, layout.RootIno))
	}
	block, _ := in.DataRoot()
	return block
}

func mustOffset(t *testing.T, fs *FS, ino uint64) int64 {
	off, err := fs.inodes.Offset(ino)
	if err != nil {
		t.Fatal(err)
	}
	return off
}

// afresh begins with another filesystem.
func (m *badModel) afresh() {
	if err := m.fs.Close(); err != nil {
		m.t.Fatalf("%s: %v", m.what, err)
	}
	m.files = nil
	if err := Format(m.path, FormatOptions{Size: 12 << 20, Force: true}); err != nil {
		m.t.Fatal(err)
	}
	m.open()
}

func mediaModel(t *testing.T, d pmem.Domain, seed uint64) {
	m := &badModel{t: t, rng: rand.New(rand.NewPCG(seed, 77)), path: poisonable(t), domain: d}
	if err := Format(m.path, FormatOptions{Size: 12 << 20, DataChecksums: seed%2 == 1}); err != nil {
		t.Fatal(err)
	}
	m.open()
	for i := range 3000 {
		m.what = fmt.Sprintf("replay: mediaModel(t, %v, %d), step %d", d, seed, i)
		m.step()
		if i%250 == 249 || m.fs.j.Err() != nil {
			m.reopen()
			if m.fs.j.Lost(m.rootNode()) {
				m.afresh() // nothing can be made there any more
			}
			for _, f := range m.files {
				for off := 0; off < len(f.data); off += 4096 {
					m.read(f, off, 4096)
				}
			}
		}
	}
	m.reopen()
	if err := m.fs.Close(); err != nil {
		t.Error(err)
	}
	if m.eios == 0 || m.right < 500 {
		t.Errorf("%d refusals and %d right answers: the test shows nothing", m.eios, m.right)
	}
	t.Logf("%d refusals, %d right answers", m.eios, m.right)
}
