#include "textflag.h"

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

#define READ_TICKS \
	RDTSC            \
	SHLQ $32, DX     \
	ORQ  DX, AX

// An instruction is a tick. The timer's interrupt comes while the first loop runs, at
// once or later, and meets the same instruction, whose address Linux makes entropy
// of: add_interrupt_randomness in
// https://elixir.bootlin.com/linux/v5.10.262/source/drivers/char/random.c
// The second loop overshoots by less than one turn; the rest of 64 ticks is then taken
// one by one.
//
// func stop(port uint16, value byte, ticks uint64)
TEXT ·stop(SB), NOSPLIT, $0-16
	READ_TICKS
	MOVQ AX, R8
	ADDQ ticks+8(FP), R8
	MOVQ $150000, CX
	MOVW port+0(FP), DX
	MOVB value+2(FP), AX
	OUTB

same:
	LOOP same

wait:
	READ_TICKS
	CMPQ AX, R8
	JCS  wait
	ADDQ $64, R8
	SUBQ AX, R8
	SHRQ $1, R8
	JCC  even
	NOP

even:
	INCQ R8

rest:
	DECQ R8
	JNZ  rest
	RET
