//go:build ignore

// SPDX-License-Identifier: MIT
/*
 * A plugin of QEMU's emulation that counts what a guest executes, exactly, by call
 * context. It has no part in what the guest does.
 *
 * It knows functions by a table that the host fills in before the guest runs, and writes
 * what it counts into the same shared memory: see layout.h.
 */
#include "cache.h"
#include "classes.h"
#include "decode.h"
#include "layout.h"
#include "qemu.h"
#include "sharing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = API;

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

/* ---- nodes ---- */

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

/* ---- lines ---- */

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

/* ---- caches ---- */

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

/* ---- windows ---- */

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

/* ---- threads ---- */

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

/* ---- vCPUs ---- */

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

/* ---- execution ---- */

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

/* What is said of an instruction that accesses memory. */
enum { LAST_STOP = 1, PUSHES = 2, POPS = 4, TAKES_LOCK = 8, LOCKS_BUS = 16 };

static void follow_lock(struct owner *o, uint64_t address, uintptr_t flags, struct node *node)
{
	uint64_t executed = o->executed + running->stop[*counter_of(active) - 1] + 1;

	if (flags & TAKES_LOCK) {
		take_lock(o, address, executed, (uint32_t)(node - nodes));
	} else if (!(flags & LOCKS_BUS)) {
		const struct held *h = release_lock(o, address);
		if (!h)
			return;
		struct node *taker = touch(h->node);
		taker->pending[LOCKS]++;
		taker->pending[HELD] += executed - h->executed;
		taker->pending[HELD_TRANSFERS] += o->transfers - h->transfers;
	}
}

static void access_shared(qemu_plugin_meminfo_t info, uint64_t address, uint32_t size, uintptr_t flags, struct node *node)
{
	const struct qemu_plugin_hwaddr *physical = qemu_plugin_get_hwaddr(info, address);
	bool store = qemu_plugin_mem_is_store(info);
	struct owner *o = &owners[active];

	if (!physical || qemu_plugin_hwaddr_is_io(physical))
		return;
	uint64_t at = qemu_plugin_hwaddr_phys_addr(physical);
	uint64_t line = at >> LINE_SHIFT, last = (at + size - 1) >> LINE_SHIFT;

	if (flags & TAKES_LOCK && !store) /* it loads, and then stores */
		o->before = o->transfers;
	do {
		struct shared_line *l = shared_line(line);
		if (!l) {
			fail(FAULT_SHARED);
			return;
		}
		if (transfers(l, active, store) && node) {
			o->transfers++;
			node->pending[TRANSFERS]++;
		}
	} while (line++ != last);
	if (node && store && !running->user)
		follow_lock(o, address, flags, node);
}

/* What QEMU says of an access, as it was asked once. */
enum { KINDS = 1 << 18, SIZE_SHIFT = 7, STORED = 8, KNOWN = 16 };
static uint8_t kinds[KINDS];

static uint8_t ask_kind(qemu_plugin_meminfo_t info)
{
	uint8_t kind = (uint8_t)(KNOWN | (qemu_plugin_mem_is_store(info) ? STORED : 0) | qemu_plugin_mem_size_shift(info));

	if (info < KINDS)
		kinds[info] = kind;
	return kind;
}

static inline uint32_t kind_of(qemu_plugin_meminfo_t info)
{
	uint32_t kind = info < KINDS ? kinds[info] : 0;

	return __builtin_expect(kind != 0, 1) ? kind : ask_kind(info);
}

/* The load that follows the mark of a tick is from its address. */
static void learn(struct thread *t, uint64_t address)
{
	t->tick = address;
	t->learn = 0;
}

/* An access to lines of which not all were seen. */
static void touch_lines(uint64_t address, uint32_t kind)
{
	struct thread *t = current;
	struct node *node = here;
	uint64_t line = address >> LINE_SHIFT, last = (address + (1U << (kind & SIZE_SHIFT)) - 1) >> LINE_SHIFT;

	do {
		node->pending[LINES] += first_touch(t, node->function, line);
		if (line != t->tick >> LINE_SHIFT && !t->learn)
			seen->line[line % SEEN] = line;
	} while (line++ != last);
	if (kind & STORED) {
		if (address == t->tick) {
			begin_epoch(t);
			look(t, (uint32_t)(node - nodes));
		}
	} else if (__builtin_expect(t->learn, 0)) {
		learn(t, address);
	}
}

static inline __attribute__((always_inline)) void count_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, uintptr_t flags)
{
	on_cpu(cpu);

	struct node *node = here;

	if (!node) {
		if (live && current->learn && !qemu_plugin_mem_is_store(info))
			learn(current, address);
		return;
	}
	uint32_t kind = kind_of(info);
	uint32_t size = 1U << (kind & SIZE_SHIFT);

	accesses += flags & LAST_STOP;
	if (flags & (kind & STORED ? PUSHES : POPS))
		stacked = address;
	node->pending[kind & STORED ? STORES : LOADS]++;
	node->pending[BYTES] += size;
	uint64_t line = address >> LINE_SHIFT;

	if (__builtin_expect(seen->line[line % SEEN] != line || (address + size - 1) >> LINE_SHIFT != line, 0))
		touch_lines(address, kind);
}

static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	(void)data;
	count_access(cpu, info, address, 0);
}

static void on_last_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	count_access(cpu, info, address, (uintptr_t)data);
}

