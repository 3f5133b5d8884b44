// Package crc32c computes CRC-32C (Castagnoli) as hash/crc32 does, faster for the lengths that are common here.
//
// An inode is sealed and verified at nearly every operation, and a record with a block of data is summed while a client waits. The
// instruction that hash/crc32 uses takes 8 bytes in 3 cycles, or in 1 for long inputs. Carry-less multiplication of 64 bytes at once
// (V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009, in registers of 512 bits)
// takes two thirds of the time for an inode and less than half for a block. See BenchmarkUpdate.
package crc32c

import "hash/crc32"

var table = crc32.MakeTable(crc32.Castagnoli)

// foldMin is the shortest input, in bytes, that is folded.
const foldMin = 64

// Checksum returns the CRC-32C of p.
func Checksum(p []byte) uint32 { return Update(0, p) }

// Update returns the CRC-32C of what crc is the sum of, followed by p.
func Update(crc uint32, p []byte) uint32 {
	if len(p) < foldMin || !canFold {
		return crc32.Update(crc, table, p)
	}
	if odd := len(p) % foldMin; odd > 0 && odd < 4 { // fold wants four bytes to put crc in
		crc = crc32.Update(crc, table, p[:odd])
		p = p[odd:]
	}
	return fold(crc, p)
}
