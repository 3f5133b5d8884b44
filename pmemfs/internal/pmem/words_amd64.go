package pmem

import "golang.org/x/sys/cpu"

var cpuCanCompare = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ

// changedWords is ChangedWords of so many lines, at least one.
//
//go:noescape
func changedWords(a, b *byte, lines uintptr) uint64