static void on_followed_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	if (!live)
		return;
	on_cpu(cpu);
	if (modelled)
		access_data(info, address, 1U << (kind_of(info) & SIZE_SHIFT), here);
	if (shared_lines)
		access_shared(info, address, 1U << (kind_of(info) & SIZE_SHIFT), (uintptr_t)data, here);
	count_access(cpu, info, address, (uintptr_t)data);
}

/* ---- translation ---- */

static uint32_t function_at(uint64_t address)
{
	uint64_t low = 0, high = shared->functions;

	while (low < high) { /* the last that begins at or before it */
		uint64_t middle = (low + high) / 2;
		if (functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || functions[low - 1].role & ROLE_GAP)
		return UNKNOWN;
	return (uint32_t)low - 1;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t length = qemu_plugin_tb_n_insns(tb);
	size_t stops = length * sizeof(uint16_t);
	struct block *b = calloc(1, sizeof(*b) + stops + (modelled ? length * sizeof(struct classed) : 0));
	uint8_t code[16];

	(void)id;
	if (!b) {
		fail(FAULT_MEMORY);
		return;
	}
	b->address = qemu_plugin_tb_vaddr(tb);
	b->length = (uint16_t)length;
	b->user = !(b->address >> 63);
	b->function = b->user ? USER : function_at(b->address);
	if (b->function < shared->functions && functions[b->function].address == b->address) {
		uint32_t role = functions[b->function].role;
		b->entered = !(role & ROLE_FAULT) ? NO_EXCEPTION :
			     role & ROLE_PAGE	  ? PAGE_FAULT :
			     role & ROLE_OPCODE	  ? UNKNOWN_OPCODE :
						    OTHER_FAULT;
	}
	b->classed = (struct classed *)(b->stop + length);
	uint64_t end = b->address;
	for (size_t i = 0; i < length; i++) {
		size_t size = copy_code(qemu_plugin_tb_get_insn(tb, i), code, sizeof(code));
		end += size;
		/*
		 * QEMU names the last one too where it takes it out again, because it goes on in the
		 * next page. Then the one before was the last.
		 * case 2 in i386_tr_translate_insn() of
		 * https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/target/i386/tcg/translate.c
		 */
		if (i + 2 >= length || may_stop(code, size)) {
			b->stop[b->stops++] = (uint16_t)i;
			b->accesses = accesses_of(code, size);
		}
		uint16_t counter = modelled ? class_of(code, size, b->user) : INSTRUCTIONS;
		if (counter != INSTRUCTIONS)
			b->classed[b->classes++] = (struct classed){ (uint16_t)i, counter };
	}
	b->code[0] = b->address << 6 >> 6 >> LINE_SHIFT;
	b->code[1] = (end - (end > b->address)) << 6 >> 6 >> LINE_SHIFT;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, modelled || shared_lines ? on_followed_block : on_block, QEMU_PLUGIN_CB_NO_REGS, b);
	for (size_t i = 0, stop = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = copy_code(insn, code, sizeof(code));
		enum ending ending = i == length - 1 ? decode(code, size) : WITHIN;
		int mark = b->user ? mark_of(code, size) : -1;
		uintptr_t flags = 0;

		if (i == length - 1)
			b->ending = ending;
		if (mark >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)mark);
		if (i + 1 < length && !b->user && decode(code, size) == READS_TSC)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_clock, QEMU_PLUGIN_CB_NO_REGS, (void *)(i + 1));
		if (stop == b->stops || b->stop[stop] != i)
			continue;
		count_in(insn);
		if (++stop == b->stops)
			flags |= LAST_STOP;
		flags |= ending == CALLS ? PUSHES : ending == RETURNS ? POPS : 0;
		flags |= locked(code, size) ? LOCKS_BUS : 0;
		flags |= takes_lock(code, size) ? TAKES_LOCK : 0;
		qemu_plugin_register_vcpu_mem_cb(insn, modelled || shared_lines ? on_followed_access : flags ? on_last_access : on_access,
						 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, (void *)flags);
	}
	b->jumps = b->ending != FALLS && b->ending != READS_TSC && b->ending != INTERRUPT_RETURNS;
	b->joins = b->entered ? NONE : b->function;
	b->leaves = !b->user && (b->ending == CALLS || b->ending == RETURNS || b->ending == READS_TSC) ? NOWHERE : b->function;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int fd = -1;

	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "fd=", 3))
			fd = atoi(argv[i] + 3);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < (off_t)SHARED_BYTES) {
		dprintf(STDERR_FILENO, "ringtwin: no shared memory\n");
		return 1;
	}
	if (!knows_cpus(info)) {
		dprintf(STDERR_FILENO, "ringtwin: this QEMU counts machines with one vCPU only\n");
		return 1;
	}
	char *memory = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return 1;
	shared = (struct header *)memory;
	functions = (const struct function *)(memory + FUNCTIONS_AT);
	nodes = (struct node *)(memory + NODES_AT);
	windows = (struct window *)(memory + WINDOWS_AT);
	entries = (struct entry *)(memory + ENTRIES_AT);
	if (shared->magic != MAGIC || !make_counter() || !make_caches() || (shared->cpus > 1 && !make_sharing()))
		return 1;
	shared->nodes = 2; /* the root, and user space below it */
	nodes[0].function = NOWHERE;
	nodes[USER_NODE].function = USER;
	current = thread_at(0);
	shared->running = 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
