/* SPDX-License-Identifier: MIT */
/* Misses of the modelled caches. */
#ifndef MODEL_H
#define MODEL_H

#include "cache.h"
#include "qemu.h"
#include "lines.h"

static struct cache caches[CACHES];
static bool modelled;

static bool make_caches(void)
{
	for (int i = 0; i < CACHES; i++)
		if (shared->caches[i].sets && !make_cache(&caches[i], &shared->caches[i]))
			return false;
	modelled = shared->caches[L2].sets != 0;
	return true;
}

/* node is NULL where it is nobody's, but caches have it. */
static void through(int first, uint32_t misses, uint64_t line, struct node *node)
{
	if (hits(&caches[first], line))
		return;
	bool second = hits(&caches[L2], line);

	if (!node)
		return;
	node->pending[misses]++;
	node->pending[L2_MISSES] += !second;
	if (first == L1D && streams(&caches[L1D], line)) {
		node->pending[L1D_STREAMED]++;
		node->pending[L2_STREAMED] += !second;
	}
}

/* Code and data have different lines, since only the latter has a physical address. */
enum { CODE_BIT = 57 };

static void fetch(const struct block *b, struct node *node)
{
	for (uint64_t line = b->code[0]; line <= b->code[1]; line++)
		through(L1I, L1I_MISSES, line | 1ULL << CODE_BIT, node);
}

static void access_data(qemu_plugin_meminfo_t info, uint64_t address, uint32_t size, struct node *node)
{
	const struct qemu_plugin_hwaddr *physical = qemu_plugin_get_hwaddr(info, address);

	if (!physical)
		return;
	if (qemu_plugin_hwaddr_is_io(physical)) {
		if (node)
			node->pending[DEVICE_WRITES] += qemu_plugin_mem_is_store(info);
		return;
	}
	uint64_t at = qemu_plugin_hwaddr_phys_addr(physical);
	uint64_t line = at >> LINE_SHIFT, last = (at + size - 1) >> LINE_SHIFT;

	do {
		through(L1D, L1D_MISSES, line, node);
	} while (line++ != last);
}

#endif
