package nsm

import (
	"net/netip"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/peer"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func engine(t testing.TB) *pmemfs.FS {
	t.Helper()
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	must(t, err)
	t.Cleanup(func() {
		report, err := eng.Check()
		if err != nil || len(report.Faults) != 0 {
			t.Errorf("check: %+v, %v", report, err)
		}
		must(t, eng.Close())
	})
	return eng
}

func monitor(t testing.TB, eng *pmemfs.FS, edit func(*Config)) *Monitor {
	t.Helper()
	c := Config{Engine: eng, Peers: peer.New(1), Crashed: func(Host) {}, Holds: func(Host) bool { return false }, Name: "server", Grace: time.Minute}
	if edit != nil {
		edit(&c)
	}
	m, err := Open(c)
	must(t, err)
	return m
}

func hostAt(n int, name string) Host {
	return Host{netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), name}
}
