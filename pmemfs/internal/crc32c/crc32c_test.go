package crc32c

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

// TestUpdate compares with hash/crc32: every length up to some blocks, at every place in a line, from several sums on.
func TestUpdate(t *testing.T) {
	t.Logf("folds: %v", canFold)
	const seed, longest = 1, 1200
	rng := rand.New(rand.NewPCG(seed, 0))
	buf := make([]byte, longest+64)
	for i := range buf {
		buf[i] = byte(rng.Uint32())
	}
	for n := range longest + 1 {
		for _, crc := range []uint32{0, ^uint32(0), rng.Uint32()} {
			p := buf[rng.IntN(64):][:n]
			if got, want := Update(crc, p), crc32.Update(crc, table, p); got != want {
				t.Fatalf("%d bytes from %#x on: %#x, want %#x", n, crc, got, want)
			}
		}
	}
}

// TestUpdateLong does the same with long inputs, and with sums that are continued anywhere.
func TestUpdateLong(t *testing.T) {
	const seed = 2
	rng := rand.New(rand.NewPCG(seed, 0))
	buf := make([]byte, 1<<16)
	for i := range buf {
		buf[i] = byte(rng.Uint32())
	}
	for range 2000 {
		n, cut := rng.IntN(len(buf)), 0
		if n > 0 {
			cut = rng.IntN(n)
		}
		if got, want := Update(Update(0, buf[:cut]), buf[cut:n]), crc32.Checksum(buf[:n], table); got != want {
			t.Fatalf("%d bytes, continued at %d: %#x, want %#x", n, cut, got, want)
		}
	}
	if got := Checksum(nil); got != 0 {
		t.Errorf("of nothing: %#x", got)
	}
}

func BenchmarkUpdate(b *testing.B) {
	buf := make([]byte, 64<<10)
	for _, n := range []int{60, 252, 1000, 4096, 64 << 10} {
		b.Run(fmt.Sprint("here/", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for i := range b.N {
				buf[0] = byte(Update(uint32(i), buf[:n]))
			}
		})
		b.Run(fmt.Sprint("hash/", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for i := range b.N {
				buf[0] = byte(crc32.Update(uint32(i), table, buf[:n]))
			}
		})
	}
}
