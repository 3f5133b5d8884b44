package pmem

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// What this CPU can do. STNP only hints at bypassing the cache: its lines would have to be flushed all the same,
// so that whole lines are copied and flushed like all others.
const (
	cpuCanFlush  = true
	cpuCanFence  = true
	cpuCanBypass = false
)

// flushOp is 1 for DC CVAP, to the point of persistence, 0 for DC CVAC, to the point of coherency: a CPU without
// CVAP has no persistence beyond coherency. Source: Arm ARM, D7.5 cache maintenance; kernel HWCAP_DCPOP.
var flushOp = chooseFlush()

func chooseFlush() uint64 {
	if cpu.ARM64.HasDCPOP {
		return 1
	}
	return 0
}

// flushName returns the instruction in use.
func flushName() string { return [...]string{"DC CVAC", "DC CVAP"}[flushOp] }

// flushLines flushes lines from the line at p, and then fences if asked to.
func flushLines(p unsafe.Pointer, lines uintptr, fence bool) { flushWith(p, lines, flushOp, fence) }

//go:noescape
func flushWith(p unsafe.Pointer, lines uintptr, op uint64, fence bool)

// storeFence completes every flush of this thread.
func storeFence()

// copyBypass copies n bytes; cpuCanBypass says that nobody asks.
func copyBypass(dst, src unsafe.Pointer, n uintptr) {
	copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice((*byte)(src), n))
}

// zeroBypass is copyBypass with zeros.
func zeroBypass(dst unsafe.Pointer, n uintptr) { clear(unsafe.Slice((*byte)(dst), n)) }
