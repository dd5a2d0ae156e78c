//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * The twins: one tracer, compiled once for each event transport. It hooks into
 * execve, or for a storm into getpgid, which makes many events of one call.
 * The objects differ in send() and in the maps that it needs, in nothing else.
 *
 * Loads from Linux 5.10 on: -mcpu=v2, no BPF atomics, every loop bounded by a
 * constant that the verifier reads from the frozen .rodata map.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <linux/errno.h>
#include <asm/ptrace.h>
#include <asm/unistd.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include "event.h"

#if defined(TRANSPORT_RINGBUF) + defined(TRANSPORT_RINGBUF_OUTPUT) + defined(TRANSPORT_PERF) != 1
#error "define exactly one of TRANSPORT_RINGBUF, TRANSPORT_RINGBUF_OUTPUT and TRANSPORT_PERF"
#endif

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set before loading. */
const volatile __u32 event_bytes = sizeof(struct event);
const volatile __u32 batch = 1;		       /* events that a call of a storm makes */
const volatile __u32 wakeup = WAKEUP_ADAPTIVE; /* ring buffers only */
const volatile __u64 wakeup_bytes = 0;	       /* of WAKEUP_BATCH */
const volatile __u32 extra_work = 0;	       /* instructions that selftest adds to each event */
const volatile bool only_workload = true;      /* count others as foreign, do not send */
/*
 * A workload starts its children with argv[1] = its mark, eight characters, and
 * the token, eight more. Another mark is somebody else's workload: foreign.
 */
const volatile __u64 workload_mark = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* uid */
	__type(value, struct message);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* Nothing else would bring these layouts into the object's BTF. */
const struct event *event_layout __attribute__((unused));
const struct storm_event *storm_layout __attribute__((unused));

static const struct message default_message = { "Hello World" };

static __always_inline __u64 payload_word(__u64 token, __u32 i)
{
	return token ^ (0x9e3779b97f4a7c15ULL * (i + 1));
}

/* One multiply a word: cheap, and any changed bit changes the upper half. */
static __always_inline __u32 checksum(const struct event *e)
{
	const __u64 *word = (const __u64 *)e;
	__u64 h = 0x72696e677477696eULL;

#pragma unroll
	for (int i = 0; i < (int)(sizeof(*e) / sizeof(*word)); i++)
		h = (h ^ word[i] ^ (h >> 29)) * 0xff51afd7ed558ccdULL;
	return h >> 32;
}

struct stamp {
	__u64 time_ns;
	__u64 token;
	__u32 seq;
};

static __always_inline void fill_execve(struct event *e, const struct stamp *stamp)
{
	const struct message *message;
	__u32 payload_bytes = event_bytes - sizeof(*e);
	__u32 words = payload_bytes / 8;
	__u32 uid = bpf_get_current_uid_gid();

	e->time_ns = stamp->time_ns;
	e->token = stamp->token;
	e->seq = stamp->seq;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->uid = uid;
	e->checksum = 0;
	e->cpu = bpf_get_smp_processor_id();
	e->payload_bytes = payload_bytes;
	message = bpf_map_lookup_elem(&config, &uid);
	if (!message)
		message = &default_message;
	__builtin_memcpy(e->message, message->message, sizeof(e->message));
	bpf_get_current_comm(e->command, sizeof(e->command));
	e->checksum = checksum(e);
	for (__u32 i = 0; i < words; i++)
		e->payload[i] = payload_word(stamp->token, i);
	/* The last, partial word, byte by byte: a store must not pass the end. */
	for (__u32 i = words * 8; i < payload_bytes; i++)
		((__u8 *)e->payload)[i] = payload_word(stamp->token, words) >> (i % 8 * 8);
}

struct unaligned {
	__u64 word;
} __attribute__((packed));

static __always_inline __u64 storm_last(__u32 seq, __u16 cpu)
{
	return payload_word(seq | (__u64)cpu << 32, 0);
}

static __always_inline void fill_storm(struct storm_event *e, const struct stamp *stamp)
{
	__u16 cpu = bpf_get_smp_processor_id();
	__u64 h = stamp->seq | (__u64)cpu << 32;

	e->seq = stamp->seq;
	e->cpu = cpu;
	if (event_bytes >= 16) {
		e->time_ns = stamp->time_ns;
		h ^= stamp->time_ns * 0x9e3779b97f4a7c15ULL;
	}
	if (event_bytes >= 24) {
		e->token = stamp->token;
		h ^= stamp->token;
	}
	if (event_bytes >= 32)
		e->zero = 0;
	e->checksum = h * 0xff51afd7ed558ccdULL >> 48;
	if (event_bytes >= 40)
		((struct unaligned *)((char *)e + event_bytes - 8))->word = storm_last(stamp->seq, cpu);
}

