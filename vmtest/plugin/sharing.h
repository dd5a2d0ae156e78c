/* SPDX-License-Identifier: MIT */
/*
 * Lines that vCPUs take from each other, and what is executed while a lock is held.
 *
 * A line is transferred when a vCPU touches it for the first time since another wrote to it.
 * Lines have their physical address: a ring is mapped more than once.
 */
#ifndef SHARING_H
#define SHARING_H

#include "layout.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { SHARED_SLOTS = 1 << 22, NOBODY = 0xff };

struct shared_line {
	uint32_t line; /* + 1; 0: none */
	uint32_t have;	/* a bit for each of MAX_CPUS: touched it since it was last written */
	uint8_t writer; /* that wrote last */
};

static struct shared_line *shared_lines; /* NULL: they are not followed */
static uint32_t shared_used;

static bool make_sharing(void)
{
	shared_lines = calloc(SHARED_SLOTS, sizeof(*shared_lines));
	return shared_lines;
}

/* Returns NULL if there is no more room. */
static struct shared_line *shared_line(uint64_t line)
{
	uint32_t name = (uint32_t)line + 1;
	uint64_t h = (line * 0x9e3779b97f4a7c15ULL) >> 40;

	for (;; h++) {
		struct shared_line *l = &shared_lines[h & (SHARED_SLOTS - 1)];
		if (l->line == name)
			return l;
		if (l->line)
			continue;
		if (shared_used == SHARED_SLOTS / 4 * 3)
			return NULL;
		shared_used++;
		l->line = name;
		l->writer = NOBODY;
		return l;
	}
}

/* Returns whether the line is transferred to this vCPU. */
static bool transfers(struct shared_line *l, unsigned int cpu, bool store)
{
	uint32_t own = 1U << cpu;
	bool transferred = !(l->have & own) && l->writer != NOBODY && l->writer != cpu;

	if (store) {
		l->have = own;
		l->writer = (uint8_t)cpu;
	} else {
		l->have |= own;
	}
	return transferred;
}

/*
 * A lock is taken by a locked compare and exchange, and released by a store that is not
 * locked: spin locks of x86 have no other way.
 * https://elixir.bootlin.com/linux/v6.12/source/include/asm-generic/qspinlock.h
 *
 * A lock that is waited for in its queue is handed over by such a store too, and would look
 * released there. A kernel that knows that it is in a VM has no queue: virt_spin_lock() in
 * https://elixir.bootlin.com/linux/v6.12/source/arch/x86/include/asm/qspinlock.h
 */
enum { MAX_HELD = 8 };

struct held {
	uint64_t at;	     /* address of the lock */
	uint64_t executed;   /* instructions of this vCPU until then */
	uint64_t transfers;  /* likewise, without those of the lock itself */
	uint32_t node;	     /* that took it */
};

/* Of a vCPU: the latest that may be locks are last. */
static struct owner {
	uint64_t executed, transfers;
	uint64_t before; /* transfers until the lock that is now taken was loaded */
	uint32_t depth;
	struct held held[MAX_HELD];
} owners[MAX_CPUS];

static void take_lock(struct owner *o, uint64_t address, uint64_t executed, uint32_t node)
{
	if (o->depth == MAX_HELD) /* none of a real lock: those are nested less */
		memmove(o->held, o->held + 1, --o->depth * sizeof(*o->held));
	o->held[o->depth++] = (struct held){ address, executed, o->before, node };
}

/* Returns the lock that a store to the address releases, or NULL. */
static const struct held *release_lock(struct owner *o, uint64_t address)
{
	for (uint32_t i = o->depth; i > 0; i--) {
		if (o->held[i - 1].at != address)
			continue;
		o->depth = i - 1; /* what was taken after it was none */
		return &o->held[i - 1];
	}
	return NULL;
}

#endif
