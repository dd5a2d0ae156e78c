//go:build ignore

// SPDX-License-Identifier: MIT
/*
 * A plugin of QEMU's emulation that counts what a guest executes, exactly, by call
 * context. It has no part in what the guest does.
 *
 * It knows functions by a table that the host fills in before the guest runs, and writes
 * what it counts into the same shared memory: see layout.h. From there the headers lead up to
 * what QEMU calls: state, nodes, lines, windows, threads, execution, accesses.
 */
#include "accesses.h"
#include "classes.h"
#include "decode.h"
#include "layout.h"
#include "model.h"
#include "qemu.h"
#include "sharing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = API;

static uint32_t function_at(uint64_t address)
{
	uint64_t low = 0, high = shared->functions;

	while (low < high) { /* the last that begins at or before it */
		uint64_t middle = (low + high) / 2;
		if (functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || functions[low - 1].role & ROLE_GAP)
		return UNKNOWN;
	return (uint32_t)low - 1;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t length = qemu_plugin_tb_n_insns(tb);
	size_t stops = length * sizeof(uint16_t);
	struct block *b = calloc(1, sizeof(*b) + stops + (modelled ? length * sizeof(struct classed) : 0));
	uint8_t code[16];

	(void)id;
	if (!b) {
		fail(FAULT_MEMORY);
		return;
	}
	b->address = qemu_plugin_tb_vaddr(tb);
	b->length = (uint16_t)length;
	b->user = !(b->address >> 63);
	b->function = b->user ? USER : function_at(b->address);
	if (b->function < shared->functions && functions[b->function].address == b->address) {
		uint32_t role = functions[b->function].role;
		b->entered = !(role & ROLE_FAULT) ? NO_EXCEPTION :
			     role & ROLE_PAGE	  ? PAGE_FAULT :
			     role & ROLE_OPCODE	  ? UNKNOWN_OPCODE :
						    OTHER_FAULT;
	}
	b->classed = (struct classed *)(b->stop + length);
	uint64_t end = b->address;
	for (size_t i = 0; i < length; i++) {
		size_t size = copy_code(qemu_plugin_tb_get_insn(tb, i), code, sizeof(code));
		end += size;
		/*
		 * QEMU names the last one too where it takes it out again, because it goes on in the
		 * next page. Then the one before was the last.
		 * case 2 in i386_tr_translate_insn() of
		 * https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/target/i386/tcg/translate.c
		 */
		if (i + 2 >= length || may_stop(code, size)) {
			b->stop[b->stops++] = (uint16_t)i;
			b->accesses = accesses_of(code, size);
		}
		uint16_t counter = modelled ? class_of(code, size, b->user) : INSTRUCTIONS;
		if (counter != INSTRUCTIONS)
			b->classed[b->classes++] = (struct classed){ (uint16_t)i, counter };
	}
	b->code[0] = b->address << 6 >> 6 >> LINE_SHIFT;
	b->code[1] = (end - (end > b->address)) << 6 >> 6 >> LINE_SHIFT;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, modelled || shared_lines ? on_followed_block : on_block, QEMU_PLUGIN_CB_NO_REGS, b);
	for (size_t i = 0, stop = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = copy_code(insn, code, sizeof(code));
		enum ending ending = i == length - 1 ? decode(code, size) : WITHIN;
		int mark = b->user ? mark_of(code, size) : -1;
		uintptr_t flags = 0;

		if (i == length - 1)
			b->ending = ending;
		if (mark >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)mark);
		if (i + 1 < length && !b->user && decode(code, size) == READS_TSC)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_clock, QEMU_PLUGIN_CB_NO_REGS, (void *)(i + 1));
		if (stop == b->stops || b->stop[stop] != i)
			continue;
		count_in(insn);
		if (++stop == b->stops)
			flags |= LAST_STOP;
		flags |= ending == CALLS ? PUSHES : ending == RETURNS ? POPS : 0;
		flags |= locked(code, size) ? LOCKS_BUS : 0;
		flags |= takes_lock(code, size) ? TAKES_LOCK : 0;
		qemu_plugin_register_vcpu_mem_cb(insn, modelled || shared_lines ? on_followed_access : flags ? on_last_access : on_access,
						 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, (void *)flags);
	}
	b->jumps = b->ending != FALLS && b->ending != READS_TSC && b->ending != INTERRUPT_RETURNS;
	b->joins = b->entered ? NONE : b->function;
	b->leaves = !b->user && (b->ending == CALLS || b->ending == RETURNS || b->ending == READS_TSC) ? NOWHERE : b->function;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int fd = -1;

	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "fd=", 3))
			fd = atoi(argv[i] + 3);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < (off_t)SHARED_BYTES) {
		dprintf(STDERR_FILENO, "ringtwin: no shared memory\n");
		return 1;
	}
	if (!knows_cpus(info)) {
		dprintf(STDERR_FILENO, "ringtwin: this QEMU counts machines with one vCPU only\n");
		return 1;
	}
	char *memory = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return 1;
	shared = (struct header *)memory;
	functions = (const struct function *)(memory + FUNCTIONS_AT);
	nodes = (struct node *)(memory + NODES_AT);
	windows = (struct window *)(memory + WINDOWS_AT);
	entries = (struct entry *)(memory + ENTRIES_AT);
	if (shared->magic != MAGIC || !make_counter() || !make_caches() || (shared->cpus > 1 && !make_sharing()))
		return 1;
	shared->nodes = 2; /* the root, and user space below it */
	nodes[0].function = NOWHERE;
	nodes[USER_NODE].function = USER;
	current = thread_at(0);
	shared->running = 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
