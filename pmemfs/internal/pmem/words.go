package pmem

import "encoding/binary"

// CompareMax is the longest input of ChangedWords, in bytes.
const CompareMax = 64 * wordSize

// ChangedWords returns a bit for each 8-byte word in which a and b differ. Both have the same length, a multiple of LineSize and at most
// CompareMax. It is the comparison that every change makes of each inode and node that it may have changed.
func ChangedWords(a, b []byte) uint64 {
	if cpuCanCompare && len(a) > 0 {
		_ = b[len(a)-1]
		return changedWords(&a[0], &b[0], uintptr(len(a)/LineSize))
	}
	return changedWordsGo(a, b)
}

// changedWordsGo is ChangedWords for any processor.
func changedWordsGo(a, b []byte) (words uint64) {
	for i := 0; i < len(a); i += wordSize {
		if binary.NativeEndian.Uint64(a[i:]) != binary.NativeEndian.Uint64(b[i:]) {
			words |= 1 << (i / wordSize)
		}
	}
	return words
}
