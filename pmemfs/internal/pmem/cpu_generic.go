//go:build !amd64 && !arm64

package pmem

import "unsafe"

// Without assembly there are no flushes and no fences: the cache-flush and eadr domains are not available, and
// the functions below are never called with anything to do.
const (
	cpuCanFlush  = false
	cpuCanFence  = false
	cpuCanBypass = false
)

func flushName() string { return "none" }

func flushLines(unsafe.Pointer, uintptr, bool) {}

func storeFence() {}

func copyBypass(dst, src unsafe.Pointer, n uintptr) {
	copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice((*byte)(src), n))
}

func zeroBypass(dst unsafe.Pointer, n uintptr) { clear(unsafe.Slice((*byte)(dst), n)) }
