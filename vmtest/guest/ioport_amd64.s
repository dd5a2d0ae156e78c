#include "textflag.h"

// func outb(port uint16, value byte) (ticks uint64)
TEXT ·outb(SB), NOSPLIT, $0-16
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, CX
	MOVW port+0(FP), DX
	MOVB value+2(FP), AX
	OUTB
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	SUBQ CX, AX
	MOVQ AX, ticks+8(FP)
	RET

// func outw(port, value uint16)
TEXT ·outw(SB), NOSPLIT, $0-4
	MOVW port+0(FP), DX
	MOVW value+2(FP), AX
	OUTW
	RET

// func inb(port uint16) byte
TEXT ·inb(SB), NOSPLIT, $0-9
	MOVW port+0(FP), DX
	INB
	MOVB AX, ret+8(FP)
	RET
