// SPDX-License-Identifier: MIT

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

// An instruction is a tick. What is left after the write depends on how far the clock
// was moved on during it, and so does where in a loop of several instructions an
// interrupt would come. Linux makes entropy of the address that it comes at:
// add_interrupt_randomness in
// https://elixir.bootlin.com/linux/v5.10.262/source/drivers/char/random.c
// So all but some dozens of what is left is taken by one instruction, half of it at a
// time because interrupts take theirs, and the last ticks one by one. An interrupt in
// these makes it a later instant.
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
	MOVQ R8, CX
	SUBQ AX, CX
	JCS  late
	CMPQ CX, $128
	JCS  last
	SHRQ $1, CX
	JMP  same

late:
	ADDQ $65536, R8
	JMP  wait

last:
	SHRQ $1, CX
	JCC  even
	NOP

even:
	INCQ CX

rest:
	DECQ CX
	JNZ  rest
	RET