static __always_inline void fill(void *event, bool storm, const struct stamp *stamp)
{
	/*
	 * What selftest adds, where the send would be: not part of the program else. Of
	 * multiplications a CPU does one at a time, so a turn takes as long wherever the
	 * JIT puts the loop; of what is only fetched it does more or fewer.
	 */
	for (__u32 i = 0; i < extra_work; i++)
		asm volatile("r0 = 3\n"
			     "r0 *= r0\n"
			     "r0 *= r0\n"
			     "r0 *= r0\n"
			     "r0 *= r0\n" ::: "r0");
	if (storm)
		fill_storm(event, stamp);
	else
		fill_execve(event, stamp);
}

#ifndef TRANSPORT_PERF

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024); /* the loader sets the size */
} events SEC(".maps");

static __always_inline __u64 wakeup_flags(void)
{
	switch (wakeup) {
	case WAKEUP_EVERY:
		return BPF_RB_FORCE_WAKEUP;
	case WAKEUP_BATCH:
		if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= wakeup_bytes)
			return BPF_RB_FORCE_WAKEUP;
		return BPF_RB_NO_WAKEUP;
	case WAKEUP_NEVER:
		return BPF_RB_NO_WAKEUP;
	}
	return 0;
}

#else

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

#endif

#ifdef TRANSPORT_RINGBUF

/*
 * A refused reservation is a NULL without an errno. bpf_ringbuf_output() turns
 * the very same refusal into -EAGAIN, so that is what it is called here:
 * https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
 */
static __always_inline long send(void *ctx, bool storm, const struct stamp *stamp)
{
	__u64 flags = wakeup_flags(); /* before, as with an output */
	void *event = bpf_ringbuf_reserve(&events, event_bytes, 0);

	if (!event)
		return -EAGAIN;
	fill(event, storm, stamp);
	bpf_ringbuf_submit(event, flags);
	return 0;
}

#else

/*
 * The event is put together here: the stack is too small for a payload, and a
 * per-CPU value is at most 32 KiB (PCPU_MIN_UNIT_SIZE), so this is an array
 * with one slot a CPU. The loader sets both sizes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct event));
} scratch SEC(".maps");

static __always_inline long send(void *ctx, bool storm, const struct stamp *stamp)
{
	__u32 cpu = bpf_get_smp_processor_id();
	void *event = bpf_map_lookup_elem(&scratch, &cpu);

	if (!event)
		return -E2BIG;
	fill(event, storm, stamp);
#ifdef TRANSPORT_PERF
	return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, event, event_bytes);
#else
	return bpf_ringbuf_output(&events, event, event_bytes, wakeup_flags());
#endif
}

#endif

static __always_inline void emit(void *ctx, bool storm, __u64 token)
{
	__u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);

	if (!count)
		return;

	struct stamp stamp = {
		/* An event of a storm may be too small for it. */
		.time_ns = !storm || event_bytes >= 16 ? bpf_ktime_get_ns() : 0,
		.token = token,
		.seq = count->attempts++,
	};
	long err = send(ctx, storm, &stamp);

	/*
	 * Without a branch: the verifier follows each of a batch's, and gives up when
	 * more than 8192 are open: BPF_COMPLEXITY_LIMIT_JMP_SEQ in
	 * https://elixir.bootlin.com/linux/v6.1/source/kernel/bpf/verifier.c
	 */
	count->outcome[-err & (ERRNO_SLOTS - 1)]++;
}

/*
 * A function of its own, or a batch is too much for a verifier that forgets the
 * states of early iterations, as that of 6.1 does: it follows a reservation that
 * failed and one that did not through all that comes after, 2^batch ways. Only a
 * global function is verified once, but that may not have a context of any kind
 * of program; the perf buffer needs one, and its loop is within bounds inline.
 */
#ifdef TRANSPORT_PERF
#define CONTEXT(ctx) ctx,
static __always_inline int emit_storm(void *ctx, __u64 token)
{
	emit(ctx, true, token);
	return 0;
}
#else
#define CONTEXT(ctx)
__attribute__((noinline)) int emit_storm(__u64 token)
{
	emit(NULL, true, token);
	return 0;
}
#endif

