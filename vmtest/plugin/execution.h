/* SPDX-License-Identifier: MIT */
/* Blocks, and the marks and readings of the clock in them. */
#ifndef EXECUTION_H
#define EXECUTION_H

#include "model.h"
#include "sharing.h"
#include "threads.h"

enum reading { OTHER, QUEUE, RUNTIME, LEAVING };

/*
 * What the time stamp counter was read for, in this context. A thread's CPU time is the
 * time between two updates of the run queue's clock: of the last before it was chosen to
 * run, and of the one at the start of schedule() in which it leaves. Updates after that
 * are of nobody's time.
 */
static enum reading reading_at(uint32_t node)
{
	enum reading reading = OTHER;

	for (int depth = 0; node && depth < 16; node = nodes[node].parent, depth++) {
		uint32_t r = role(node);

		if (reading == OTHER) {
			if (r & ROLE_QUEUE)
				reading = role(nodes[node].parent) & ROLE_RUNTIME ? RUNTIME : QUEUE;
			else if (!(r & ROLE_CLOCK))
				return OTHER;
			if (role(nodes[node].parent) & ROLE_SCHEDULE)
				return reading;
		} else if (r & ROLE_SCHEDULE) {
			return LEAVING;
		} else if (r & ROLE_ENTRY) {
			break;
		}
	}
	return reading;
}

/*
 * Whether the last instruction that may stop completed. One that faults is not counted: it
 * is begun again. QEMU's time agrees, where the opcode is known.
 */
static int completed(const struct block *b, int whole, enum exception exception)
{
	switch (exception) {
	case NO_EXCEPTION:
		return 1;
	case PAGE_FAULT: /* of it, or the next one could not be fetched */
		return whole && accesses >= b->accesses;
	case UNKNOWN_OPCODE:
		return whole;
	case OTHER_FAULT:
		break;
	}
	return 0;
}

static void read_clock(struct thread *t)
{
	enum reading reading = reading_at(t->node);

	if (reading == OTHER)
		return;
	settle(reading == LEAVING ? NONE : t->window);
	if (reading == RUNTIME && t->armed) {
		current = t = identified(t);
		take_mark(t);
	}
}

/* Counts what the running block has executed, and was not counted yet, at the node. */
static inline void count_rest(const struct block *b, uint64_t done)
{
	here->pending[INSTRUCTIONS] += done - counted;
	for (uint16_t i = 0; i < b->classes && b->classed[i].at < done; i++)
		here->pending[b->classed[i].counter]++;
	if (shared_lines)
		owners[active].executed += done;
}

static void finish(enum exception exception)
{
	struct block *b = running;
	struct thread *t = current;
	uint64_t begun = *counter_of(active), done = b->length;

	if (__builtin_expect(begun != b->stops, 0))
		done = begun ? b->stop[begun - 1] + 1 : 0;
	if (__builtin_expect(exception != NO_EXCEPTION, 0) && !completed(b, begun == b->stops, exception))
		done = begun ? b->stop[begun - 1] : 0;
	count_rest(b, done);
	if (done != b->length)
		return;
	here->pending[JUMPS_TAKEN] += b->jumps;
	if (b->user)
		return;
	switch (b->ending) {
	case CALLS:
		pushed(t, stacked);
		t->node |= FRESH;
		break;
	case RETURNS:
		if (role(t->node) & ROLE_SWITCH) {
			current = identified(t);
			current = t = thread_at(stacked >> STACK_SHIFT);
			if (!t->tick)
				begin_epoch(t);
		}
		popped(t, stacked);
		break;
	case READS_TSC:
		read_clock(t);
		break;
	}
}

/*
 * Without a count of instructions, QEMU ends no block with a reading of the clock: data is
 * how many instructions are then over.
 */
static void on_clock(unsigned int cpu, void *data)
{
	uint64_t done = (uintptr_t)data;

	if (!live)
		return;
	on_cpu(cpu);
	if (running->user)
		return;
	if (here)
		here->pending[INSTRUCTIONS] += done - counted;
	counted = done;
	read_clock(current);
	if (here)
		return_to(here);
}

/* Returns the node at which the block counts, or NOWHERE. */
static uint32_t place(struct thread *t, struct block *b, int was_user)
{
	if (b->user) {
		t->depth = 0;
		t->node = USER_NODE;
		return t->window == NONE ? NOWHERE : USER_NODE;
	}
	int fresh = (t->node & FRESH) != 0;
	uint32_t at = t->node & ~FRESH;
	if (was_user) {
		t->depth = 0;
		at = 0;
		fresh = 1;
	}
	uint32_t function = b->function;
	if (!fresh && (nodes[at].function == function || (function == UNKNOWN && nodes[at].function - STRANGER < MAX_STRANGERS)))
		return t->node = at;
	uint32_t parent = fresh ? at : nodes[at].parent;
	if (function == UNKNOWN)
		function = stranger(b->address);
	if (b->parent != parent || !b->node || nodes[b->node].function != function) {
		b->parent = parent;
		b->node = child(parent, function);
	}
	return t->node = b->node;
}

static void enter(struct block *b)
{
	int was_user = running->user;

	if (running != &none && here)
		finish(b->entered);
	running = b;
	uint32_t node = place(current, b, was_user);
	here = NULL;
	if (node == NOWHERE || !live)
		return;
	here = touch(node);
	look(current, node);
}

static inline __attribute__((always_inline)) void begin(unsigned int cpu, struct block *b, bool more)
{
	on_cpu(cpu);
	if (!live)
		return;
	uint64_t *begun = counter_of(cpu);

	if (__builtin_expect(here && running->leaves == b->joins && *begun == running->stops, 1)) {
		if (more)
			count_rest(running, running->length);
		else
			here->pending[INSTRUCTIONS] += running->length;
		here->pending[JUMPS_TAKEN] += running->jumps;
		running = b;
	} else {
		enter(b);
	}
	*begun = 0;
	accesses = 0;
	if (more) {
		counted = 0;
		if (modelled)
			fetch(b, here);
	}
}

static void on_block(unsigned int cpu, void *data)
{
	begin(cpu, data, false);
}

/* With a model of caches, or several vCPUs. */
static void on_followed_block(unsigned int cpu, void *data)
{
	begin(cpu, data, true);
}

static void on_mark(unsigned int cpu, void *data)
{
	uint8_t mark = (uint8_t)(uintptr_t)data;

	if ((mark & MARK_KIND) == MARK_LABEL) {
		labels++;
		return;
	}
	if (!live) {
		if ((mark & MARK_KIND) == MARK_CLOSE)
			return;
		revive(cpu);
	}
	on_cpu(cpu);
	live += !current->live;
	current->live = 1;
	if ((mark & MARK_KIND) == MARK_TICK) {
		current->learn = 1;
		forget();
	} else {
		current->armed = mark;
	}
}

#endif
