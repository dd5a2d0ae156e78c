/* SPDX-License-Identifier: MIT */
/*
 * The memory that the plugin shares with the host. layout.go mirrors it; a test holds the
 * two together.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdint.h>

#define MAGIC 0x31746e756f637472ULL /* "rtcount1" */

/* Bytes of nopl MARK(%rax), of which the lowest says what is marked. */
#define MARK_B1 0x77
#define MARK_B2 0x74
#define MARK_B3 0x72
enum {
	MARK_KIND = 0xf0,  /* mask; what is left is the kind of a window */
	MARK_OPEN = 0x10,  /* a window, when the thread next reads its CPU time */
	MARK_CLOSE = 0x20, /* it */
	MARK_TICK = 0x30,  /* the next load is from the address that is stored to at each event */
	MARK_LABEL = 0x40, /* windows that are opened from now on are of the next part */
};

enum {
	INSTRUCTIONS,
	LOADS,
	STORES,
	BYTES,
	JUMPS_TAKEN,
	LINES,
	L1D_MISSES,
	L1I_MISSES,
	L2_MISSES,
	L1D_STREAMED, /* of these misses: a prefetcher would have the line */
	L2_STREAMED,
	KERNEL_RETURNS, /* of classes.h, as those that follow */
	ENTRIES,
	LOCKED,
	TSC_READS,
	DEVICE_WRITES,
	TRANSFERS, /* of sharing.h, as those that follow */
	LOCKS,
	HELD,
	HELD_TRANSFERS,
	COUNTERS
};

/* The caches of the model. */
enum { L1D, L1I, L2, CACHES };

enum {
	ROLE_CLOCK = 1,	  /* reads the scheduler's clock */
	ROLE_QUEUE = 2,	  /* updates a run queue's clock */
	ROLE_RUNTIME = 4, /* asks for a thread's CPU time */
	ROLE_SWITCH = 8,  /* returns in another thread */
	ROLE_FAULT = 16,  /* entered by an instruction that faults */
	ROLE_ENTRY = 32,  /* entered by an interrupt, exception or system call */
	ROLE_SCHEDULE = 64,
	ROLE_GAP = 128,	   /* no function begins here */
	ROLE_PAGE = 256,   /* of the faults: those of a page, which may be the next instruction's */
	ROLE_OPCODE = 512, /* those of an opcode */
};

enum fault {
	FAULT_NODES = 1,
	FAULT_TOUCHED,
	FAULT_STRANGERS,
	FAULT_ENTRIES,
	FAULT_WINDOWS,
	FAULT_THREADS,
	FAULT_MEMORY,
	FAULT_LINES,
	FAULT_CPUS,
	FAULT_SHARED,
	FAULTS,
};

#define NONE 0xffffffffU
#define FRESH 0x80000000U
#define USER 0x7fffffffU
#define NOWHERE 0x7ffffffeU
#define STRANGER 0x40000000U
#define UNKNOWN 0x3fffffffU
#define USER_NODE 1

#define MAX_FUNCTIONS (1 << 18)
#define MAX_STRANGERS 256
#define MAX_CPUS 32
#define MAX_NODES (1 << 18)
#define NODE_SLOTS (1 << 19)
#define MAX_TOUCHED (1 << 16)
#define MAX_WINDOWS (1 << 16)
#define MAX_ENTRIES (1 << 20)
#define ENTRY_SLOTS (1 << 21)

struct function {
	uint64_t address;
	uint32_t role, pad;
};

struct node {
	uint32_t parent, function;
	uint32_t touched, pad;
	uint64_t pending[COUNTERS];
};

struct window {
	uint32_t kind, labels;
	uint32_t before, pad;
	uint64_t thread;
};

struct entry {
	uint32_t window, node;
	uint64_t count[COUNTERS];
};

struct geometry {
	uint32_t sets, ways; /* sets: a power of two; 0: there is no model */
};

struct header {
	uint64_t magic;
	uint64_t functions;		/* by the host */
	struct geometry caches[CACHES]; /* by the host */
	uint64_t cpus;			/* by the host; more than 1: what they share is followed */
	uint64_t running;
	uint64_t fault;
	uint64_t nodes, windows, entries, strangers;
	uint64_t cut; /* how often calls were too deep */
	uint64_t stranger[MAX_STRANGERS];
};

#define FUNCTIONS_AT (1 << 16)
#define NODES_AT (FUNCTIONS_AT + MAX_FUNCTIONS * sizeof(struct function))
#define WINDOWS_AT (NODES_AT + MAX_NODES * sizeof(struct node))
#define ENTRIES_AT (WINDOWS_AT + MAX_WINDOWS * sizeof(struct window))
#define SHARED_BYTES (ENTRIES_AT + MAX_ENTRIES * sizeof(struct entry))

#endif
