package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/mutation"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/quota"
)

var siteFeatures = pmem.NewSite("pmemfs: superblock with a feature")

// EnableQuotas turns accounting on, if it is off. Files that are there are counted in the background; QuotaStatus says until when. Older
// programs refuse the image from then on. Three fences, under which nobody else changes anything; durable on return.
//
// Errors: change errors.
func (fs *FS) EnableQuotas() (err error) {
	st, err := fs.QuotaStatus()
	if err != nil || st.On {
		return err
	}
	defer fs.finish(&err, layout.QuotaIno)
	if err := fs.j.Err(); err != nil {
		return err
	}
	if err := fs.createQuotas(); err != nil {
		return err
	}
	fs.beginQuotaWalks()
	return nil
}

// createQuotas makes the accounts while nobody is inside a call. Both superblocks say so first: a program that does not know accounts must
// not change an image that has some.
func (fs *FS) createQuotas() (err error) {
	defer fs.region.Unguard(fs.region.Guard(), &err)
	for i := range fs.gates {
		fs.gates[i].Lock()
		defer fs.gates[i].Unlock()
	}
	switch {
	case fs.closed:
		return ErrClosed
	case fs.quotas != nil:
		return nil
	}
	if err := fs.dirty.FlushAll(); err != nil {
		return err
	}
	if fs.a.Blocks.Avail()+fs.a.Blocks.Quarantined()-fs.a.EmergencyReserve()-fs.a.Reserved() < enableBlocks {
		return alloc.ErrNoSpace // rather than behind the features
	}
	bits := func() error { return fs.addFeatures(layout.ROCompatQuota, layout.IncompatEntries) }
	if mutation.QuotaBitsFirst.Off() {
		bits = func() error { return nil }
	}
	if err := bits(); err != nil {
		return err
	}
	q, err := quota.Create(fs.vol, fs.media, now)
	if err != nil {
		return err
	}
	fs.useQuotas(q)
	return nil
}

// enableBlocks is what the accounts take with their first limit: slots and nodes.
const enableBlocks = 8

// addFeatures sets feature bits in both superblocks, one after the other, each with a fence. Of two that differ, the first counts, and the
// next open makes the other like it; one that is torn is replaced by the other. Nothing may rely on the bits before both have them.
func (fs *FS) addFeatures(roCompat, incompat uint64) (err error) {
	if err := fs.j.Err(); err != nil {
		return err
	}
	defer fs.region.Unguard(fs.region.Guard(), &err)
	fs.vol.SuperMu.Lock()
	defer fs.vol.SuperMu.Unlock()
	sb := *fs.super()
	sb.ROCompat |= roCompat
	sb.Incompat |= incompat
	if sb == *fs.super() {
		return nil
	}
	b := make([]byte, layout.BlockSize)
	layout.EncodeSuperblock(b, &sb)
	for _, block := range []uint64{layout.SuperBlock, sb.Backup} {
		fs.region.Write(layout.BlockOffset(block), b)
		if err := fs.region.Persist(siteFeatures, []pmem.Range{{Off: layout.BlockOffset(block), Len: layout.BlockSize}}); err != nil {
			fs.j.Fail(err) // what the superblocks say is not known
			return errors.Join(err, fs.j.Err())
		}
	}
	fs.vol.SetSuper(&sb)
	return nil
}

// openQuotas opens the accounts of an image that has some.
func (fs *FS) openQuotas() error {
	q, err := quota.Open(fs.vol, fs.media, now)
	if err != nil || q == nil {
		return err
	}
	fs.useQuotas(q)
	return nil
}

// useQuotas charges accounts from now on. Nobody is inside a call.
func (fs *FS) useQuotas(q *quota.Quotas) {
	fs.quotas, fs.a.Accounts, fs.dirty.Quotas = q, q, q
}
