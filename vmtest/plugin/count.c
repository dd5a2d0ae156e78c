//go:build ignore

// SPDX-License-Identifier: MIT
/*
 * A plugin of QEMU's emulation that counts what a guest executes, exactly, by call
 * context. It has no part in what the guest does.
 *
 * It knows functions by a table that the host fills in before the guest runs, and writes
 * what it counts into the same shared memory: see layout.h.
 */
#include "layout.h"
#include "qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = API;

/* How the last instruction of a block leaves it. */
enum ending { FALLS, JUMPS, BRANCHES, CALLS, RETURNS, INTERRUPT_RETURNS, READS_TSC, WITHIN };

/* By which exception a block is entered. */
enum exception { NO_EXCEPTION, PAGE_FAULT, UNKNOWN_OPCODE, OTHER_FAULT };

struct block {
	uint64_t address;
	uint32_t function; /* UNKNOWN: a BPF program, or what is like it */
	uint16_t length;   /* instructions */
	uint8_t ending;
	uint8_t user;
	uint8_t accesses; /* of its last instruction to memory, if it has any */
	uint8_t entered;  /* by an exception */
	/* The node that this block was last counted at, below the node of its caller. */
	uint32_t parent, node;
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

/* Of the vCPU that runs: the number of instructions that were begun is in counter_of(). */
static unsigned int active;
static struct thread *current;
static struct block *running; /* NULL: none yet */
static uint32_t accesses;     /* to memory, of its last instruction */
static uint64_t stacked;      /* where its last instruction, a call or return, did */

/* Nodes with something pending, which belongs to a thread that is not yet known. */
static uint32_t touched[MAX_TOUCHED], touches;

struct parked {
	uint32_t node;
	uint64_t count[COUNTERS];
};

/* The same, of a vCPU that does not run. */
static struct cpu {
	struct thread *current;
	struct block *running;
	uint32_t accesses, touches, room;
	uint64_t stacked, begun;
	struct parked *parked;
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
static struct line lines[LINE_SLOTS];

/* An epoch begins at a tick, at a window, and for a thread without ticks when it runs. */
static inline void begin_epoch(struct thread *t)
{
	t->epoch = ++epochs;
}

/* Returns whether the function touches the line for the first time in this epoch. */
static inline int first_touch(struct thread *t, uint32_t function, uint64_t line)
{
	/* Nothing is shifted out but copies of the sign. */
	uint64_t at = line << THREAD_BITS | t->slot;
	uint64_t h = ((at ^ (uint64_t)function << 44) * 0x9e3779b97f4a7c15ULL) >> 44;

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
	c->accesses = accesses;
	c->stacked = stacked;
	c->begun = *counter_of(active);
	c->touches = 0;
	if (c->room < touches) {
		free(c->parked);
		c->room = touches;
		c->parked = malloc(touches * sizeof(*c->parked));
	}
	for (uint32_t i = 0; i < touches; i++) {
		struct node *node = &nodes[touched[i]];
		if (c->parked) {
			struct parked *p = &c->parked[c->touches++];
			p->node = touched[i];
			memcpy(p->count, node->pending, sizeof(p->count));
		} else {
			c->room = 0;
			fail(FAULT_MEMORY);
		}
		memset(node->pending, 0, sizeof(node->pending));
		node->touched = 0;
	}
	touches = 0;
}

static void resume(struct cpu *c)
{
	/* No stack is there: it has what is before its first switch. */
	current = c->current ? c->current : thread_at(active);
	running = c->running;
	accesses = c->accesses;
	stacked = c->stacked;
	*counter_of(active) = c->begun;
	for (uint32_t i = 0; i < c->touches; i++)
		memcpy(touch(c->parked[i].node)->pending, c->parked[i].count, sizeof(c->parked[i].count));
}

/* Each callback begins with it. vCPUs take turns, between blocks. */
static inline void on_cpu(unsigned int cpu)
{
	if (__builtin_expect(cpu == active, 1))
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
 * Whether the last instruction that was begun completed. One that faults is not counted: it
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

static void finish(enum exception exception)
{
	struct block *b = running;
	struct thread *t = current;
	uint64_t done = *counter_of(active);
	int whole = done == b->length;

	if (!completed(b, whole, exception)) {
		done--;
		whole = 0;
	}
	struct node *node = touch(t->node);
	node->pending[INSTRUCTIONS] += done;
	if (!whole)
		return;
	switch (b->ending) {
	case CALLS:
		node->pending[JUMPS_TAKEN]++;
		if (!b->user)
			pushed(t, stacked);
		t->node |= FRESH;
		break;
	case RETURNS:
		node->pending[JUMPS_TAKEN]++;
		if (b->user)
			break;
		if (role(t->node) & ROLE_SWITCH) {
			current = t = thread_at(stacked >> STACK_SHIFT);
			if (!t->tick)
				begin_epoch(t);
		}
		popped(t, stacked);
		break;
	case BRANCHES:
	case JUMPS:
		node->pending[JUMPS_TAKEN]++;
		break;
	case READS_TSC: {
		enum reading reading = b->user ? OTHER : reading_at(t->node);

		if (reading == OTHER)
			break;
		settle(reading == LEAVING ? NONE : t->window);
		if (reading == RUNTIME && t->armed)
			take_mark(t);
		break;
	}
	}
}

static void on_block(unsigned int cpu, void *data)
{
	struct block *b = data;

	on_cpu(cpu);
	if (running)
		finish(b->entered);
	struct thread *t = current;
	int was_user = running ? running->user : 1;
	int fresh = (t->node & FRESH) != 0;
	uint32_t at = t->node & ~FRESH;

	running = b;
	*counter_of(cpu) = 1;
	accesses = 0;
	if (b->user) {
		t->depth = 0;
		t->node = USER_NODE;
		return;
	}
	if (was_user) {
		t->depth = 0;
		at = 0;
		fresh = 1;
	}
	uint32_t parent = fresh ? at : nodes[at].parent;
	uint32_t function = b->function;
	if (function == UNKNOWN) {
		if (!fresh && nodes[at].function - STRANGER < MAX_STRANGERS) {
			t->node = at;
			return;
		}
		function = stranger(b->address);
	} else if (!fresh && nodes[at].function == function) {
		t->node = at;
		return;
	}
	if (b->parent != parent || !b->node || nodes[b->node].function != function) {
		b->parent = parent;
		b->node = child(parent, function);
	}
	t->node = b->node;
}

static void on_mark(unsigned int cpu, void *data)
{
	uint8_t mark = (uint8_t)(uintptr_t)data;

	on_cpu(cpu);
	switch (mark & MARK_KIND) {
	case MARK_OPEN:
	case MARK_CLOSE:
		current->armed = mark;
		break;
	case MARK_TICK:
		current->learn = 1;
		break;
	case MARK_LABEL:
		labels++;
	}
}

static void on_memory(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	uintptr_t ending = (uintptr_t)data;
	int store = qemu_plugin_mem_is_store(info);
	uint32_t size = 1U << qemu_plugin_mem_size_shift(info);

	on_cpu(cpu);

	struct thread *t = current;
	struct node *node = touch(t->node & ~FRESH);

	if (ending != WITHIN)
		accesses++;
	if (ending == CALLS ? store : ending == RETURNS)
		stacked = address;
	node->pending[store ? STORES : LOADS]++;
	node->pending[BYTES] += size;
	uint64_t line = address >> LINE_SHIFT, last = (address + size - 1) >> LINE_SHIFT;
	do {
		node->pending[LINES] += first_touch(t, node->function, line);
	} while (line++ != last);
	if (t->learn && !store) {
		t->tick = address;
		t->learn = 0;
	} else if (store && address == t->tick) {
		begin_epoch(t);
	}
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

/* Where the opcode of an instruction of x86-64 is, behind prefixes. */
static size_t opcode_at(const uint8_t *code, size_t size)
{
	size_t i = 0;

	while (i < size && (code[i] == 0x66 || code[i] == 0x67 || code[i] == 0xf2 || code[i] == 0xf3 || code[i] == 0x2e ||
			    code[i] == 0x3e || code[i] == 0x26 || code[i] == 0x36 || code[i] == 0x64 || code[i] == 0x65 || code[i] == 0xf0))
		i++;
	if (i < size && (code[i] & 0xf0) == 0x40)
		i++;
	return i;
}

static enum ending decode(const uint8_t *code, size_t size)
{
	size_t i = opcode_at(code, size);

	if (i >= size)
		return FALLS;
	uint8_t next = i + 1 < size ? code[i + 1] : 0;
	switch (code[i]) {
	case 0xe8:
		return CALLS;
	case 0xe9:
	case 0xeb:
		return JUMPS;
	case 0xc2:
	case 0xc3:
		return RETURNS;
	case 0xcf:
		return INTERRUPT_RETURNS;
	case 0xe0:
	case 0xe1:
	case 0xe2:
	case 0xe3:
		return BRANCHES;
	case 0xff:
		switch (next >> 3 & 7) {
		case 2:
			return CALLS;
		case 4:
			return JUMPS;
		}
		return FALLS;
	case 0x0f:
		if (next == 0x31 || (next == 0x01 && i + 2 < size && code[i + 2] == 0xf9))
			return READS_TSC;
		return (next & 0xf0) == 0x80 ? BRANCHES : FALLS;
	}
	return (code[i] & 0xf0) == 0x70 ? BRANCHES : FALLS;
}

/* How often one of the second opcode map accesses its operand. */
static uint8_t accesses_of_second(uint8_t opcode, uint8_t group, int operand)
{
	switch (opcode) {
	case 0xa0: /* push and pop of fs and gs */
	case 0xa1:
	case 0xa8:
	case 0xa9:
		return 1;
	case 0x05: /* syscall ... ud2 */
	case 0x06:
	case 0x07:
	case 0x08:
	case 0x09:
	case 0x0b:
	case 0x0d: /* prefetch */
	case 0x77: /* emms */
	case 0xa2: /* cpuid */
	case 0xaa: /* rsm */
		return 0;
	case 0x01: /* of these, invlpg */
	case 0xae: /* and clflush */
		return operand && group != 7;
	case 0xab: /* bts, btr, btc */
	case 0xb3:
	case 0xbb:
	case 0xb0: /* cmpxchg */
	case 0xb1:
	case 0xc0: /* xadd */
	case 0xc1:
		return operand ? 2 : 0;
	case 0xba:
		return operand ? group > 4 ? 2 : 1 : 0;
	}
	switch (opcode >> 3) {
	case 0x18 >> 3: /* hints that do nothing */
	case 0x20 >> 3: /* control registers */
	case 0x30 >> 3: /* rdtsc, wrmsr ... */
	case 0x80 >> 3: /* jcc */
	case 0x88 >> 3:
	case 0xc8 >> 3: /* bswap */
		return 0;
	}
	return operand;
}

/*
 * How often an instruction accesses memory when it completes, or less often where that is
 * not known. A page fault after the last instruction of a block was then the next one's,
 * which could not be fetched.
 */
static uint8_t accesses_of(const uint8_t *code, size_t size)
{
	size_t i = opcode_at(code, size);

	if (i >= size)
		return 0;
	uint8_t opcode = code[i];
	/* Behind VEX and EVEX, and the second opcode map. */
	size_t skip = opcode == 0xc5 ? 3 : opcode == 0xc4 ? 4 : opcode == 0x62 ? 5 : opcode == 0x0f ? 2 : 1;
	uint8_t modrm = i + skip < size ? code[i + skip] : 0xc0;
	uint8_t group = modrm >> 3 & 7;
	int operand = modrm < 0xc0;

	if (opcode == 0x0f)
		return i + 1 < size ? accesses_of_second(code[i + 1], group, operand) : 0;
	if (skip > 1)
		return operand;
	if (opcode < 0x40) /* arithmetic, of which cmp does not store */
		return (opcode & 7) < 4 && operand ? (opcode & 7) < 2 && opcode < 0x38 ? 2 : 1 : 0;
	if (opcode < 0x60) /* push, pop */
		return 1;
	switch (opcode) {
	case 0xa4: /* movs */
	case 0xa5:
	case 0xa6: /* cmps */
	case 0xa7:
		return 2;
	case 0x8f: /* pop */
		return operand ? 2 : 1;
	case 0x80: /* arithmetic */
	case 0x81:
	case 0x83:
		return operand ? group == 7 ? 1 : 2 : 0;
	case 0x86: /* xchg */
	case 0x87:
	case 0xc0: /* shifts */
	case 0xc1:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return operand ? 2 : 0;
	case 0xf6: /* of these, not and neg store */
	case 0xf7:
		return operand ? group == 2 || group == 3 ? 2 : 1 : 0;
	case 0xfe: /* inc, dec */
		return operand ? 2 : 0;
	case 0xff: /* inc, dec, call, jmp, push */
		if (group == 2 || group == 6)
			return operand ? 2 : 1;
		return operand ? group < 2 ? 2 : 1 : 0;
	case 0x63: /* with an operand that may be memory */
	case 0x69:
	case 0x6b:
	case 0x82:
	case 0x84:
	case 0x85:
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
	case 0x8c:
	case 0x8e:
	case 0xc6:
	case 0xc7:
		return operand;
	case 0x68: /* push */
	case 0x6a:
	case 0x6c: /* ins, outs */
	case 0x6d:
	case 0x6e:
	case 0x6f:
	case 0x9c: /* pushf, popf */
	case 0x9d:
	case 0xa0: /* mov of an absolute address */
	case 0xa1:
	case 0xa2:
	case 0xa3:
	case 0xaa: /* stos, lods, scas */
	case 0xab:
	case 0xac:
	case 0xad:
	case 0xae:
	case 0xaf:
	case 0xc2: /* ret, enter, leave, iret */
	case 0xc3:
	case 0xc8:
	case 0xc9:
	case 0xca:
	case 0xcb:
	case 0xcf:
	case 0xd7: /* xlat */
	case 0xe8: /* call */
		return 1;
	}
	return opcode >= 0xd8 && opcode <= 0xdf ? operand : 0; /* x87 */
}

/* nopl MARK(%rax) */
static int mark_of(const uint8_t *code, size_t size)
{
	return size == 7 && code[0] == 0x0f && code[1] == 0x1f && code[2] == 0x80 && code[4] == MARK_B1 && code[5] == MARK_B2 &&
			       code[6] == MARK_B3 ?
		       code[3] :
		       -1;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t length = qemu_plugin_tb_n_insns(tb);
	struct block *b = calloc(1, sizeof(*b));

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
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, b);
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint8_t code[16];
		size_t size = copy_code(insn, code, sizeof(code));
		enum ending ending = decode(code, size);
		int mark = b->user ? mark_of(code, size) : -1;

		if (i == length - 1) {
			b->ending = ending;
			b->accesses = accesses_of(code, size);
		}
		if (i > 0)
			count_in(insn);
		if (mark >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)mark);
		qemu_plugin_register_vcpu_mem_cb(insn, on_memory, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, (void *)(uintptr_t)(i == length - 1 ? ending : WITHIN));
	}
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
	if (shared->magic != MAGIC || !make_counter())
		return 1;
	shared->nodes = 2; /* the root, and user space below it */
	nodes[0].function = NOWHERE;
	nodes[USER_NODE].function = USER;
	current = thread_at(0);
	shared->running = 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
