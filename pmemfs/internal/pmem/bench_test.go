package pmem

import (
	"fmt"
	"testing"
)

const benchSize = 64 << 20

func BenchmarkGuard(b *testing.B) {
	r := memory(b, 4096, Volatile)
	for b.Loop() {
		if err := guardOnly(r); err != nil {
			b.Fatal(err)
		}
	}
}

//go:noinline
func guardOnly(r *Region) (err error) {
	defer r.Unguard(r.Guard(), &err)
	return nil
}

// BenchmarkPersist dirties lines and persists them, in the domains without system calls.
func BenchmarkPersist(b *testing.B) {
	for _, d := range []Domain{Volatile, CacheFlush, EADR} {
		if d.usable() != nil {
			continue
		}
		for _, lines := range []int64{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/lines=%d", d, lines), func(b *testing.B) {
				r := memory(b, benchSize, d)
				src := make([]byte, lines*LineSize)
				off := int64(0)
				for b.Loop() {
					r.Write(off, src)
					if err := r.Persist(testSite, []Range{{off, int64(len(src))}}); err != nil {
						b.Fatal(err)
					}
					off = (off + int64(len(src))) % (1 << 20)
				}
			})
		}
	}
}

// BenchmarkPersistRanges is what a checkpoint does: many lines apart, one fence.
func BenchmarkPersistRanges(b *testing.B) {
	for _, n := range []int{2, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			if CacheFlush.usable() != nil {
				b.Fatal("no cache-flush domain here")
			}
			r := memory(b, 1<<20, CacheFlush)
			ranges := make([]Range, n)
			for i := range ranges {
				ranges[i] = Range{int64(i) * 4096, 8}
			}
			for b.Loop() {
				for _, g := range ranges {
					r.mem[g.Off]++
				}
				if err := r.Persist(testSite, ranges); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWriteThrough compares the copy past the cache with one through it that is then flushed, and both with
// copy alone, which makes nothing durable. The targets exceed the caches.
func BenchmarkWriteThrough(b *testing.B) {
	for _, size := range []int{256, 1 << 10, 2 << 10, 4 << 10, 64 << 10, 1 << 20} {
		src := make([]byte, size)
		run := func(name string, d Domain, bypassMin int, store func(r *Region, off int64) error) {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				r := memory(b, benchSize, d)
				r.Zero(0, benchSize) // take the page faults first
				r.bypassMin = bypassMin
				b.SetBytes(int64(size))
				off := int64(0)
				for b.Loop() {
					if err := store(r, off); err != nil {
						b.Fatal(err)
					}
					off = (off + int64(size)) % benchSize
				}
			})
		}
		through := func(r *Region, off int64) error { return proof(r.WriteThrough(testThrough, []Segment{{off, src}})) }
		if CacheFlush.usable() == nil {
			run("past", CacheFlush, 1, through)
			run("through", CacheFlush, benchSize, through)
		}
		run("copy", Volatile, benchSize, func(r *Region, off int64) error { copy(r.mem[off:], src); return nil })
		run("Write", Volatile, benchSize, func(r *Region, off int64) error { r.Write(off, src); return nil })
	}
}

// BenchmarkSync is one fence of the page-cache domain on the disk that holds the temporary files, by number of pages
// far apart: up to msyncMax by one msync each, then by one for all.
func BenchmarkSync(b *testing.B) {
	for _, n := range []int64{1, msyncMax, msyncMax + 1, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := image(b, benchSize, Options{Domain: PageCache})
			ranges := make([]Range, n)
			for i := range ranges {
				ranges[i] = Range{int64(i) * 2 * msyncGap, 8}
			}
			for b.Loop() {
				for _, g := range ranges {
					r.mem[g.Off]++
				}
				if err := r.Persist(testSite, ranges); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
