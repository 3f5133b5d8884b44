package pmem

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// wordSize is the largest store that the medium never tears, if aligned.
const wordSize = 8

// A 32-bit build would tear words: it stops here, with a constant that overflows.
const _ = uint64(^uint(0)>>63) - 1

// bulkMin is the size in bytes from which Write and Zero store whole lines past the cache where the CPU can do
// that: fetching lines only to overwrite them is then most of the work. See BenchmarkWriteThrough.
const bulkMin = 32 << 10

// wordsMax is the longest store, in bytes, that Write and Zero make word by word. Longer ones are records and file data,
// which a checksum or a later fence vouches for; the run time's copy is several times faster for them.
const wordsMax = 128

// Write stores src at off, in memory only: not durable, no line flushed. Of a store of at most wordsMax bytes every
// aligned 8-byte word that src covers as a whole is stored at once and therefore never torn, neither by a crash nor for
// a concurrent reader; Go's copy, which longer stores use, does not promise that. src must not overlap the target.
//
// It panics, as indexing a slice does, if the target is not in the region or the region is read-only:
// offsets from outside must be checked before. Safe for any number of goroutines on disjoint bytes.
func (r *Region) Write(off int64, src []byte) {
	dst := r.target(off, int64(len(src)))
	if c := r.rec.Load(); c != nil {
		c.write(off, dst, src)
		return
	}
	store(dst, src)
}

// SetBits sets bits of the aligned word at off, in memory only, as Write stores. Others may set and clear other bits of the word at the
// same time, with SetBits and ClearBits.
func (r *Region) SetBits(off int64, mask uint64) {
	w := r.word(off)
	if c := r.rec.Load(); c != nil {
		c.word(off, r.mem[off:off+wordSize], func() { atomic.OrUint64(w, mask) })
		return
	}
	atomic.OrUint64(w, mask)
}

// ClearBits is SetBits to clear.
func (r *Region) ClearBits(off int64, mask uint64) {
	w := r.word(off)
	if c := r.rec.Load(); c != nil {
		c.word(off, r.mem[off:off+wordSize], func() { atomic.AndUint64(w, ^mask) })
		return
	}
	atomic.AndUint64(w, ^mask)
}

// word returns the aligned word at off.
func (r *Region) word(off int64) *uint64 {
	return (*uint64)(unsafe.Pointer(&r.target(off&^(wordSize-1), wordSize)[0]))
}

// StoreSum stores the four aligned bytes at off at once, in memory only, as Write stores. Others may LoadSum them at the same time, and
// store to the word that they are in: what comes of that is for the caller to know. The race detector does not.
func (r *Region) StoreSum(off int64, sum [4]byte) {
	b := r.target(off&^3, int64(len(sum)))
	if c := r.rec.Load(); c != nil {
		c.word(off&^3, b, func() { storeSum(b, sum) })
		return
	}
	storeSum(b, sum)
}

//go:norace
//go:noinline
func storeSum(b []byte, sum [4]byte) {
	*(*uint32)(unsafe.Pointer(unsafe.SliceData(b))) = binary.NativeEndian.Uint32(sum[:])
}

// LoadSum returns the four aligned bytes at off as somebody has left them.
//
//go:norace
//go:noinline
func (r *Region) LoadSum(off int64) (sum [4]byte) {
	binary.NativeEndian.PutUint32(sum[:], *(*uint32)(unsafe.Pointer(&r.mem[off&^3])))
	return sum
}

// store makes the stores of Write.
func store(dst, src []byte) {
	switch {
	case len(dst) <= wordsMax:
		storeWords(dst, src)
	case len(dst) < bulkMin || !cpuCanBypass || raceEnabled:
		copy(dst, src)
	default:
		storeBulk(dst, src)
	}
}

// Zero stores n zero bytes at off, with Write's promises.
func (r *Region) Zero(off, n int64) {
	dst := r.target(off, n)
	if c := r.rec.Load(); c != nil {
		c.zero(off, dst)
		return
	}
	storeZeros(dst)
}

// storeZeros makes the stores of Zero.
func storeZeros(dst []byte) {
	switch {
	case len(dst) <= wordsMax:
		zeroWords(dst)
	case len(dst) < bulkMin || !cpuCanBypass || raceEnabled:
		clear(dst)
	default:
		zeroBulk(dst)
	}
}

