package pmemfs

import (
	"context"
	"errors"
	"fmt"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/recovery"
)

// ScrubImage scrubs the image at path, which is not in use: it opens it as Open does, which replays the journal, scrubs it,
// and closes it. Damage that keeps it from being opened is a finding too. Errors are those of Open, if it is not about
// damage, and of Scrub.
func ScrubImage(ctx context.Context, path string, o ScrubOptions) (*ScrubReport, error) {
	stale, err := staleHead(path)
	if err != nil {
		return unopened(path, err)
	}
	fs, err := Open(path, Options{})
	if err != nil {
		return unopened(path, err)
	}
	r, err := fs.Scrub(ctx, o)
	if r != nil && stale != nil {
		r.Findings = append([]ScrubFinding{*stale}, r.Findings...)
	}
	return r, errors.Join(err, fs.Close())
}

// unopened is the report on an image that cannot be opened for its damage. Other errors it returns.
func unopened(path string, err error) (*ScrubReport, error) {
	if errors.Is(err, layout.ErrVersion) || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrIO) {
		return nil, err
	}
	f := ScrubFinding{Object: "image", Offset: faultOffset(err, 0), Problem: fmt.Sprintf("cannot be opened: %v", err)}
	return &ScrubReport{Findings: []ScrubFinding{f}}, nil
}

// staleHead looks at the journal heads before Open writes one of them anew. Of an image that was closed in order both are
// whole, or one was never written; else one may have been torn by a power cut, which is no damage.
func staleHead(path string) (f *ScrubFinding, err error) {
	region, err := pmem.Open(path, pmem.Options{ReadOnly: true})
	if err != nil {
		return nil, mapOpenErr(path, err)
	}
	defer func() { err = mapOpenErr(path, errors.Join(err, region.Close())) }()
	defer region.Unguard(region.Guard(), &err)
	if _, err := recovery.Super(region.Bytes()); err != nil {
		return nil, err
	}
	now, err := recovery.Head(region.Bytes())
	if err != nil || !now.Clean {
		return nil, err
	}
	block := uint64(layout.JournalHeadA) + (now.Version+1)%2
	off := layout.BlockOffset(block)
	line := region.Bytes()[off : off+layout.HeadSize]
	if _, ok := layout.DecodeHead(line); ok || allZero(line) {
		return nil, nil
	}
	return &ScrubFinding{
		Object: fmt.Sprintf("journal head in block %d", block), Offset: off, Problem: "checksum is wrong", Repaired: true,
	}, nil
}
