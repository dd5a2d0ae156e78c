/* SPDX-License-Identifier: MIT */
/* Call contexts: a function, called in its parent. */
#ifndef NODES_H
#define NODES_H

#include "state.h"

static uint32_t node_slots[NODE_SLOTS];

static uint32_t child(uint32_t parent, uint32_t function)
{
	uint64_t h = (((uint64_t)parent << 32 | function) * 0x9e3779b97f4a7c15ULL) >> 40;

	for (;; h++) {
		uint32_t *slot = &node_slots[h & (NODE_SLOTS - 1)];
		if (!*slot) {
			if (shared->nodes == MAX_NODES) {
				fail(FAULT_NODES);
				return 0;
			}
			uint32_t n = (uint32_t)shared->nodes++;
			nodes[n].parent = parent;
			nodes[n].function = function;
			*slot = n;
			return n;
		}
		if (nodes[*slot].parent == parent && nodes[*slot].function == function)
			return *slot;
	}
}

static inline struct node *touch(uint32_t n)
{
	struct node *node = &nodes[n];

	if (!node->touched) {
		if (touches == MAX_TOUCHED) {
			fail(FAULT_TOUCHED);
			return node;
		}
		node->touched = 1;
		touched[touches++] = n;
	}
	return node;
}

static inline uint32_t role(uint32_t node)
{
	uint32_t f = nodes[node].function;

	return f < shared->functions ? functions[f].role : 0;
}

/* A function that is not in the table is known by the address that it was entered at. */
static uint32_t stranger(uint64_t address)
{
	for (uint32_t i = 0; i < shared->strangers; i++)
		if (shared->stranger[i] == address)
			return STRANGER + i;
	if (shared->strangers == MAX_STRANGERS) {
		fail(FAULT_STRANGERS);
		return STRANGER;
	}
	shared->stranger[shared->strangers] = address;
	return STRANGER + (uint32_t)shared->strangers++;
}

#endif
