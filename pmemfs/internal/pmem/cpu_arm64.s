#include "textflag.h"

// func flushWith(p unsafe.Pointer, lines uintptr, op uint64, fence bool)
//
// The step is the smallest data cache line of the machine (CTR_EL0.DminLine, log2 of words), but no more than 64
// bytes: where lines are larger, some are flushed twice, which is cheap and rare.
TEXT ·flushWith(SB), NOSPLIT, $0-25
	MOVD p+0(FP), R0
	MOVD lines+8(FP), R1
	MOVD op+16(FP), R2
	ADD  R1<<6, R0, R1
	CMP  R0, R1
	BEQ  done
	MRS  CTR_EL0, R3
	UBFX $16, R3, $4, R3
	MOVD $4, R4
	LSL  R3, R4, R4
	MOVD $64, R5
	CMP  R5, R4
	CSEL HI, R5, R4, R4
	CBZ  R2, cvac

cvap:
	WORD $0xd50b7c20 // DC CVAP, R0: the assembler does not know it
	ADD  R4, R0, R0
	CMP  R1, R0
	BLO  cvap
	B    done

cvac:
	DC   CVAC, R0
	ADD  R4, R0, R0
	CMP  R1, R0
	BLO  cvac

done:
	MOVBU fence+24(FP), R5
	CBZ   R5, out
	DSB   $15

out:
	RET

// func storeFence()
TEXT ·storeFence(SB), NOSPLIT, $0-0
	DSB $15
	RET
