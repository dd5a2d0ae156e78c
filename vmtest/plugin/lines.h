/* SPDX-License-Identifier: MIT */
/* Lines that a function touches, each once an event. */
#ifndef LINES_H
#define LINES_H

#include "nodes.h"

enum { LINE_SHIFT = 6, LINE_SLOTS = 1 << 20, PROBES = 64, THREAD_BITS = 12 };
_Static_assert(THREADS == 1 << THREAD_BITS, "a line has the thread in its lowest bits");

struct line {
	uint64_t at; /* the line, and the thread that touched it */
	uint32_t function, epoch;
};

/* What belongs to epochs that are over is replaced, and nothing is removed. */
static _Alignas(64) struct line lines[LINE_SLOTS];

/* An epoch begins at a tick, at a window, and for a thread without ticks when it runs. */
static inline void begin_epoch(struct thread *t)
{
	t->epoch = ++epochs;
}

/* Returns whether the function touches the line for the first time in this epoch. */
static int first_touch(struct thread *t, uint32_t function, uint64_t line)
{
	/* Nothing is shifted out but copies of the sign. */
	uint64_t at = line << THREAD_BITS | t->slot;
	/* Four lines that follow one another have their slots in one line of the host's cache. */
	uint64_t h = ((line >> 2 ^ (uint64_t)t->slot << 32 ^ (uint64_t)function << 44) * 0x9e3779b97f4a7c15ULL) >> 46 << 2 | (line & 3);

	for (int i = 0; i < PROBES; i++) {
		struct line *l = &lines[(h + i) & (LINE_SLOTS - 1)];
		if (l->at == at && l->function == function) {
			int first = l->epoch != t->epoch;
			l->epoch = t->epoch;
			return first;
		}
		if (!l->epoch) /* never used: it would have been taken */
			break;
	}
	struct line *free = NULL;
	for (int i = 0; i < PROBES && !free; i++) {
		struct line *l = &lines[(h + i) & (LINE_SLOTS - 1)];
		const struct thread *owner = threads[l->at & (THREADS - 1)];
		if (!owner || owner->epoch != l->epoch)
			free = l;
	}
	if (!free) { /* outside of windows, nobody misses it */
		if (t->window != NONE)
			fail(FAULT_LINES);
		free = &lines[h];
	}
	*free = (struct line){ at, function, t->epoch };
	return 1;
}

/* Begins to count at a node. */
static inline void look(const struct thread *t, uint32_t node)
{
	seen = &seen_at[node];
	if (seen_in[node] == t->epoch)
		return;
	seen_in[node] = t->epoch;
	memset(seen, 0xff, sizeof(*seen));
}

/* When a line that was seen may be the one that ticks. */
static void forget(void)
{
	memset(seen_in, 0, shared->nodes * sizeof(*seen_in));
	if (here)
		look(current, (uint32_t)(here - nodes));
}

#endif
