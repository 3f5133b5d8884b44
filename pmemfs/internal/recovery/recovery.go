// Package recovery turns a medium into a state that the journal can go on from.
//
// It replays the records between the tail and the first invalid one, brings the deferred checksums of the metadata
// blocks they touch up to date, flushes, fences, and then starts a new epoch with an empty window by writing a journal
// head. Every store but the last only repeats what the window already says, or is to a part of the ring that nobody reads
// while the old head counts (the notes, see carry), so it may be interrupted at any point, any number of times. Its cost is that of the window, not of the filesystem.
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
	siteReplay = pmem.NewSite("recovery: replayed lines")
	siteEpoch  = pmem.NewSite("recovery: head of the new epoch")
)

// ErrTruncated is returned when the image is shorter than its superblock says.
var ErrTruncated = errors.New("image is truncated")

// Super reads the superblock, from the other copy when the first is damaged. Errors wrap layout.ErrNotImage,
// layout.ErrDamaged, layout.ErrVersion or ErrTruncated.
func Super(medium []byte) (*layout.Superblock, error) {
	if len(medium) < layout.BlockSize {
		return nil, fmt.Errorf("%w: only %d bytes long", layout.ErrNotImage, len(medium))
	}
	sb, err := layout.DecodeSuperblock(medium)
	if err != nil && !errors.Is(err, layout.ErrVersion) {
		if b := backup(medium); b != nil {
			sb, err = b, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if err := vetSize(medium, sb); err != nil {
		return nil, err
	}
	return sb, nil
}

// backup returns the superblock at the end of the medium, or nil.
func backup(medium []byte) *layout.Superblock {
	blocks := uint64(len(medium)) / layout.BlockSize
	for _, at := range layout.BackupPlaces(blocks) {
		if at == 0 || at >= blocks {
			continue
		}
		if sb, err := layout.DecodeSuperblock(medium[layout.BlockOffset(at):]); err == nil && sb.Backup == at {
			return sb
		}
	}
	return nil
}

// Head returns the newer valid journal head.
func Head(medium []byte) (layout.Head, error) {
	a, okA := layout.DecodeHead(medium[layout.BlockOffset(layout.JournalHeadA):])
	b, okB := layout.DecodeHead(medium[layout.BlockOffset(layout.JournalHeadB):])
	switch {
	case !okA && !okB:
		return a, fmt.Errorf("both journal heads %w", layout.ErrDamaged)
	case okB && (!okA || b.Version >= a.Version):
		a = b
	}
	if a.TailPos%layout.LineSize != 0 {
		return a, fmt.Errorf("journal head %w: its tail, position %d, is not at the start of a line", layout.ErrDamaged, a.TailPos)
	}
	return a, nil
}

// Window calls f with each valid record from the tail on and returns the head as it stands after them. It returns an
// error that wraps layout.ErrDamaged when a record that must have been durable is not valid.
func Window(medium []byte, sb *layout.Superblock, h layout.Head, f func(rec []byte) error) (layout.Head, error) {
	r := reader{ring: medium[sb.RingOffset() : sb.RingOffset()+sb.RingBytes()], head: h}
	pos, seq := h.TailPos, h.TailSeq
	for {
		rec, head, ok := r.record(pos, seq)
		if !ok {
			break
		}
		if f != nil {
			if err := f(rec); err != nil {
				return h, err
			}
		}
		h.FreeBlocks += uint64(head.Free)
		h.UsedInodes += uint64(head.Inodes)
		pos += (uint64(head.Length) + layout.LineSize - 1) &^ (layout.LineSize - 1)
		seq++
		if pos-h.TailPos >= uint64(len(r.ring)) {
			break
		}
	}
	// A clean head was written when nothing more was to be appended in its epoch: there is no end to doubt.
	if (!h.Clean || seq != h.TailSeq) && !mutation.VetEnd.Off() {
		if err := r.vetEnd(pos, seq, h.TailPos+uint64(len(r.ring))); err != nil {
			return h, err
		}
	}
	h.TailPos, h.TailSeq = pos, seq
	return h, nil
}

type reader struct {
	ring []byte
	head layout.Head
	buf  []byte // for records that wrap
}

// record returns the record at pos if it is valid and has the sequence seq.
func (r *reader) record(pos, seq uint64) ([]byte, layout.RecordHead, bool) {
	at := pos % uint64(len(r.ring))
	h := layout.DecodeRecordHead(r.ring[at:])
	if h.Seq != seq || !h.Of(&r.head) || h.Length < layout.RecordHeader || int(h.Length) > len(r.ring)/4 {
		return nil, h, false
	}
	rec := r.ring[at:min(at+uint64(h.Length), uint64(len(r.ring)))]
	if n := int(h.Length) - len(rec); n > 0 {
		r.buf = append(append(r.buf[:0], rec...), r.ring[:n]...)
		rec = r.buf
	}
	return rec, h, layout.RecordSealed(rec)
}

// vetEnd looks for a valid record behind the end of the window that says that everything up to seq was durable when it
// was appended: then the window did not end at seq, it is damaged there.
func (r *reader) vetEnd(pos, seq, end uint64) error {
	// Headers that overlap could make each byte count many times; a ring that needs more than this was made, not left.
	budget := 16 * len(r.ring)
	for p := pos + layout.LineSize; p < end && budget > 0; p += layout.LineSize {
		at := p % uint64(len(r.ring))
		h := layout.DecodeRecordHead(r.ring[at:])
		if !h.Of(&r.head) || !layout.SeqBefore(seq, h.Seq) || layout.SeqBefore(h.Fenced, seq) {
			continue
		}
		budget -= int(min(h.Length, uint32(len(r.ring))))
		if _, _, ok := r.record(p, h.Seq); ok {
			return fmt.Errorf("journal %w at position %d: record %d was durable and is not valid, record %d behind it is",
				layout.ErrDamaged, pos, seq, h.Seq)
		}
	}
	return nil
}

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
	r := newReplay(region, lost)
	h, err := inOrder(func(f func([]byte) error) (layout.Head, error) { return Window(region.Bytes(), sb, old, f) }, r.record)
	if err != nil {
		return st, err
	}
	h.Version, h.Clean = old.Version+1, false
	if mutation.CountsReplayed.Off() {
		h.FreeBlocks, h.UsedInodes = old.FreeBlocks, old.UsedInodes
	}
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
		return fmt.Errorf("notes in the journal ring: %w", err) // without them nothing may begin
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

// vet decodes all entries of a record. None may be for a superblock, a head or the ring: replay would destroy what it reads.
func vet(rec []byte, sb *layout.Superblock) error {
	for body := rec[layout.RecordHeader:]; len(body) > 0; {
		e, rest, ok := layout.NextEntry(body, layout.BlockOffset(sb.Blocks))
		if !ok {
			return fmt.Errorf("journal %w: record %d has a malformed entry", layout.ErrDamaged, layout.DecodeRecordHead(rec).Seq)
		}
		if block := layout.BlockOf(e.Off); e.Kind != layout.EntryNote && sb.Untouchable(block) {
			return fmt.Errorf("journal %w: record %d has an entry for block %d, of the superblocks or the journal",
				layout.ErrDamaged, layout.DecodeRecordHead(rec).Seq, block)
		}
		body = rest
	}
	return nil
}
