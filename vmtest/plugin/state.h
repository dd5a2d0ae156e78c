/* SPDX-License-Identifier: MIT */
/* What the plugin knows of the guest while it runs. */
#ifndef STATE_H
#define STATE_H

#include "classes.h"
#include "layout.h"

#include <stdbool.h>
#include <stdint.h>

/* By which exception a block is entered. */
enum exception { NO_EXCEPTION, PAGE_FAULT, UNKNOWN_OPCODE, OTHER_FAULT };

struct block {
	uint64_t address;
	uint32_t function; /* UNKNOWN: a BPF program, or what is like it */
	uint16_t length;   /* instructions */
	uint8_t ending;
	uint8_t user;
	uint8_t accesses; /* of the last that may stop to memory, if it has any */
	uint8_t entered;  /* by an exception */
	uint8_t jumps;	  /* if it completes: 1 or 0 */
	/*
	 * A block goes on where another is, with nothing to do but count, if it joins the function
	 * that the other leaves to: its own, or NOWHERE. NONE: it joins nowhere.
	 */
	uint32_t joins, leaves;
	uint64_t code[2]; /* the first and the last line of its text */
	/* The node that this block was last counted at, below the node of its caller. */
	uint32_t parent, node;
	/* Instructions of classes: none without a model. */
	struct classed *classed;
	uint16_t classes;
	/* Indices of the instructions that may stop: only these are counted when they begin. */
	uint16_t stops;
	uint16_t stop[];
};

struct frame {
	uint64_t at;   /* address of the return address on the stack */
	uint32_t node; /* of the caller */
};

enum { DEEPEST = 512, THREADS = 4096, STACK_SHIFT = 14 };

struct thread {
	uint64_t stack; /* its kernel stack's address >> STACK_SHIFT */
	uint32_t depth;
	uint32_t node;	 /* where it is */
	uint32_t window; /* that is open, or NONE */
	uint8_t armed;	 /* mark that takes effect when it reads its CPU time */
	uint8_t learn;	 /* its next load is from the address of ticks */
	uint8_t live;	 /* it has executed a mark, and no last one */
	uint64_t tick;	 /* address; 0: none */
	uint32_t slot;	 /* of threads */
	uint32_t epoch;	 /* of the event that it is at: no two threads have the same */
	struct frame frames[DEEPEST];
};

static struct header *shared;
static const struct function *functions;
static struct node *nodes;
static struct window *windows;
static struct entry *entries;

static struct thread *threads[THREADS];
static uint32_t epochs;
static uint32_t labels;

/* How many threads are live. Where there are none, nothing is counted or followed. */
static uint32_t live;

/* The block of a vCPU of which none is known. */
static struct block none = { .user = 1, .leaves = NOWHERE };

/* Of the vCPU that runs: how many instructions that may stop were begun is in counter_of(). */
static unsigned int active;
static struct thread *current;
static struct block *running = &none;
static struct node *here;     /* where it counts; NULL: it is of nobody's window */
static uint32_t accesses;     /* to memory, of the last instruction that may stop */
static uint32_t counted;      /* of the running block's instructions, those that were counted */
static uint64_t stacked;      /* where its last instruction, a call or return, did */
static struct seen *seen;     /* lines, where it counts */

/*
 * Lines that were touched at a node in an epoch, by their lowest bits: it answers for most
 * accesses that they are not the first. It never has the line that ticks.
 */
enum { SEEN = 32 };
struct seen {
	uint64_t line[SEEN]; /* ~0: none */
};
static struct seen seen_at[MAX_NODES];
static uint32_t seen_in[MAX_NODES]; /* epochs */

/* Nodes with something pending, which belongs to a thread that is not yet known. */
static uint32_t touched[MAX_TOUCHED], touches;

/* The same, of a vCPU that does not run. Nothing is then pending. */
static struct cpu {
	struct thread *current;
	struct block *running;
	struct node *here;
	uint32_t accesses, counted;
	uint64_t stacked, begun;
} cpus[MAX_CPUS];

static void fail(enum fault fault)
{
	if (!shared->fault)
		shared->fault = fault;
}

#endif
