#include "textflag.h"

// func cpuid(leaf, sub uint32) (eax, ebx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-16
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	RET

// func flushWith(p unsafe.Pointer, lines uintptr, op uint64, fence bool)
TEXT ·flushWith(SB), NOSPLIT, $0-25
	MOVQ p+0(FP), DI
	MOVQ lines+8(FP), CX
	MOVQ op+16(FP), AX
	TESTQ CX, CX
	JZ   done
	CMPQ AX, $1
	JEQ  opt
	JHI  wb

flush:
	CLFLUSH (DI)
	ADDQ $64, DI
	DECQ CX
	JNZ  flush
	JMP  done

opt:
	CLFLUSHOPT (DI)
	ADDQ $64, DI
	DECQ CX
	JNZ  opt
	JMP  done

wb:
	CLWB (DI)
	ADDQ $64, DI
	DECQ CX
	JNZ  wb

done:
	MOVBLZX fence+24(FP), AX
	TESTL AX, AX
	JZ   out
	SFENCE

out:
	RET

// func storeFence()
TEXT ·storeFence(SB), NOSPLIT, $0-0
	SFENCE
	RET

// func copyBypass(dst, src unsafe.Pointer, n uintptr)
//
// Four 16-byte stores fill a line's write-combining buffer as well as two of 32 bytes would, and need neither AVX nor
// the question whether the operating system saves its registers.
TEXT ·copyBypass(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	SHRQ $6, CX

line:
	MOVOU  (SI), X0
	MOVOU  16(SI), X1
	MOVOU  32(SI), X2
	MOVOU  48(SI), X3
	MOVNTO X0, (DI)
	MOVNTO X1, 16(DI)
	MOVNTO X2, 32(DI)
	MOVNTO X3, 48(DI)
	ADDQ   $64, SI
	ADDQ   $64, DI
	DECQ   CX
	JNZ    line
	RET

// func zeroBypass(dst unsafe.Pointer, n uintptr)
TEXT ·zeroBypass(SB), NOSPLIT, $0-16
	MOVQ dst+0(FP), DI
	MOVQ n+8(FP), CX
	SHRQ $6, CX
	PXOR X0, X0

line:
	MOVNTO X0, (DI)
	MOVNTO X0, 16(DI)
	MOVNTO X0, 32(DI)
	MOVNTO X0, 48(DI)
	ADDQ   $64, DI
	DECQ   CX
	JNZ    line
	RET
