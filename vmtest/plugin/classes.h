/* SPDX-License-Identifier: MIT */
/*
 * Instructions of x86-64 that take a core much longer than others do, by class. The model
 * of cycles has a cost for each class.
 *
 * https://www.intel.com/content/www/us/en/developer/articles/technical/intel-sdm.html, volume 2, appendix A
 */
#ifndef CLASSES_H
#define CLASSES_H

#include "decode.h"

/* An instruction of a block that is of a class. */
struct classed {
	uint16_t at; /* its index */
	uint16_t counter;
};

/*
 * Returns the counter of the class of an instruction; INSTRUCTIONS: it has none. Stores to
 * devices are not known by their code: see access_data().
 */
static uint16_t class_of(const uint8_t *code, size_t size, int user)
{
	size_t i = opcode_at(code, size);

	if (i >= size)
		return INSTRUCTIONS;
	uint8_t opcode = code[i], next = i + 1 < size ? code[i + 1] : 0;

	switch (opcode) {
	case 0xc2: /* ret */
	case 0xc3:
		return user ? INSTRUCTIONS : KERNEL_RETURNS;
	case 0xcf: /* iret */
		return ENTRIES;
	case 0x6e: /* outs, out */
	case 0x6f:
	case 0xe6:
	case 0xe7:
	case 0xee:
	case 0xef:
		return DEVICE_WRITES;
	case 0x86: /* xchg, which locks where it accesses memory */
	case 0x87:
		return next < 0xc0 ? LOCKED : INSTRUCTIONS;
	case 0x0f:
		switch (next) {
		case 0x01: /* rdtscp */
			if (i + 2 >= size || code[i + 2] != 0xf9)
				break;
			return TSC_READS;
		case 0x31: /* rdtsc */
			return TSC_READS;
		case 0x07: /* sysret, sysexit */
		case 0x35:
			return ENTRIES;
		case 0x30: /* wrmsr */
			return DEVICE_WRITES;
		}
	}
	return locked(code, size) ? LOCKED : INSTRUCTIONS;
}

#endif
