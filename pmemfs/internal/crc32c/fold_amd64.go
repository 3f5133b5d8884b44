package crc32c

import "golang.org/x/sys/cpu"

var canFold = cpu.X86.HasSSE42 && cpu.X86.HasBMI2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VBMI2 && cpu.X86.HasAVX512VPCLMULQDQ

// fold is Update. p has at least 64 bytes, and not one, two or three more than a multiple of 64.
//
//go:noescape
func fold(crc uint32, p []byte) uint32
