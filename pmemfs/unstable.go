package pmemfs

import (
	"sync"
	"sync/atomic"
	"time"

	"pmemfs/pmemfs/internal/data"
	"pmemfs/pmemfs/internal/layout"
)

// Bounds of what is kept in memory, in bytes and pieces.
const (
	keptFile = 32 << 20 // of one file
	keptAll  = 64 << 20 // of all
	keptRuns = 2048     // pieces of one file that do not touch
	// keptPiece is the longest write that is kept: a copy of a longer one costs more than the two fences that it saves.
	keptPiece = 256 << 10
	// keptAge is how long anything is kept: then it is stored, so that nobody's promise lasts longer.
	keptAge = 5 * time.Second
	// keptEarly is how many bytes in all are not kept that long, and keptShare which share of the free space must not be promised.
	keptEarly, keptShare = keptAll / 2, 8
)

// unstable is the data that was answered and is in memory alone, where a fence is dear. What is kept of a file is guarded by
// the file's stripe: it is added to, and made stable, by who holds that exclusively.
type unstable struct {
	count   atomic.Int64 // files of which something is kept
	bytes   atomic.Int64
	mu      sync.Mutex // of the map; leaf
	files   map[uint64]*kept
	gen     atomic.Uint64 // of the write verifier
	marked  atomic.Bool   // the image says that this life may lose something
	timer   *time.Timer   // of lapse; guarded by mu
	ended   bool          // no timer begins any more; guarded by mu
	hurried bool          // the timer has been set to now; guarded by mu
}

// of returns what is kept of an inode, nil for nothing, which costs one load while nothing is kept anywhere.
func (u *unstable) of(ino uint64) *kept {
	if u.count.Load() == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.files[ino]
}

// take returns what is kept of an inode, which from now on is not.
func (u *unstable) take(ino uint64) *kept {
	u.mu.Lock()
	defer u.mu.Unlock()
	k := u.files[ino]
	if k != nil {
		delete(u.files, ino)
		u.count.Add(-1)
		u.bytes.Add(-k.bytes)
	}
	return k
}

// inos returns the inodes of which something is kept.
func (u *unstable) inos() (list []uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for ino := range u.files {
		list = append(list, ino)
	}
	return list
}

// open begins to keep data of a file.
func (u *unstable) open(h Handle) *kept {
	k := &kept{h: h, since: time.Now()}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files == nil {
		u.files = map[uint64]*kept{}
	}
	u.files[h.Ino] = k
	u.count.Add(1)
	return k
}

// WriteUnstable is Write where a fence is cheap, and stable is true. Elsewhere the bytes may be kept in memory, and stable is
// false: then a power cut, or the end of the process without Close, may lose them, in whole blocks, until a Commit. Every
// other call sees them as written. Bounded: what is too much is made stable at once. Whether bytes that were answered
// unstable may have been lost is seen from Verifier: read before this call, and after Commit, it is the same if nothing was.
func (fs *FS) WriteUnstable(c *Cred, h Handle, p []byte, off uint64) (n int, stable bool, a Attr, err error) {
	if !fs.CheapFence() && len(p) > 0 && len(p) <= keptPiece {
		if err := fs.markUnstable(); err != nil {
			return 0, false, a, err
		}
		ok, a, err := fs.keep(c, h, p, off)
		if err != nil {
			return 0, false, a, err
		}
		if ok {
			return len(p), false, a, nil
		}
	}
	n, a, err = fs.Write(c, h, p, off)
	return n, true, a, err
}

// keep keeps p in memory, after all that a write would be refused for. ok is false when there is no room for it; what was
// kept of the file has been made stable then.
func (fs *FS) keep(c *Cred, h Handle, p []byte, off uint64) (ok bool, a Attr, err error) {
	defer fs.finish(&err, h.Ino)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	if off > data.SizeMax || uint64(len(p)) > data.SizeMax-off {
		return false, a, ErrFileTooBig
	}
	g, err := fs.enter(h.Ino)
	if err != nil {
		return false, a, err
	}
	defer g.RUnlock()
	ls := fs.stripes.lock(h.Ino)
	defer ls.unlock()
	in, err := fs.writable(c, h)
	if err == nil {
		err = fs.j.Err()
	}
	if err != nil {
		return false, a, err
	}
	u := &fs.unstable
	k := u.of(h.Ino)
	if k != nil && k.h != h {
		fs.forget(h.Ino) // of a file that is gone
		k = nil
	}
	if off+uint64(len(p)) > in.Size() {
		if err := fs.mayGrow(in); err != nil {
			return false, a, err
		}
	}
	more, err := fs.wantsOf(k, in, off, uint64(len(p)))
	if err != nil {
		return false, a, err
	}
	if !fs.fitsKept(k, in, len(p), more) {
		fs.settle(h.Ino)
		return false, a, nil
	}
	if k == nil {
		k = u.open(h)
	}
	var before, after [layout.InodeSize]byte
	k.overlay(before[:], in)
	grown := k.add(p, off)
	u.bytes.Add(grown)
	k.wants = k.plus(more)
	fs.promise(k, in)
	fs.lapseSoon()
	k.t, k.writes, k.kill = now(), k.writes+1, k.kill || c.UID != 0
	k.overlay(after[:], in)
	call := c.call()
	call.see(0, before[:])
	call.expect(0, after[:])
	call.happened()
	return true, attrOf(after[:]), nil
}

