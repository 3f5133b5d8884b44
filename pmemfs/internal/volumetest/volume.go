// Package volumetest makes a volume in memory for the tests of what stands on one: the medium of alloctest with an inode table, one
// gate, and one lock for each inode that is asked for. It is used by one test at a time; nothing is durable.
package volumetest

import (
	"log/slog"
	"sync"
	"testing"

	"pmemfs/pmemfs/internal/alloctest"
	"pmemfs/pmemfs/internal/critical"
	"pmemfs/pmemfs/internal/inode"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volume"
)

// New returns a volume of so many blocks that ends with the test. Its log says nothing.
func New(t testing.TB, blocks uint64) *volume.Volume {
	return Logged(t, blocks, slog.New(slog.DiscardHandler))
}

// Logged is New with a log.
func Logged(t testing.TB, blocks uint64, log *slog.Logger) *volume.Volume {
	t.Helper()
	m := alloctest.New(t, blocks, false)
	table, err := inode.Open(m.A, alloctest.Boot)
	if err != nil {
		t.Fatal(err)
	}
	var gate critical.RWMutex
	stripes := map[uint64]*critical.Latch{}
	var mu sync.Mutex
	v := &volume.Volume{
		Region: m.Region, Journal: m.J, Alloc: m.A, Inodes: table, Log: log, OwnMu: new(critical.Mutex),
		Enter: func(uint64) (*critical.RWMutex, error) { gate.RLock(); return &gate, nil },
		Stripe: func(ino uint64) *critical.Latch {
			mu.Lock()
			defer mu.Unlock()
			if stripes[ino] == nil {
				stripes[ino] = new(critical.Latch)
			}
			return stripes[ino]
		},
	}
	v.SetSuper(&m.Super)
	return v
}

// File makes a regular file and returns its inode number and generation.
func File(t testing.TB, v *volume.Volume) (ino, gen uint64) {
	t.Helper()
	op := v.Alloc.Begin()
	defer op.Done()
	ino, err := v.Inodes.Reserve(op)
	if err != nil {
		t.Fatal(err)
	}
	in, err := v.Inodes.New(op, ino)
	if err != nil {
		t.Fatal(err)
	}
	in.SetMode(layout.ModeRegular | 0o644)
	in.SetNlink(1)
	gen = in.Gen()
	if err := op.Commit(); err != nil {
		t.Fatal(err)
	}
	return ino, gen
}
