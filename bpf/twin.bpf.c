//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * The twins: one tracer, compiled once for each event transport. It hooks into
 * execve, or for a storm into getpgid, which makes many events of one call.
 * The objects differ in send() and in the maps that it needs, in nothing else:
 * each has a file in send/, which -DTRANSPORT names.
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set before loading. */
const volatile __u32 event_bytes = sizeof(struct event);
const volatile __u32 batch = 1;		  /* events that a call of a storm makes */
const volatile __u32 extra_work = 0;	  /* instructions that selftest adds to each event */
const volatile bool only_workload = true; /* count others as foreign, do not send */
const volatile __u32 event_sizes[SIZE_CLASSES] = {}; /* of SIZED ones; event_bytes is the largest */
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

/*
 * What is sent. Each is a program of its own: where an event is measured, not even a
 * constant is looked at that it does not need.
 */
enum shape {
	EXECVE,
	STORM,
	SIZED, /* a storm of events of several sizes */
	BARE,  /* of events that hold nothing, and are not counted one by one */
};

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
	__u64 bytes; /* of the event */
};

/* SizeOf in harness/vocab/size.go. The bounds are for the verifier, which reads no variable index. */
static __always_inline __u64 bytes_of(__u32 seq)
{
	__u64 n;

	n = event_sizes[seq * 7 % SIZE_CLASSES];
	asm volatile("" : "+r"(n));
	if (n > event_bytes)
		n = event_bytes;
	return n < 8 ? 8 : n;
}

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

static __always_inline void fill_storm(struct storm_event *e, enum shape shape, const struct stamp *stamp)
{
	__u16 cpu = bpf_get_smp_processor_id();
	__u64 h = stamp->seq | (__u64)cpu << 32;
	__u64 bytes = shape == SIZED ? stamp->bytes : event_bytes;

	e->seq = stamp->seq;
	e->cpu = cpu;
	if (bytes >= 16) {
		e->time_ns = stamp->time_ns;
		h ^= stamp->time_ns * 0x9e3779b97f4a7c15ULL;
	}
	if (bytes >= 24) {
		e->token = stamp->token;
		h ^= stamp->token;
	}
	if (bytes >= 32)
		e->zero = 0;
	e->checksum = h * 0xff51afd7ed558ccdULL >> 48;
	if (bytes >= 40)
		((struct unaligned *)((char *)e + bytes - 8))->word = storm_last(stamp->seq, cpu);
}

/* Unused where nothing is sent. */
static __always_inline __attribute__((unused)) void fill(void *event, enum shape shape, const struct stamp *stamp)
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
	if (shape == BARE)
		*(__u64 *)event = 0;
	else if (shape != EXECVE)
		fill_storm(event, shape, stamp);
	else
		fill_execve(event, stamp);
}

#include "send/send.h"
#include TRANSPORT

static __always_inline void emit(void *ctx, enum shape shape, __u64 token)
{
	__u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);

	if (!count)
		return;

	__u32 seq = count->attempts++;
	struct stamp stamp = {
		.token = token,
		.seq = seq,
		.bytes = shape == SIZED ? bytes_of(seq) : event_bytes,
	};

	/* An event of a storm may be too small for it. */
	if (shape == EXECVE || stamp.bytes >= 16)
		stamp.time_ns = bpf_ktime_get_ns();

	long err = send(ctx, shape, &stamp, count);

	/*
	 * Without a branch: the verifier follows each of a batch's, and gives up when
	 * more than 8192 are open: BPF_COMPLEXITY_LIMIT_JMP_SEQ in
	 * https://elixir.bootlin.com/linux/v6.1/source/kernel/bpf/verifier.c
	 */
	if (!SEND_COUNTS)
		count->outcome[-err & (ERRNO_SLOTS - 1)]++;
}

/* Only what was refused is counted here: on_getpgid() knows how many were tried. */
static __always_inline void emit_bare(void *ctx)
{
	struct stamp stamp = { .bytes = event_bytes };
	long err = send(ctx, BARE, &stamp, NULL);
	struct counters *count;
	__u32 zero = 0;

	if (!err)
		return;
	count = bpf_map_lookup_elem(&counters, &zero);
	if (count)
		count->outcome[-err & (ERRNO_SLOTS - 1)]++;
}

/*
 * A function of its own, or a batch is too much for a verifier that forgets the
 * states of early iterations, as that of 6.1 does: it follows a reservation that
 * failed and one that did not through all that comes after, 2^batch ways. Only a
 * global function is verified once, but that may not have a context of any kind
 * of program; where send() needs one, its loop is within bounds inline.
 */
#if SEND_CONTEXT
#define CONTEXT(ctx) ctx,
#define EMIT(name, shape)                                              \
	static __always_inline int name(void *ctx, __u64 token)        \
	{                                                              \
		shape == BARE ? emit_bare(ctx) : emit(ctx, shape, token); \
		return 0;                                              \
	}
#else
#define CONTEXT(ctx)
#define EMIT(name, shape)                                                \
	__attribute__((noinline)) int name(__u64 token)                  \
	{                                                                \
		shape == BARE ? emit_bare(NULL) : emit(NULL, shape, token); \
		return 0;                                                \
	}
#endif
EMIT(emit_storm, STORM)
EMIT(emit_sized, SIZED)
EMIT(emit_bare_storm, BARE)

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
	emit(ctx, EXECVE, token);
	return 0;
}

/* The upper half of a storm's argument is its mark; getpgid looks at the lower. */
static __always_inline int on_getpgid(void *ctx, enum shape shape, __u64 token)
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
	if (shape == BARE)
		count->attempts += batch;
	for (__u32 i = 0; i < batch; i++) {
		if (shape == BARE)
			emit_bare_storm(CONTEXT(ctx) token);
		else if (shape == SIZED)
			emit_sized(CONTEXT(ctx) token);
		else
			emit_storm(CONTEXT(ctx) token);
	}
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

#define HOOKS(name, shape)                                                             \
	SEC("tracepoint/syscalls/sys_enter_getpgid")                                   \
	int name##_tracepoint(struct sys_enter_getpgid *ctx)                           \
	{                                                                              \
		return on_getpgid(ctx, shape, ctx->pid);                               \
	}                                                                              \
	SEC("raw_tracepoint/sys_enter")                                                \
	int name##_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)                 \
	{                                                                              \
		if (ctx->args[1] != __NR_getpgid)                                      \
			return 0;                                                      \
		return on_getpgid(ctx, shape, first_of((const struct pt_regs *)ctx->args[0])); \
	}                                                                              \
	SEC("kprobe/getpgid")                                                          \
	int name##_kprobe(struct pt_regs *ctx)                                         \
	{                                                                              \
		return on_getpgid(ctx, shape, first_of((const struct pt_regs *)ctx->rdi)); \
	}                                                                              \
	SEC("fentry/getpgid")                                                          \
	int name##_fentry(__u64 *ctx)                                                  \
	{                                                                              \
		return on_getpgid(ctx, shape, first_of((const struct pt_regs *)ctx[0]));   \
	}

HOOKS(storm, STORM)
HOOKS(sized, SIZED)
HOOKS(bare, BARE)

#if SEND_COUNTS
/* Sends what waits on this CPU: user space runs it on each once a load has ended. */
SEC("raw_tp")
int flush(void *ctx)
{
	__u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);

	if (count)
		send_staged(count);
	return 0;
}
#endif

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
