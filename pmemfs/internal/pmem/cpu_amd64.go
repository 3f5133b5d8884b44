package pmem

import "unsafe"

// How a line is flushed; the values are shared with cpu_amd64.s.
const (
	opCLFLUSH    = 0 // every amd64 CPU: evicts, and serialises the lines
	opCLFLUSHOPT = 1 // evicts, unordered
	opCLWB       = 2 // keeps the line, unordered
)

// What this CPU can do. CLFLUSH, SFENCE and MOVNTDQ are part of SSE2, which amd64 implies.
const (
	cpuCanFlush  = true
	cpuCanFence  = true
	cpuCanBypass = true
)

// flushOp is the best of the three, chosen once.
var flushOp = chooseFlush()

// chooseFlush asks CPUID leaf 7: EBX bit 23 is CLFLUSHOPT, bit 24 CLWB.
// Source: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
func chooseFlush() uint64 {
	if maxLeaf, _ := cpuid(0, 0); maxLeaf < 7 {
		return opCLFLUSH
	}
	switch _, ebx := cpuid(7, 0); {
	case ebx&(1<<24) != 0:
		return opCLWB
	case ebx&(1<<23) != 0:
		return opCLFLUSHOPT
	}
	return opCLFLUSH
}

// flushName returns the instruction in use.
func flushName() string { return [...]string{"CLFLUSH", "CLFLUSHOPT", "CLWB"}[flushOp] }

// flushLines flushes lines from the line at p, and then fences if asked to.
func flushLines(p unsafe.Pointer, lines uintptr, fence bool) { flushWith(p, lines, flushOp, fence) }

//go:noescape
func cpuid(leaf, sub uint32) (eax, ebx uint32)

//go:noescape
func flushWith(p unsafe.Pointer, lines uintptr, op uint64, fence bool)

// storeFence completes every flush and non-temporal store of this thread.
func storeFence()

// copyBypass copies n bytes, a positive multiple of LineSize, to the line at dst past the cache. The next storeFence
// on this thread completes it.
//
//go:noescape
func copyBypass(dst, src unsafe.Pointer, n uintptr)

// zeroBypass is copyBypass with zeros.
//
//go:noescape
func zeroBypass(dst unsafe.Pointer, n uintptr)
