/* SPDX-License-Identifier: MIT */
/*
 * What must be known of an instruction of x86-64.
 *
 * https://www.intel.com/content/www/us/en/developer/articles/technical/intel-sdm.html, volume 2, appendix A
 */
#ifndef DECODE_H
#define DECODE_H

#include "layout.h"

#include <stddef.h>
#include <stdint.h>

/* How the last instruction of a block leaves it. */
enum ending { FALLS, JUMPS, BRANCHES, CALLS, RETURNS, INTERRUPT_RETURNS, READS_TSC, WITHIN };

/* Where the opcode of an instruction of x86-64 is, behind prefixes. */
static size_t opcode_at(const uint8_t *code, size_t size)
{
	size_t i = 0;

	while (i < size && (code[i] == 0x66 || code[i] == 0x67 || code[i] == 0xf2 || code[i] == 0xf3 || code[i] == 0x2e ||
			    code[i] == 0x3e || code[i] == 0x26 || code[i] == 0x36 || code[i] == 0x64 || code[i] == 0x65 || code[i] == 0xf0))
		i++;
	if (i < size && (code[i] & 0xf0) == 0x40)
		i++;
	return i;
}

static enum ending decode(const uint8_t *code, size_t size)
{
	size_t i = opcode_at(code, size);

	if (i >= size)
		return FALLS;
	uint8_t next = i + 1 < size ? code[i + 1] : 0;
	switch (code[i]) {
	case 0xe8:
		return CALLS;
	case 0xe9:
	case 0xeb:
		return JUMPS;
	case 0xc2:
	case 0xc3:
		return RETURNS;
	case 0xcf:
		return INTERRUPT_RETURNS;
	case 0xe0:
	case 0xe1:
	case 0xe2:
	case 0xe3:
		return BRANCHES;
	case 0xff:
		switch (next >> 3 & 7) {
		case 2:
			return CALLS;
		case 4:
			return JUMPS;
		}
		return FALLS;
	case 0x0f:
		if (next == 0x31 || (next == 0x01 && i + 2 < size && code[i + 2] == 0xf9))
			return READS_TSC;
		return (next & 0xf0) == 0x80 ? BRANCHES : FALLS;
	}
	return (code[i] & 0xf0) == 0x70 ? BRANCHES : FALLS;
}

/* How often one of the second opcode map accesses its operand. */
static uint8_t accesses_of_second(uint8_t opcode, uint8_t group, int operand)
{
	switch (opcode) {
	case 0xa0: /* push and pop of fs and gs */
	case 0xa1:
	case 0xa8:
	case 0xa9:
		return 1;
	case 0x05: /* syscall ... ud2 */
	case 0x06:
	case 0x07:
	case 0x08:
	case 0x09:
	case 0x0b:
	case 0x0d: /* prefetch */
	case 0x77: /* emms */
	case 0xa2: /* cpuid */
	case 0xaa: /* rsm */
		return 0;
	case 0x01: /* of these, invlpg */
	case 0xae: /* and clflush */
		return operand && group != 7;
	case 0xab: /* bts, btr, btc */
	case 0xb3:
	case 0xbb:
	case 0xb0: /* cmpxchg */
	case 0xb1:
	case 0xc0: /* xadd */
	case 0xc1:
		return operand ? 2 : 0;
	case 0xba:
		return operand ? group > 4 ? 2 : 1 : 0;
	}
	switch (opcode >> 3) {
	case 0x18 >> 3: /* hints that do nothing */
	case 0x20 >> 3: /* control registers */
	case 0x30 >> 3: /* rdtsc, wrmsr ... */
	case 0x80 >> 3: /* jcc */
	case 0x88 >> 3:
	case 0xc8 >> 3: /* bswap */
		return 0;
	}
	return operand;
}

/*
 * How often an instruction accesses memory when it completes, or less often where that is
 * not known. A page fault after the last instruction of a block was then the next one's,
 * which could not be fetched.
 */
