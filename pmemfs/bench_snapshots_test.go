package pmemfs

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// benchTree returns a filesystem in volatile memory, which does everything at once, and so many files, a thousand in each directory.
func benchTree(b *testing.B, files int) (*FS, []Handle) {
	b.Helper()
	fs, err := OpenMemory(64<<20+int64(files)*1500, DomainVolatile, Options{NoBackground: true})
	must(b, err)
	b.Cleanup(func() { closeFS(b, fs) })
	var dir Attr
	list := make([]Handle, files)
	for i := range list {
		if i%1000 == 0 {
			dir, err = fs.Mkdir(superuser, nil, fs.Root(), fmt.Append(nil, "d", i), nil)
			must(b, err)
		}
		a, err := fs.Create(superuser, nil, dir.Handle, fmt.Append(nil, "f", i), &CreateOptions{})
		must(b, err)
		list[i] = a.Handle
	}
	return fs, list
}

// BenchmarkSnapshots makes a snapshot, changes one file of a hundred, compares, rolls back, changes them again, and deletes the snapshot. It
// reports each apart; what has been changed is freed within the deletion.
func BenchmarkSnapshots(b *testing.B) {
	for _, files := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			fs, list := benchTree(b, files)
			change := func() {
				for i := 0; i < files; i += 100 {
					must(b, errOfWrite(fs.Write(superuser, nil, list[i], []byte("changed"), 0)))
				}
			}
			least := map[string]time.Duration{}
			timed := func(name string, call func() error) {
				start := time.Now()
				must(b, call())
				if took := time.Since(start); least[name] == 0 || took < least[name] {
					least[name] = took
				}
			}
			for b.Loop() {
				timed("create", func() error { return errOf(fs.CreateSnapshot("one", "")) })
				change()
				timed("diff", func() error {
					diff, err := fs.DiffSnapshots("one", "")
					if len(diff) != files/100 {
						b.Fatalf("%d files differ", len(diff))
					}
					return err
				})
				timed("rollback", func() error { return fs.RollbackSnapshot("one", false) })
				change()
				timed("delete", func() error { return fs.DeleteSnapshot("one") })
			}
			for name, took := range least {
				b.ReportMetric(float64(took.Nanoseconds())/1e3, "least-µs/"+name)
			}
		})
	}
}

// BenchmarkSnapshotStall writes blocks of one file while snapshots are made and deleted as fast as they can be, and reports how long the slowest
// write took.
func BenchmarkSnapshotStall(b *testing.B) {
	for _, snapshots := range []bool{false, true} {
		b.Run(map[bool]string{false: "without", true: "with"}[snapshots], func(b *testing.B) {
			fs, list := benchTree(b, 1000)
			p := make([]byte, 4096)
			done := make(chan struct{})
			made := 0
			var wg sync.WaitGroup
			if snapshots {
				wg.Go(func() {
					for ; ; made++ {
						select {
						case <-done:
							return
						default:
						}
						if err := errOf(fs.CreateSnapshot("one", "")); err != nil {
							b.Error(err)
							return
						}
						if err := fs.DeleteSnapshot("one"); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			var longest time.Duration
			var over int
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				must(b, errOfWrite(fs.Write(superuser, nil, list[i%100], p, 0)))
				took := time.Since(start)
				longest = max(longest, took)
				if took > time.Millisecond {
					over++
				}
			}
			close(done)
			wg.Wait()
			b.ReportMetric(float64(longest.Nanoseconds())/1e3, "longest-µs")
			b.ReportMetric(float64(over), "over-1ms")
			b.ReportMetric(float64(made), "snapshots")
		})
	}
}

// BenchmarkSnapshotRead reads live files, files of a snapshot that have not changed since, and others that have.
func BenchmarkSnapshotRead(b *testing.B) {
	fs, list := benchTree(b, 1000)
	p := make([]byte, 4096)
	for _, h := range list {
		must(b, errOfWrite(fs.Write(superuser, nil, h, p, 0)))
	}
	top, err := fs.Lookup(superuser, nil, fs.Root(), []byte("d0"))
	must(b, err)
	s, err := fs.CreateSnapshot("one", "")
	must(b, err)
	for i := range 500 {
		must(b, errOfWrite(fs.Write(superuser, nil, list[i], p, 0)))
	}
	for _, way := range []struct {
		name  string
		epoch uint32
		first int
	}{{"live", 0, 0}, {"shared", s.Epoch, 500}, {"changed", s.Epoch, 0}} {
		names := make([][]byte, 500)
		for i := range names {
			names[i] = fmt.Append(nil, "f", way.first+i)
		}
		b.Run("getattr/"+way.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				must(b, errOf(fs.Getattr(nil, list[way.first+i%500].In(way.epoch))))
			}
		})
		b.Run("lookup/"+way.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				must(b, errOf(fs.Lookup(superuser, nil, top.Handle.In(way.epoch), names[i%500])))
			}
		})
		b.Run("read/"+way.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _, err := fs.Read(superuser, nil, list[way.first+i%500].In(way.epoch), p, 0)
				must(b, err)
			}
		})
	}
}