// storeBulk is storeWords with whole lines stored past the cache. The fence is for other goroutines: such
// stores are otherwise not ordered with those that publish them.
func storeBulk(dst, src []byte) {
	from, to := wholeLines(dst)
	storeWords(dst[:from], src[:from])
	copyLines(dst[from:to], src[from:to])
	storeWords(dst[to:], src[to:])
	storeFence()
}

// zeroBulk is storeBulk with zeros.
func zeroBulk(dst []byte) {
	from, to := wholeLines(dst)
	zeroWords(dst[:from])
	zeroLines(dst[from:to])
	zeroWords(dst[to:])
	storeFence()
}

// wholeLines returns the part [from, to) of b that is whole lines; if there are none, both are 0.
func wholeLines(b []byte) (from, to int) {
	from = int(-address(b) & (LineSize - 1))
	to = from + (len(b)-from)&^(LineSize-1)
	if from >= to {
		return 0, 0
	}
	return from, to
}

// copyLines copies whole lines past the cache.
func copyLines(dst, src []byte) {
	for len(dst) > 0 {
		n := min(chunkBytes, len(dst))
		copyBypass(unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), uintptr(n))
		dst, src = dst[n:], src[n:]
	}
}

// zeroLines is copyLines with zeros.
func zeroLines(dst []byte) {
	for len(dst) > 0 {
		n := min(chunkBytes, len(dst))
		zeroBypass(unsafe.Pointer(&dst[0]), uintptr(n))
		dst = dst[n:]
	}
}

// storeWords copies src to dst, aligned words at once.
func storeWords(dst, src []byte) {
	i := min(toWord(dst), len(dst))
	for j := range i {
		dst[j] = src[j]
	}
	for ; i+4*wordSize <= len(dst); i += 4 * wordSize {
		d, s := dst[i:i+4*wordSize:i+4*wordSize], src[i:i+4*wordSize:i+4*wordSize]
		storeWord(d, 0, binary.NativeEndian.Uint64(s))
		storeWord(d, 8, binary.NativeEndian.Uint64(s[8:]))
		storeWord(d, 16, binary.NativeEndian.Uint64(s[16:]))
		storeWord(d, 24, binary.NativeEndian.Uint64(s[24:]))
	}
	for ; i+wordSize <= len(dst); i += wordSize {
		storeWord(dst, i, binary.NativeEndian.Uint64(src[i:]))
	}
	for ; i < len(dst); i++ {
		dst[i] = src[i]
	}
}

// zeroWords is storeWords with zeros.
func zeroWords(dst []byte) {
	i := min(toWord(dst), len(dst))
	for j := range i {
		dst[j] = 0
	}
	for ; i+4*wordSize <= len(dst); i += 4 * wordSize {
		d := dst[i : i+4*wordSize : i+4*wordSize]
		storeWord(d, 0, 0)
		storeWord(d, 8, 0)
		storeWord(d, 16, 0)
		storeWord(d, 24, 0)
	}
	for ; i+wordSize <= len(dst); i += wordSize {
		storeWord(dst, i, 0)
	}
	for ; i < len(dst); i++ {
		dst[i] = 0
	}
}

// target returns the bytes to store to, or panics.
func (r *Region) target(off, n int64) []byte {
	if !r.contains(off, n) {
		panic(r.boundsError(off, n))
	}
	if r.readOnly {
		panic(fmt.Errorf("%s: store at offset %d: %w", r.path, off, ErrReadOnly))
	}
	return r.mem[off : off+n : off+n]
}

// contains says whether [off, off+n) lies in the region, for any off and n.
func (r *Region) contains(off, n int64) bool {
	size := r.size.Load()
	return off >= 0 && n >= 0 && n <= size && off <= size-n
}

// toWord returns how many bytes come before the first aligned word of b.
func toWord(b []byte) int { return int(-address(b) & (wordSize - 1)) }

// storeWord stores the aligned word b[i:i+8] with one instruction.
func storeWord(b []byte, i int, v uint64) {
	_ = b[i+wordSize-1]
	*(*uint64)(unsafe.Pointer(&b[i])) = v
}

// address returns where b begins.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
