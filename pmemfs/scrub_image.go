package pmemfs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/media"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
)

// ScrubImage scrubs the image at path, which is not in use: it opens it as Open does, which replays the journal, scrubs it,
// and closes it. Damage that keeps it from being opened is a finding too. Errors are those of Open, if it is not about
// damage, and of Scrub.
func ScrubImage(ctx context.Context, path string, o ScrubOptions) (*ScrubReport, error) {
	before, err := mendedByOpen(path)
	if err != nil {
		return unopened(path, err)
	}
	fs, err := Open(path, Options{})
	if err != nil {
		return unopened(path, err)
	}
	r, err := fs.Scrub(ctx, o)
	if r != nil {
		r.add(before)
	}
	return r, errors.Join(err, fs.Close())
}

// add puts findings in front of those that the report has, unless they are there: then they were not mended.
func (r *ScrubReport) add(before []ScrubFinding) {
	for _, f := range slices.Backward(before) {
		if !slices.ContainsFunc(r.Findings, func(g ScrubFinding) bool { return g.Object == f.Object }) {
			r.Findings = slices.Insert(r.Findings, 0, f)
		}
	}
}

// unopened is the report on an image that cannot be opened for its damage. Other errors it returns.
func unopened(path string, err error) (*ScrubReport, error) {
	if errors.Is(err, layout.ErrVersion) || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrIO) {
		return nil, err
	}
	f := ScrubFinding{Object: "image", Offset: media.FaultOffset(err, 0), Problem: fmt.Sprintf("cannot be opened: %v", err)}
	return &ScrubReport{Findings: []ScrubFinding{f}}, nil
}

// mendedByOpen returns the damage that Open is about to end: of the first superblock, and of the journal head that it
// writes anew.
func mendedByOpen(path string) (list []ScrubFinding, err error) {
	region, err := pmem.Open(path, pmem.Options{ReadOnly: true})
	if err != nil {
		return nil, mapOpenErr(path, err)
	}
	defer func() { err = mapOpenErr(path, errors.Join(err, region.Close())) }()
	defer region.Unguard(region.Guard(), &err)
	sb, first, err := recovery.Superblock(region)
	if err != nil {
		return nil, err
	}
	if first != nil {
		list = append(list, ScrubFinding{Object: "superblock", Problem: first.Error(), Repaired: true})
	}
	head, _, err := recovery.Journal(region, sb, nil)
	if err != nil {
		return nil, err
	}
	if f := staleHead(region.Bytes(), &head); f != nil {
		list = append(list, *f)
	}
	return list, nil
}

// staleHead looks at the journal head that does not count. Of an image that was closed in order it is whole, or was never
// written; else a power cut may have torn it, which is no damage.
func staleHead(medium []byte, current *layout.Head) *ScrubFinding {
	if !current.Clean {
		return nil
	}
	block := layout.JournalHeadA + (current.Version+1)%2
	off := layout.BlockOffset(block)
	line := medium[off : off+layout.HeadSize]
	if _, ok := layout.DecodeHead(line); ok || allZero(line) {
		return nil
	}
	return &ScrubFinding{Object: fmt.Sprintf("journal head in block %d", block), Offset: off, Problem: "checksum is wrong", Repaired: true}
}
