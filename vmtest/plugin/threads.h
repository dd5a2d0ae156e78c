/* SPDX-License-Identifier: MIT */
/* Threads of the guest with what they called, and the vCPUs that run them. */
#ifndef THREADS_H
#define THREADS_H

#include "qemu.h"
#include "windows.h"

#include <stdlib.h>
#include <string.h>

static struct thread *thread_at(uint64_t stack)
{
	uint64_t h = (stack * 0x9e3779b97f4a7c15ULL) >> 40;

	for (uint32_t tries = 0; tries < THREADS; tries++, h++) {
		struct thread **slot = &threads[h & (THREADS - 1)];
		if (!*slot) {
			*slot = calloc(1, sizeof(**slot));
			if (!*slot)
				break;
			(*slot)->stack = stack;
			(*slot)->slot = h & (THREADS - 1);
			begin_epoch(*slot);
			(*slot)->window = NONE;
		}
		if ((*slot)->stack == stack)
			return *slot;
	}
	fail(FAULT_THREADS);
	return current;
}

/*
 * The thread that runs on a vCPU when the first mark is executed, of which nothing is
 * known: no stack is at such an address.
 */
static struct thread *newcomer(unsigned int cpu)
{
	struct thread *t = thread_at(cpu);

	retire(t);
	t->depth = t->node = t->armed = t->learn = 0;
	t->tick = 0;
	t->window = NONE;
	begin_epoch(t);
	return t;
}

/* Returns the thread itself, once it has called something on its stack. */
static struct thread *identified(struct thread *t)
{
	if (t->stack >= MAX_CPUS || !t->depth)
		return t;
	struct thread *known = thread_at(t->frames[t->depth - 1].at >> STACK_SHIFT);
	known->depth = t->depth;
	memcpy(known->frames, t->frames, t->depth * sizeof(*t->frames));
	known->node = t->node;
	known->armed = t->armed;
	known->learn = t->learn;
	if (known->tick != t->tick)
		forget();
	known->tick = t->tick;
	live += t->live && !known->live;
	known->live |= t->live;
	retire(t);
	return known;
}

static inline int same_stack(uint64_t a, uint64_t b)
{
	return a >> STACK_SHIFT == b >> STACK_SHIFT;
}

static void pushed(struct thread *t, uint64_t at)
{
	/* On its own stack, nothing is left on those of interrupts. */
	if (at >> STACK_SHIFT == t->stack)
		while (t->depth && !same_stack(t->frames[t->depth - 1].at, at))
			t->depth--;
	while (t->depth && same_stack(t->frames[t->depth - 1].at, at) && t->frames[t->depth - 1].at <= at)
		t->depth--;
	if (t->depth == DEEPEST) { /* contexts are then cut short; counts are not lost */
		shared->cut++;
		t->depth = 0;
	}
	t->frames[t->depth++] = (struct frame){ at, t->node };
}

/* Returns whether the frame was known. */
static int popped(struct thread *t, uint64_t at)
{
	while (t->depth && same_stack(t->frames[t->depth - 1].at, at) && t->frames[t->depth - 1].at < at)
		t->depth--;
	if (!t->depth || t->frames[t->depth - 1].at != at)
		return 0;
	t->node = t->frames[--t->depth].node;
	return 1;
}

static void park(struct cpu *c)
{
	c->current = current;
	c->running = running;
	c->here = here;
	c->accesses = accesses;
	c->counted = counted;
	c->stacked = stacked;
	c->begun = *counter_of(active);
	/* Whose it is would be known later, at the next reading of the clock. */
	settle(current->window);
}

/* A node, for which nothing is pending any more, still counts. */
static void return_to(struct node *node)
{
	uint32_t n = (uint32_t)(node - nodes);

	touch(n);
	look(current, n);
}

static void resume(struct cpu *c)
{
	current = c->current ? c->current : newcomer(active);
	running = c->running;
	here = c->here;
	accesses = c->accesses;
	counted = c->counted;
	stacked = c->stacked;
	*counter_of(active) = c->begun;
	if (here)
		return_to(here);
}

/* With the first mark, all begins anew. */
static void revive(unsigned int cpu)
{
	for (int i = 0; i < MAX_CPUS; i++) {
		cpus[i].current = NULL;
		cpus[i].running = &none;
		cpus[i].here = NULL;
	}
	settle(NONE);
	active = cpu;
	current = newcomer(cpu);
	running = &none;
	here = NULL;
}

/* Each callback begins with it. vCPUs take turns, between blocks. */
static inline void on_cpu(unsigned int cpu)
{
	if (__builtin_expect(cpu == active || !live, 1))
		return;
	if (cpu >= MAX_CPUS) {
		fail(FAULT_CPUS);
		return;
	}
	park(&cpus[active]);
	active = cpu;
	resume(&cpus[active]);
}

#endif