// fitsKept reports whether n more bytes of a file may be kept, which take what more says, and could be stored later as far as
// space goes.
func (fs *FS) fitsKept(k *kept, in layout.Inode, n int, more wants) bool {
	u := &fs.unstable
	need := more.blocksFor(in)
	if k != nil {
		need = k.plus(more).blocksFor(in) - k.blocks
	}
	if k != nil && (k.bytes+int64(n) > keptFile || len(k.runs) >= keptRuns) {
		return false
	}
	free := fs.a.Blocks.Avail() + fs.a.Blocks.Quarantined() - fs.a.Reserve() - fs.a.Promised()
	return u.bytes.Load()+int64(n) <= keptAll && (need <= 0 || need <= free)
}

// Commit makes the bytes from off on, n of them or to the end of the file if n is 0, durable that were answered unstable;
// and others of the file, as it pleases. An error says that some may be lost, and Verifier has changed.
func (fs *FS) Commit(c *Cred, h Handle, off, n uint64) (err error) {
	defer fs.finish(&err, h.Ino)
	defer fs.region.Unguard(fs.region.Guard(), &err)
	g, err := fs.enter(h.Ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	ls := fs.stripes.lock(h.Ino)
	defer ls.unlock()
	in, err := fs.inodes.Get(nil, h.Ino, h.Gen)
	if err != nil {
		return err
	}
	call := c.call()
	call.see(0, in)
	if err := vetRegular(in); err != nil {
		return err
	}
	if err := fs.j.Err(); err != nil {
		return err
	}
	if k := fs.unstable.of(h.Ino); k != nil && k.h == h {
		var before [layout.InodeSize]byte
		k.overlay(before[:], in) // what the writes were answered with
		call.see(0, before[:])
	}
	err = fs.store(h.Ino)
	call.expect(0, in)
	call.happened()
	return err
}

// Verifier returns the write verifier of RFC 1813 section 3.3.7. It changes exactly when bytes that were answered unstable
// may have been lost: with an Open after a life that had answered some and did not end with Close, and when some could not
// be stored.
func (fs *FS) Verifier() uint64 {
	return layout.Word(fs.sb.UUID[:8]) ^ (fs.unstable.gen.Load()+1)*0x9e3779b97f4a7c15
}

// markUnstable makes the image say that what was answered may be lost. One fence, once in a life; durable on return.
func (fs *FS) markUnstable() (err error) {
	if fs.unstable.marked.Load() {
		return nil
	}
	defer fs.finish(&err, layout.VerifierIno)
	g, err := fs.enter(layout.VerifierIno)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	return fs.saveVerifier(true)
}

// saveVerifier writes the slot of the verifier. The caller holds a gate. One fence; durable on return.
func (fs *FS) saveVerifier(unclean bool) (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	ls := fs.stripes.lock(layout.VerifierIno)
	defer ls.unlock()
	if fs.unstable.marked.Load() == unclean {
		return nil
	}
	op := fs.a.Begin()
	defer op.Done()
	off, err := fs.inodes.Offset(layout.VerifierIno)
	if err != nil {
		return err
	}
	layout.EncodeVerifier(op.Tx.Inode(off), layout.VerifierState{Gen: fs.unstable.gen.Load(), Unclean: unclean})
	if err := op.Commit(); err != nil {
		return err
	}
	fs.unstable.marked.Store(unclean)
	return nil
}

// openVerifier takes the verifier's generation from the image. Nothing is written: until something is answered unstable,
// the next open may well come to the same one.
func (fs *FS) openVerifier() error {
	off, err := fs.inodes.Offset(layout.VerifierIno)
	if err != nil {
		return err
	}
	s := layout.DecodeVerifier(fs.region.Bytes()[off:off+layout.InodeSize], fs.j.Epoch())
	fs.unstable.gen.Store(s.Next())
	return nil
}
