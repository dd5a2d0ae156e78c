/* SPDX-License-Identifier: MIT */
/* What a thread executes between two marks. */
#ifndef WINDOWS_H
#define WINDOWS_H

#include "lines.h"

#include <string.h>

static uint32_t entry_slots[ENTRY_SLOTS];

static struct entry *entry_of(uint32_t window, uint32_t node)
{
	uint64_t h = (((uint64_t)window << 32 | node) * 0x9e3779b97f4a7c15ULL) >> 30;

	for (;; h++) {
		uint32_t *slot = &entry_slots[h & (ENTRY_SLOTS - 1)];
		if (!*slot) {
			if (shared->entries == MAX_ENTRIES) {
				fail(FAULT_ENTRIES);
				return NULL;
			}
			uint32_t n = (uint32_t)shared->entries++;
			entries[n].window = window;
			entries[n].node = node;
			*slot = n + 1;
			return &entries[n];
		}
		struct entry *e = &entries[*slot - 1];
		if (e->window == window && e->node == node)
			return e;
	}
}

/* Adds what is pending to the window. */
static void settle(uint32_t window)
{
	for (uint32_t i = 0; i < touches; i++) {
		struct node *node = &nodes[touched[i]];
		struct entry *e = window == NONE ? NULL : entry_of(window, touched[i]);
		for (int c = 0; c < COUNTERS; c++) {
			if (e)
				e->count[c] += node->pending[c];
			node->pending[c] = 0;
		}
		node->touched = 0;
	}
	touches = 0;
}

/* Ends what a thread is live for. */
static void retire(struct thread *t)
{
	live -= t->live;
	t->live = 0;
}

static void take_mark(struct thread *t)
{
	if ((t->armed & MARK_KIND) == MARK_OPEN) {
		if (shared->windows == MAX_WINDOWS) {
			fail(FAULT_WINDOWS);
			t->window = NONE;
		} else {
			struct window *w = &windows[shared->windows];
			w->kind = t->armed & ~MARK_KIND;
			w->labels = labels;
			w->thread = t->stack;
			w->before = t->window;
			begin_epoch(t);
			t->window = (uint32_t)shared->windows++;
		}
	} else {
		t->window = NONE;
		retire(t);
	}
	t->armed = 0;
}

#endif
