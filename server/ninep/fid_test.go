package ninep

import (
	"net/netip"
	"strconv"
	"testing"

	"pmemfs/pmemfs"
)

// TestLockersBound has more owners lock through more fids than are remembered. What is given up makes room.
func TestLockersBound(t *testing.T) {
	eng, err := pmemfs.OpenMemory(64<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	const allLockers = 20 * lockersMax // of which one client gets half
	s := New(Config{Images: []Image{{Engine: eng}}, Limits: Limits{Lockers: 2 * allLockers}})
	lock := func(f *fid) {
		for i := range lockersMax + 10 {
			for range 2 { // the second time it is known
				s.locked(f, pmemfs.LockOwner{Client: "c", ID: strconv.Itoa(i)})
			}
		}
	}
	var all []*fid
	for range allLockers/lockersMax + 5 {
		f := newFid(&fid{user: &owner{}, img: s.images[0]}, eng.Root(), pmemfs.TypeDir)
		lock(f)
		all = append(all, f)
	}
	last := all[len(all)-1]
	if n := s.lockers.Held(netip.Addr{}); n != allLockers || len(all[0].lockers) != lockersMax || len(last.lockers) != 0 {
		t.Errorf("%d owners are remembered, want %d; of the first fid %d, of the last one %d", n, allLockers, len(all[0].lockers), len(last.lockers))
	}
	if err := s.unuse(all[0]); err != nil {
		t.Error(err)
	}
	if lock(last); len(last.lockers) != lockersMax {
		t.Errorf("%d owners are remembered where there is room", len(last.lockers))
	}
	for _, f := range all[1:] {
		if err := s.unuse(f); err != nil {
			t.Error(err)
		}
	}
	if n := s.lockers.Held(netip.Addr{}); n != 0 {
		t.Errorf("%d owners are remembered of no fid", n)
	}
}
