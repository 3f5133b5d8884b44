package pmemfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pmemfs/pmemfs/internal/pmem"
)

// BenchmarkDurable measures durable changes of an image that is an ordinary file beside the system calls that make bytes of a file of
// that filesystem durable. All ways take turns in each round, so that what else the disk and the machine do meets each alike; the
// figures are medians, and ratios of the engine's to that of the first way.
func BenchmarkDurable(b *testing.B) {
	for _, fresh := range []bool{true, false} {
		name := map[bool]string{true: "fresh", false: "written"}[fresh]
		b.Run("1MiB/"+name, func(b *testing.B) { benchDurable(b, 1<<20, fresh, writeWay) })
		b.Run("4KiB/"+name, func(b *testing.B) { benchDurable(b, 4096, fresh, writeWay) })
	}
	b.Run("chmod", func(b *testing.B) { benchDurable(b, 4096, false, chmodWay) })
}

// way is one way to make a change durable.
type way struct {
	name string
	do   func(i int) error
}

// durableRoom is how much each way writes before it begins again.
const durableRoom = 192 << 20

// writeWay writes n bytes at ascending offsets of a file in the engine.
func writeWay(b *testing.B, fs *FS, h Handle, n int) way {
	p := durableBytes(b, n)
	return way{"engine", func(i int) error {
		p[0] = byte(i)
		_, _, err := fs.Write(superuser, nil, h, p, uint64(i)*uint64(n)%durableRoom)
		return err
	}}
}

// chmodWay changes the mode of a file in the engine.
func chmodWay(_ *testing.B, fs *FS, h Handle, _ int) way {
	return way{"engine", func(i int) error {
		_, err := fs.Setattr(superuser, nil, h, &SetAttr{Mask: SetMode, Mode: 0o600 + uint32(i%2)})
		return err
	}}
}

// durableBytes returns n bytes at the start of a page, as O_DIRECT needs them.
func durableBytes(b *testing.B, n int) []byte {
	region, err := pmem.NewMemory(int64(n), pmem.Volatile)
	must(b, err)
	b.Cleanup(func() { must(b, region.Close()) })
	return region.Bytes()
}

// fileWays are the system calls for n bytes at ascending offsets.
func fileWays(b *testing.B, dir string, n int, fresh bool) []way {
	p := durableBytes(b, n)
	open := func(name string, flags int) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|flags, 0o600)
		must(b, err)
		b.Cleanup(func() { must(b, f.Close()) })
		if !fresh {
			for off := int64(0); off < durableRoom; off += 1 << 20 {
				_, err := f.WriteAt(make([]byte, 1<<20), off)
				must(b, err)
			}
		} else {
			must(b, unix.Fallocate(int(f.Fd()), 0, 0, durableRoom))
		}
		must(b, unix.Fsync(int(f.Fd())))
		return f
	}
	write := func(f *os.File, i int) error {
		p[0] = byte(i)
		_, err := unix.Pwrite(int(f.Fd()), p, int64(i)*int64(n)%durableRoom)
		return err
	}
	dsync, sync, direct := open("dsync", unix.O_DSYNC), open("sync", 0), open("direct", unix.O_DIRECT|unix.O_DSYNC)
	return []way{
		{"O_DSYNC", func(i int) error { return write(dsync, i) }},
		{"fdatasync", func(i int) error {
			if err := write(sync, i); err != nil {
				return err
			}
			return unix.Fdatasync(int(sync.Fd()))
		}},
		{"O_DIRECT", func(i int) error { return write(direct, i) }},
	}
}

// useAll writes to every free block once.
func useAll(b *testing.B, fs *FS) {
	h, p := mkfile(b, fs, "all"), make([]byte, 1<<20)
	for off := uint64(0); ; off += uint64(len(p)) {
		_, _, err := fs.Write(superuser, nil, h, p, off)
		if errors.Is(err, ErrNoSpace) {
			break
		}
		must(b, err)
	}
	must(b, fs.Unlink(superuser, nil, fs.Root(), []byte("all")))
	must(b, fs.SyncAll())
}

func benchDurable(b *testing.B, n int, fresh bool, of func(b *testing.B, fs *FS, h Handle, n int) way) {
	dir := b.TempDir()
	path := filepath.Join(dir, "img")
	must(b, Format(path, FormatOptions{Size: 3 * durableRoom}))
	fs, err := Open(path, Options{})
	must(b, err)
	h := mkfile(b, fs, "f")
	if d := fs.region.Domain(); d != pmem.PageCache {
		b.Fatalf("%s is no ordinary file: %v", path, d)
	}
	engine := of(b, fs, h, n)
	if !fresh {
		useAll(b, fs)
		large := writeWay(b, fs, h, 1<<20)
		for i := range durableRoom >> 20 {
			must(b, large.do(i))
		}
	}
	ways := append(fileWays(b, dir, n, fresh), engine)
	took := make([][]time.Duration, len(ways))
	i := 0
	for b.Loop() {
		for w := range ways {
			start := time.Now()
			must(b, ways[w].do(i))
			took[w] = append(took[w], time.Since(start))
		}
		i++
	}
	b.ReportMetric(0, "ns/op")
	medians := map[string]float64{}
	for w := range ways {
		slices.Sort(took[w])
		medians[ways[w].name] = float64(took[w][len(took[w])/2].Nanoseconds()) / 1000
		b.ReportMetric(medians[ways[w].name], fmt.Sprintf("µs/%s", ways[w].name))
	}
	b.ReportMetric(medians["engine"]/medians["O_DSYNC"], "of-O_DSYNC")
	b.ReportMetric(medians["engine"]/medians["fdatasync"], "of-fdatasync")
	closeFS(b, fs)
}
