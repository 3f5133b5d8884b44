#include "textflag.h"

// To move 16 bytes of a message D bits towards its end, multiply the first 8 by x^(D+32) and the others by x^(D-32), modulo the
// polynomial, and add what comes out to the 16 bytes there. The factors are bit-reflected as the message is, and shifted by one, since
// the product of two reflected numbers is.

// D = 2048: four registers of 64 bytes.
DATA by2048<>+0(SB)/8, $0xdcb17aa4
DATA by2048<>+8(SB)/8, $0xb9e02b86
GLOBL by2048<>(SB), RODATA|NOPTR, $16

// D = 512: one register.
DATA by512<>+0(SB)/8, $0x740eef02
DATA by512<>+8(SB)/8, $0x9e4addf8
GLOBL by512<>(SB), RODATA|NOPTR, $16

// D = 384, 256 and 128: the first three quarters of a register onto the last one, which stays.
DATA lanes<>+0(SB)/8, $0x1c291d04
DATA lanes<>+8(SB)/8, $0x1d82c63da
DATA lanes<>+16(SB)/8, $0x1384aa63a
DATA lanes<>+24(SB)/8, $0xba4fc28e
DATA lanes<>+32(SB)/8, $0xf20c0dfe
DATA lanes<>+40(SB)/8, $0x14cd00bd6
DATA lanes<>+48(SB)/8, $0
DATA lanes<>+56(SB)/8, $0
GLOBL lanes<>(SB), RODATA|NOPTR, $64

// Z = Z moved by K, plus what is at M.
#define FOLD(K, Z, T, M) \
	VPCLMULQDQ $0x00, K, Z, T   \
	VPCLMULQDQ $0x11, K, Z, Z   \
	VPTERNLOGQ $0x96, M, T, Z

// func fold(crc uint32, p []byte) uint32
//
// What the sum is so far is added to the first four bytes. Zeros in front of a message change no sum that begins with zero, so the odd
// bytes come first, as the end of a register whose other bytes are zero.
TEXT ·fold(SB), NOSPLIT, $0-36
	MOVL crc+0(FP), AX
	MOVQ p_base+8(FP), SI
	MOVQ p_len+16(FP), CX
	NOTL AX
	VMOVDQU64 (SI), Z0
	VMOVD AX, X4
	VPXORQ Z4, Z0, Z0
	MOVQ CX, DX
	ANDQ $63, DX
	JNZ  odd
	MOVQ $64, DX
	JMP  first

odd:
	MOVQ $64, BX
	SUBQ DX, BX // bytes of zeros
	MOVQ $-1, R8
	SHLXQ BX, R8, R9
	KMOVQ R9, K1
	VPEXPANDB.Z Z0, K1, Z0

first:
	ADDQ DX, SI
	SUBQ DX, CX

four:
	CMPQ CX, $448
	JB   one
	VMOVDQU64 (SI), Z1
	VMOVDQU64 64(SI), Z2
	VMOVDQU64 128(SI), Z3
	ADDQ $192, SI
	SUBQ $192, CX
	VBROADCASTI32X4 by2048<>(SB), Z5

loop:
	FOLD(Z5, Z0, Z6, (SI))
	FOLD(Z5, Z1, Z7, 64(SI))
	FOLD(Z5, Z2, Z8, 128(SI))
	FOLD(Z5, Z3, Z9, 192(SI))
	ADDQ $256, SI
	SUBQ $256, CX
	CMPQ CX, $256
	JAE  loop
	VBROADCASTI32X4 by512<>(SB), Z5
	FOLD(Z5, Z0, Z6, Z1)
	FOLD(Z5, Z0, Z6, Z2)
	FOLD(Z5, Z0, Z6, Z3)

one:
	VBROADCASTI32X4 by512<>(SB), Z5
	TESTQ CX, CX
	JZ   last

single:
	FOLD(Z5, Z0, Z6, (SI))
	ADDQ $64, SI
	SUBQ $64, CX
	JNZ  single

last:
	VMOVDQU64 lanes<>(SB), Z5
	VPCLMULQDQ $0x00, Z5, Z0, Z6
	VPCLMULQDQ $0x11, Z5, Z0, Z7
	VPXORQ Z7, Z6, Z6
	VEXTRACTI64X4 $1, Z6, Y7
	VPXORQ Y7, Y6, Y6
	VEXTRACTI128 $1, Y6, X7
	VPXORQ X7, X6, X6
	VEXTRACTI32X4 $3, Z0, X7
	VPXORQ X7, X6, X6
	VMOVQ X6, AX
	VPEXTRQ $1, X6, DX
	XORL R8, R8
	CRC32Q AX, R8
	CRC32Q DX, R8
	VZEROUPPER
	NOTL R8
	MOVL R8, ret+32(FP)
	RET