static uint8_t accesses_of(const uint8_t *code, size_t size)
{
	size_t i = opcode_at(code, size);

	if (i >= size)
		return 0;
	uint8_t opcode = code[i];
	/* Behind VEX and EVEX, and the second opcode map. */
	size_t skip = opcode == 0xc5 ? 3 : opcode == 0xc4 ? 4 : opcode == 0x62 ? 5 : opcode == 0x0f ? 2 : 1;
	uint8_t modrm = i + skip < size ? code[i + skip] : 0xc0;
	uint8_t group = modrm >> 3 & 7;
	int operand = modrm < 0xc0;

	if (opcode == 0x0f)
		return i + 1 < size ? accesses_of_second(code[i + 1], group, operand) : 0;
	if (skip > 1)
		return operand;
	if (opcode < 0x40) /* arithmetic, of which cmp does not store */
		return (opcode & 7) < 4 && operand ? (opcode & 7) < 2 && opcode < 0x38 ? 2 : 1 : 0;
	if (opcode < 0x60) /* push, pop */
		return 1;
	switch (opcode) {
	case 0xa4: /* movs */
	case 0xa5:
	case 0xa6: /* cmps */
	case 0xa7:
		return 2;
	case 0x8f: /* pop */
		return operand ? 2 : 1;
	case 0x80: /* arithmetic */
	case 0x81:
	case 0x83:
		return operand ? group == 7 ? 1 : 2 : 0;
	case 0x86: /* xchg */
	case 0x87:
	case 0xc0: /* shifts */
	case 0xc1:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return operand ? 2 : 0;
	case 0xf6: /* of these, not and neg store */
	case 0xf7:
		return operand ? group == 2 || group == 3 ? 2 : 1 : 0;
	case 0xfe: /* inc, dec */
		return operand ? 2 : 0;
	case 0xff: /* inc, dec, call, jmp, push */
		if (group == 2 || group == 6)
			return operand ? 2 : 1;
		return operand ? group < 2 ? 2 : 1 : 0;
	case 0x63: /* with an operand that may be memory */
	case 0x69:
	case 0x6b:
	case 0x82:
	case 0x84:
	case 0x85:
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
	case 0x8c:
	case 0x8e:
	case 0xc6:
	case 0xc7:
		return operand;
	case 0x68: /* push */
	case 0x6a:
	case 0x6c: /* ins, outs */
	case 0x6d:
	case 0x6e:
	case 0x6f:
	case 0x9c: /* pushf, popf */
	case 0x9d:
	case 0xa0: /* mov of an absolute address */
	case 0xa1:
	case 0xa2:
	case 0xa3:
	case 0xaa: /* stos, lods, scas */
	case 0xab:
	case 0xac:
	case 0xad:
	case 0xae:
	case 0xaf:
	case 0xc2: /* ret, enter, leave, iret */
	case 0xc3:
	case 0xc8:
	case 0xc9:
	case 0xca:
	case 0xcb:
	case 0xcf:
	case 0xd7: /* xlat */
	case 0xe8: /* call */
		return 1;
	}
	return opcode >= 0xd8 && opcode <= 0xdf ? operand : 0; /* x87 */
}

/*
 * Whether an instruction may be begun and not completed in its block: it accesses memory or
 * a device, or faults. 1 where that is not known.
 */
static int may_stop(const uint8_t *code, size_t size)
{
	size_t i = opcode_at(code, size);

	if (i >= size)
		return 1;
	uint8_t opcode = code[i], next = i + 1 < size ? code[i + 1] : 0;
	int second = opcode == 0x0f;
	uint8_t modrm = i + 1 + second < size ? code[i + 1 + second] : 0;
	int registers = modrm >= 0xc0, group = modrm >> 3 & 7;

	if (second) {
		if (next == 0x1f || (next & 0xf0) == 0x80 || (next & 0xf8) == 0xc8) /* nop, jcc, bswap */
			return 0;
		if ((next & 0xf0) == 0x40 || (next & 0xf0) == 0x90 || next == 0xaf || (next & 0xf6) == 0xb6) /* cmov, set, imul, movzx */
			return !registers;
		return 1;
	}
	if (opcode < 0x40)
		return (opcode & 7) < 4 ? !registers : (opcode & 7) > 5;
	if ((opcode & 0xf0) == 0x70 || (opcode & 0xf0) == 0xb0) /* jcc, mov */
		return 0;
	switch (opcode) {
	case 0x8d: /* lea, nop, sign extension, test, jmp */
	case 0x90:
	case 0x98:
	case 0x99:
	case 0xa8:
	case 0xa9:
	case 0xe9:
	case 0xeb:
		return 0;
	case 0x63: /* movsxd, arithmetic, test, xchg, mov, shifts */
	case 0x69:
	case 0x6b:
	case 0x80:
	case 0x81:
	case 0x83:
	case 0x84:
	case 0x85:
	case 0x86:
	case 0x87:
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
	case 0xc0:
	case 0xc1:
	case 0xc6:
	case 0xc7:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return !registers;
	case 0xf6: /* test, not, neg; others divide */
	case 0xf7:
		return !registers || group > 3;
	case 0xfe: /* inc, dec */
	case 0xff:
		return !registers || group > 1;
	}
	return 1;
}

/* Whether it has the prefix; xchg locks without. */
static int locked(const uint8_t *code, size_t size)
{
	for (size_t i = 0, end = opcode_at(code, size); i < end; i++)
		if (code[i] == 0xf0)
			return 1;
	return 0;
}

/* lock cmpxchg */
static int takes_lock(const uint8_t *code, size_t size)
{
	size_t i = opcode_at(code, size);

	return i + 1 < size && code[i] == 0x0f && (code[i + 1] & 0xfe) == 0xb0 && locked(code, size);
}

/* nopl MARK(%rax) */
static int mark_of(const uint8_t *code, size_t size)
{
	return size == 7 && code[0] == 0x0f && code[1] == 0x1f && code[2] == 0x80 && code[4] == MARK_B1 && code[5] == MARK_B2 &&
			       code[6] == MARK_B3 ?
		       code[3] :
		       -1;
}

#endif
