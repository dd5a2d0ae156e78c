/* SPDX-License-Identifier: MIT */
/* Accesses to memory. */
#ifndef ACCESSES_H
#define ACCESSES_H

#include "execution.h"

/* What is said of an instruction that accesses memory. */
enum { LAST_STOP = 1, PUSHES = 2, POPS = 4, TAKES_LOCK = 8, LOCKS_BUS = 16 };

static void follow_lock(struct owner *o, uint64_t address, uintptr_t flags, struct node *node)
{
	uint64_t executed = o->executed + running->stop[*counter_of(active) - 1] + 1;

	if (flags & TAKES_LOCK) {
		take_lock(o, address, executed, (uint32_t)(node - nodes));
	} else if (!(flags & LOCKS_BUS)) {
		const struct held *h = release_lock(o, address);
		if (!h)
			return;
		struct node *taker = touch(h->node);
		taker->pending[LOCKS]++;
		taker->pending[HELD] += executed - h->executed;
		taker->pending[HELD_TRANSFERS] += o->transfers - h->transfers;
	}
}

static void access_shared(qemu_plugin_meminfo_t info, uint64_t address, uint32_t size, uintptr_t flags, struct node *node)
{
	const struct qemu_plugin_hwaddr *physical = qemu_plugin_get_hwaddr(info, address);
	bool store = qemu_plugin_mem_is_store(info);
	struct owner *o = &owners[active];

	if (!physical || qemu_plugin_hwaddr_is_io(physical))
		return;
	uint64_t at = qemu_plugin_hwaddr_phys_addr(physical);
	uint64_t line = at >> LINE_SHIFT, last = (at + size - 1) >> LINE_SHIFT;

	if (flags & TAKES_LOCK && !store) /* it loads, and then stores */
		o->before = o->transfers;
	do {
		struct shared_line *l = shared_line(line);
		if (!l) {
			fail(FAULT_SHARED);
			return;
		}
		if (transfers(l, active, store) && node) {
			o->transfers++;
			node->pending[TRANSFERS]++;
		}
	} while (line++ != last);
	if (node && store && !running->user)
		follow_lock(o, address, flags, node);
}

/* What QEMU says of an access, as it was asked once. */
enum { KINDS = 1 << 18, SIZE_SHIFT = 7, STORED = 8, KNOWN = 16 };
static uint8_t kinds[KINDS];

static uint8_t ask_kind(qemu_plugin_meminfo_t info)
{
	uint8_t kind = (uint8_t)(KNOWN | (qemu_plugin_mem_is_store(info) ? STORED : 0) | qemu_plugin_mem_size_shift(info));

	if (info < KINDS)
		kinds[info] = kind;
	return kind;
}

static inline uint32_t kind_of(qemu_plugin_meminfo_t info)
{
	uint32_t kind = info < KINDS ? kinds[info] : 0;

	return __builtin_expect(kind != 0, 1) ? kind : ask_kind(info);
}

/* The load that follows the mark of a tick is from its address. */
static void learn(struct thread *t, uint64_t address)
{
	t->tick = address;
	t->learn = 0;
}

/* An access to lines of which not all were seen. */
static void touch_lines(uint64_t address, uint32_t kind)
{
	struct thread *t = current;
	struct node *node = here;
	uint64_t line = address >> LINE_SHIFT, last = (address + (1U << (kind & SIZE_SHIFT)) - 1) >> LINE_SHIFT;

	do {
		node->pending[LINES] += first_touch(t, node->function, line);
		if (line != t->tick >> LINE_SHIFT && !t->learn)
			seen->line[line % SEEN] = line;
	} while (line++ != last);
	if (kind & STORED) {
		if (address == t->tick) {
			begin_epoch(t);
			look(t, (uint32_t)(node - nodes));
		}
	} else if (__builtin_expect(t->learn, 0)) {
		learn(t, address);
	}
}

static inline __attribute__((always_inline)) void count_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, uintptr_t flags)
{
	on_cpu(cpu);

	struct node *node = here;

	if (!node) {
		if (live && current->learn && !qemu_plugin_mem_is_store(info))
			learn(current, address);
		return;
	}
	uint32_t kind = kind_of(info);
	uint32_t size = 1U << (kind & SIZE_SHIFT);

	accesses += flags & LAST_STOP;
	if (flags & (kind & STORED ? PUSHES : POPS))
		stacked = address;
	node->pending[kind & STORED ? STORES : LOADS]++;
	node->pending[BYTES] += size;
	uint64_t line = address >> LINE_SHIFT;

	if (__builtin_expect(seen->line[line % SEEN] != line || (address + size - 1) >> LINE_SHIFT != line, 0))
		touch_lines(address, kind);
}

static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	(void)data;
	count_access(cpu, info, address, 0);
}

static void on_last_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	count_access(cpu, info, address, (uintptr_t)data);
}

static void on_followed_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	if (!live)
		return;
	on_cpu(cpu);
	if (modelled)
		access_data(info, address, 1U << (kind_of(info) & SIZE_SHIFT), here);
	if (shared_lines)
		access_shared(info, address, 1U << (kind_of(info) & SIZE_SHIFT), (uintptr_t)data, here);
	count_access(cpu, info, address, (uintptr_t)data);
}

#endif
