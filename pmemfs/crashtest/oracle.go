package crashtest

import (
	"fmt"
	"slices"
	"strings"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/internal/pmem"
)

// A Violation is an image that breaks a promise.
type Violation struct {
	What   string
	Replay string // how to see it again
}

// Error describes it.
func (v *Violation) Error() string { return v.What + "\nreplay: " + v.Replay }

// states are what the filesystem looked like after each operation.
type states struct {
	dumps []dump
	at    map[string][]int // where each dump is
}

// add notes the state after one more operation.
func (s *states) add(d dump) {
	if s.at == nil {
		s.at = map[string][]int{}
	}
	s.at[d.key()] = append(s.at[d.key()], len(s.dumps))
	s.dumps = append(s.dumps, d)
}

// look dumps a filesystem and finds the operations after which it was like this.
func (s *states) look(fs *pmemfs.FS, v *verdict) (err error) {
	if v.got, err = dumpFS(fs, true); err != nil {
		return err
	}
	// States with held files have no line of free space: opening gives back what those files had.
	v.states = append(slices.Clone(s.at[v.got.key()]), s.at[v.got[:len(v.got)-1].key()]...)
	return nil
}

// A verdict is what the oracle found out about a recovered state.
type verdict struct {
	states []int
	each   [][]int // the same for each of several writers
	opens  bool
	got    dump
	notes  []pmemfs.RequestKey
	tree   *node // if it was asked for
	err    error
}

// oracle judges images on a stand.
type oracle struct {
	stand    *stand
	states   *states
	look     func(fs *pmemfs.FS, v *verdict) error // finds the state
	open     opener                                // makes a filesystem of an image
	lenient  bool                                  // one of the superblocks may be missing: mkfs was cut short
	images   map[uint64]uint64                     // recovered state of each image that was opened
	verdicts map[uint64]verdict                    // of each recovered state
}

// An opener does with an image what is to be done after a power cut.
type opener func(*pmem.Region) (*pmemfs.FS, error)

// recovery is what an ordinary open does.
func recovery(region *pmem.Region) (*pmemfs.FS, error) {
	return openRegion(region)
}

func newOracle(s *stand, st *states, look func(*pmemfs.FS, *verdict) error) *oracle {
	return &oracle{stand: s, states: st, look: look, open: recovery, images: map[uint64]uint64{}, verdicts: map[uint64]verdict{}}
}

// judge opens the image that is loaded on the stand, unless one like it was, and says which states it may be in. The
// stand is left dirty.
func (o *oracle) judge(hash uint64) verdict {
	if state, ok := o.images[hash]; ok {
		return o.verdicts[state]
	}
	fs, err := o.open(o.stand.region)
	if err != nil {
		return verdict{err: fmt.Errorf("does not open: %w", err)}
	}
	notes := keysOf(fs)
	state := o.stand.state() ^ hashKeys(notes)
	v, ok := o.verdicts[state]
	if !ok {
		v = o.examine(fs)
		v.notes = notes
		o.verdicts[state] = v
	}
	o.images[hash] = state
	return v
}

// examine looks at everything in an open filesystem and then uses it.
func (o *oracle) examine(fs *pmemfs.FS) (v verdict) {
	v.opens = true
	if v.err = o.clean(); v.err != nil {
		return v
	}
	if v.err = o.look(fs, &v); v.err != nil {
		return v
	}
	if v.err = exercise(o.stand, fs); v.err == nil {
		v.err = o.clean()
	}
	return v
}

// clean runs the independent check.
func (o *oracle) clean() error {
	r, err := checkRegion(o.stand.region)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	for _, f := range r.Faults {
		if !o.lenient || !strings.Contains(f.Object, "superblock") {
			return fmt.Errorf("check: %d faults, among them: %v", len(r.Faults)+r.Suppressed, f)
		}
	}
	return nil
}

// exercise makes, changes and removes files, then removes everything, and asserts that all space is free again.
func exercise(s *stand, fs *pmemfs.FS) error {
	if err := useful(fs); err != nil {
		return fmt.Errorf("the filesystem does not work: %w", err)
	}
	if err := removeAll(fs, fs.Root()); err != nil {
		return fmt.Errorf("removing everything: %w", err)
	}
	if err := fs.SyncAll(); err != nil {
		return err
	}
	r, err := checkRegion(s.region)
	if err == nil {
		err = withoutSnapshots(fs)
	}
	if err == nil && (r.Files+r.Symlinks+r.Others+r.Orphans+r.DataBlocks != 0 || r.Dirs != 1) {
		err = fmt.Errorf("with everything removed there are %+v", *r)
	}
	return err
}

// useful makes a directory with a file in it, writes and reads it. A full filesystem is allowed to refuse.
func useful(fs *pmemfs.FS) error {
	d, err := fs.Mkdir(root, nil, fs.Root(), []byte("crashtest of what works"), nil)
	if full(err) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := fs.Create(root, nil, d.Handle, []byte("file"), &pmemfs.CreateOptions{Mode: pmemfs.Guarded})
	if full(err) {
		return nil
	}
	if err != nil {
		return err
	}
	want := []byte("some content that has to come back")
	if _, _, err = fs.Write(root, nil, f.Handle, want, 4090); full(err) {
		return nil
	}
	if err != nil {
		return err
	}
	got := make([]byte, len(want))
	n, eof, err := fs.Read(root, nil, f.Handle, got, 4090)
	if err == nil && (!eof || string(got[:n]) != string(want)) {
		err = fmt.Errorf("read %q after writing %q", got[:n], want)
	}
	return err
}

// removeAll empties a directory.
func removeAll(fs *pmemfs.FS, h pmemfs.Handle) error {
	type entry struct {
		name []byte
		attr pmemfs.Attr
	}
	var list []entry
	err := fs.Readdir(root, nil, h, 0, true, func(e *pmemfs.DirEntry) bool {
		if name := string(e.Name); name != "." && name != ".." {
			list = append(list, entry{[]byte(name), e.Attr})
		}
		return true
	})
	for _, e := range list {
		switch {
		case err != nil:
			return err
		case e.attr.Type != pmemfs.TypeDir:
			err = fs.Unlink(root, nil, h, e.name)
		default:
			if err = removeAll(fs, e.attr.Handle); err == nil {
				err = fs.Rmdir(root, nil, h, e.name)
			}
		}
	}
	return err
}
