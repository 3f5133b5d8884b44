#include "textflag.h"

// func changedWords(a, b *byte, lines uintptr) uint64
//
// From the last line to the first, eight bits each.
TEXT ·changedWords(SB), NOSPLIT, $0-32
	MOVQ a+0(FP), SI
	MOVQ b+8(FP), DI
	MOVQ lines+16(FP), CX
	MOVQ CX, DX
	SHLQ $6, DX
	XORL AX, AX

line:
	SUBQ $64, DX
	VMOVDQU64 (SI)(DX*1), Z0
	VPCMPUQ $4, (DI)(DX*1), Z0, K1
	KMOVB K1, BX
	SHLQ $8, AX
	ORQ  BX, AX
	DECQ CX
	JNZ  line
	VZEROUPPER
	MOVQ AX, ret+24(FP)
	RET