/* The token in argv[1], or 0 where the execve is not the workload's. */
static __always_inline __u64 workload_token(const char *const *argv)
{
	const char *arg = NULL;
	__u64 words[2] = {};

	if (bpf_probe_read_user(&arg, sizeof(arg), &argv[1]) || !arg)
		return 0;
	if (bpf_probe_read_user(words, sizeof(words), arg) || words[0] != workload_mark)
		return 0;
	return words[1];
}

static __always_inline int on_execve(void *ctx, const char *const *argv)
{
	__u64 token = workload_token(argv);
	__u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);

	if (!count)
		return 0;
	count->triggers++;
	if (!token && only_workload) {
		count->foreign++;
		return 0;
	}
	emit(ctx, false, token);
	return 0;
}

/* The upper half of a storm's argument is its mark; getpgid looks at the lower. */
static __always_inline int on_getpgid(void *ctx, __u64 token)
{
	__u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);

	if (!count)
		return 0;
	count->triggers++;
	if (token >> 32 != (__u32)workload_mark) {
		count->foreign++;
		return 0;
	}
	for (__u32 i = 0; i < batch; i++)
		emit_storm(CONTEXT(ctx) token);
	return 0;
}

/* The registers of the system call's caller, in kernel memory. */
#if !defined(__TARGET_ARCH_x86)
#error "which registers hold the arguments of a system call?"
#endif
static __always_inline const char *const *argv_of(const struct pt_regs *regs)
{
	unsigned long argv = 0;

	bpf_probe_read_kernel(&argv, sizeof(argv), &regs->rsi);
	return (const char *const *)argv;
}

static __always_inline __u64 first_of(const struct pt_regs *regs)
{
	__u64 first = 0;

	bpf_probe_read_kernel(&first, sizeof(first), &regs->rdi);
	return first;
}

/* /sys/kernel/tracing/events/syscalls/sys_enter_execve/format */
struct sys_enter_execve {
	__u64 common;
	__s64 nr;
	const char *filename;
	const char *const *argv;
	const char *const *envp;
};

SEC("tracepoint/syscalls/sys_enter_execve")
int handle_tracepoint(struct sys_enter_execve *ctx)
{
	return on_execve(ctx, ctx->argv);
}

/* Every system call comes here: this is dear for everybody else. */
SEC("raw_tracepoint/sys_enter")
int handle_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] != __NR_execve)
		return 0;
	return on_execve(ctx, argv_of((const struct pt_regs *)ctx->args[0]));
}

/* The loader names the symbol: it carries the architecture's prefix. */
SEC("kprobe/execve")
int handle_kprobe(struct pt_regs *ctx)
{
#if defined(__TARGET_ARCH_x86)
	return on_execve(ctx, argv_of((const struct pt_regs *)ctx->rdi));
#endif
}

SEC("fentry/execve")
int handle_fentry(__u64 *ctx)
{
	return on_execve(ctx, argv_of((const struct pt_regs *)ctx[0]));
}

/* /sys/kernel/tracing/events/syscalls/sys_enter_getpgid/format */
struct sys_enter_getpgid {
	__u64 common;
	__s64 nr;
	__u64 pid;
};

SEC("tracepoint/syscalls/sys_enter_getpgid")
int storm_tracepoint(struct sys_enter_getpgid *ctx)
{
	return on_getpgid(ctx, ctx->pid);
}

SEC("raw_tracepoint/sys_enter")
int storm_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] != __NR_getpgid)
		return 0;
	return on_getpgid(ctx, first_of((const struct pt_regs *)ctx->args[0]));
}

SEC("kprobe/getpgid")
int storm_kprobe(struct pt_regs *ctx)
{
	return on_getpgid(ctx, first_of((const struct pt_regs *)ctx->rdi));
}

SEC("fentry/getpgid")
int storm_fentry(__u64 *ctx)
{
	return on_getpgid(ctx, first_of((const struct pt_regs *)ctx[0]));
}

/*
 * The control: what a program costs that does nothing. Without any program a
 * system call would miss the work of entering one too.
 */
SEC("tracepoint/syscalls/sys_enter_getpgid")
int empty_tracepoint(void *ctx)
{
	return 0;
}

SEC("raw_tracepoint/sys_enter")
int empty_raw_tracepoint(void *ctx)
{
	return 0;
}

SEC("kprobe/getpgid")
int empty_kprobe(void *ctx)
{
	return 0;
}

SEC("fentry/getpgid")
int empty_fentry(void *ctx)
{
	return 0;
}
