/* SPDX-License-Identifier: MIT */
/*
 * A model of a core's caches: set-associative, the least recently used line is replaced,
 * stores allocate, nothing is prefetched, but what a prefetcher would have is known. Data has its physical address. Code has its
 * virtual one, because the interface does not tell another: for a first level of a page
 * a way, the sets are the same.
 */
#ifndef CACHE_H
#define CACHE_H

#include "layout.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct cache {
	uint32_t sets, ways;
	uint64_t *lines; /* of each set, the latest first; 0: none */
};

static bool make_cache(struct cache *c, const struct geometry *g)
{
	c->sets = g->sets;
	c->ways = g->ways;
	c->lines = calloc((size_t)c->sets * c->ways, sizeof(*c->lines));
	return c->lines;
}

/* Returns whether the line was there. It is now. */
static bool hits(struct cache *c, uint64_t line)
{
	uint64_t *set = c->lines + (size_t)(line & (c->sets - 1)) * c->ways;

	line++; /* 0 is none */
	uint64_t later = set[0];
	if (later == line)
		return true;
	set[0] = line;
	for (uint32_t i = 1; i < c->ways; i++) {
		uint64_t there = set[i];
		set[i] = later;
		if (there == line)
			return true;
		later = there;
	}
	return false;
}

/* Lines of a page. */
enum { PAGE_LINES = 64 };

/*
 * Returns whether a prefetcher that follows streams had fetched the line: the one before
 * it, of the same page, is there. Nothing else is fetched for it.
 */
static bool streams(const struct cache *c, uint64_t line)
{
	const uint64_t *set = c->lines + (size_t)((line - 1) & (c->sets - 1)) * c->ways;

	if (line % PAGE_LINES == 0)
		return false;
	for (uint32_t i = 0; i < c->ways; i++)
		if (set[i] == line) /* of the one before: see hits() */
			return true;
	return false;
}

#endif
