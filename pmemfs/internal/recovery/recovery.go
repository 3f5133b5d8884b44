// Package recovery turns a medium into a state that the journal can go on from.
//
// It replays the records between the tail and the first invalid one, brings the deferred checksums of the metadata
// blocks they touch up to date, flushes, fences, and then starts a new epoch with an empty window by writing a journal
// head. Every store but the last only repeats what the window already says, or is to a part of the ring that nobody reads
// while the old head counts (the request notes, see carry), so it may be interrupted at any point, any number of times. Its cost is that of the window, not of the filesystem.
package recovery

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/journal"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
)

// The fences of recovery.
var (
	siteLoose  = pmem.NewSite("recovery: unfenced records")
	siteReplay = pmem.NewSite("recovery: replayed lines")
	siteEpoch  = pmem.NewSite("recovery: head of the new epoch")
)

// Run recovers the medium for writing and returns what the journal starts from. Durable on return. The caller owns the
// region alone. Memory of the journal that faults refuses the image; any other block whose memory faults when the window
// says something about it is lost (see package journal), and the rest of the image is usable.
func Run(region *pmem.Region, sb *layout.Superblock) (journal.State, error) {
	st := journal.State{Ring: sb.RingOffset(), Size: sb.RingBytes(), Sums: sb.Sums()}
	// The whole window is vetted before the first store: a damaged image is not touched.
	vet := func(rec []byte) error { return vet(rec, sb) }
	if mutation.VetWhole.Off() {
		vet = nil
	}
	old, _, err := Journal(region, sb, vet)
	if err != nil {
		return st, err
	}
	lost, err := lostBlocks(region.Bytes(), sb, &old)
	if err != nil {
		return st, err
	}
	if err := secure(region, sb, old); err != nil {
		return st, err
	}
	r := newReplay(region, lost, old.Version)
	h, err := inOrder(func(f func([]byte) error) (layout.Head, error) { return r.window(sb, old, f) }, r.record)
	if err != nil {
		return st, err
	}
	st.Replayed = r.records
	h.Version, h.Clean = old.Version+1, false
	if mutation.CountsReplayed.Off() {
		h.FreeBlocks, h.UsedInodes = old.FreeBlocks, old.UsedInodes
	}
	whole, err := r.afterGrowth(sb, &h)
	if err != nil {
		return st, err
	}
	st.Uncounted = !whole
	st.Notes, st.NotesErr = readNotes(region, sb, &old, &h)
	if len(st.Notes) > 0 && !fits(sb, old.TailPos, h.TailPos) {
		// The notes will go where the window begins, which must be passed over first.
		if _, err = r.finish(&h, nil); err == nil {
			err = writeHead(region, &h)
		}
		if err != nil {
			return st, err
		}
		h.Version++
	}
	return st, r.begin(sb, &h, &st)
}

// begin begins a new epoch where the window, which has been replayed, ends. h is the head as the window leaves it; the one
// that it writes is in st. Durable on return.
func (r *replay) begin(sb *layout.Superblock, h *layout.Head, st *journal.State) (err error) {
	salt, err := newSalt(r.region, sb, h)
	if err != nil {
		return err
	}
	if !mutation.EpochRaised.Off() {
		h.Epoch, h.Salt = h.Epoch+1, salt
	}
	carried, err := carry(r.region, sb, h, st.Notes)
	if pmem.HostReason(err) != nil {
		return fmt.Errorf("request notes in the journal ring: %w", err) // without them nothing may begin
	}
	st.NotesErr = errors.Join(st.NotesErr, err)
	if st.Lost, err = r.finish(h, carried); err != nil {
		return err
	}
	st.Head = *h
	return writeHead(r.region, h)
}

func writeHead(region *pmem.Region, h *layout.Head) error {
	return named(region, "journal head", func() error { return journal.WriteHead(region, siteEpoch, h) })
}

// newSalt returns what tells the records of the epoch behind h from anything else that may lie in the ring, and what no user
// can guess. An open that is repeated, as it was cut short, gets the same one: of two heads that differ in nothing but their
// salt, power cuts could leave the first one's whole, with the notes of the second one's record in the ring. Where a power
// cut may lose whole epochs it is random: their records must not look like new ones.
func newSalt(region *pmem.Region, sb *layout.Superblock, h *layout.Head) (uint64, error) {
	if region.Durability() != pmem.Power || region.Domain() == pmem.Volatile || mutation.SaltRepeated.Off() {
		var b [8]byte
		_, err := rand.Read(b[:])
		return layout.Word(b[:]), err
	}
	mac := hmac.New(sha256.New, sb.HandleKey[:])
	for _, v := range []uint64{h.Salt, h.Epoch, h.TailSeq, h.TailPos} {
		mac.Write(binary.LittleEndian.AppendUint64([]byte("salt"), v))
	}
	return layout.Word(mac.Sum(nil)), nil
}
