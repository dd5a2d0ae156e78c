//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * The twins: one tracer on execve, compiled once for each event transport.
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

#if defined(TRANSPORT_RINGBUF) == defined(TRANSPORT_PERF)
#error "define exactly one of TRANSPORT_RINGBUF and TRANSPORT_PERF"
#endif

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set before loading. */
const volatile __u32 payload_bytes = 0;	   /* length of the tail */
const volatile bool only_workload = true;  /* count others as foreign, do not send */
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

/* Nothing else would bring the layout into the object's BTF. */
const struct event *event_layout __attribute__((unused));

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

static __always_inline void fill(struct event *e, __u64 time_ns, __u64 token, __u32 seq)
{
	const struct message *message;
	__u32 words = payload_bytes / 8;

	e->time_ns = time_ns;
	e->token = token;
	e->seq = seq;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->uid = bpf_get_current_uid_gid();
	e->checksum = 0;
	e->cpu = bpf_get_smp_processor_id();
	e->payload_bytes = payload_bytes;
	__u32 uid = e->uid;
	message = bpf_map_lookup_elem(&config, &uid);
	if (!message)
		message = &default_message;
	__builtin_memcpy(e->message, message->text, sizeof(e->message));
	bpf_get_current_comm(e->command, sizeof(e->command));
	e->checksum = checksum(e);
	for (__u32 i = 0; i < words; i++)
		e->payload[i] = payload_word(token, i);
	/* The last, partial word, byte by byte: a store must not pass the end. */
	for (__u32 i = words * 8; i < payload_bytes; i++)
		((__u8 *)e->payload)[i] = payload_word(token, words) >> (i % 8 * 8);
}

#ifdef TRANSPORT_RINGBUF

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024); /* the loader sets the size */
} events SEC(".maps");

/*
 * A refused reservation is a NULL without an errno. bpf_ringbuf_output() turns
 * the very same refusal into -EAGAIN, so that is what it is called here:
 * https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
 */
static __always_inline long send(void *ctx, __u64 time_ns, __u64 token, __u32 seq)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e) + payload_bytes, 0);

	if (!e)
		return -EAGAIN;
	fill(e, time_ns, token, seq);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

#else

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

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

static __always_inline long send(void *ctx, __u64 time_ns, __u64 token, __u32 seq)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct event *e = bpf_map_lookup_elem(&scratch, &cpu);

	if (!e)
		return -E2BIG;
	fill(e, time_ns, token, seq);
	return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, e,
				     sizeof(*e) + payload_bytes);
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
	__u64 time_ns = bpf_ktime_get_ns();
	__u64 token = workload_token(argv);
	__u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);
	__u32 seq;
	long err;

	if (!count)
		return 0;
	count->triggers++;
	if (!token && only_workload) {
		count->foreign++;
		return 0;
	}
	seq = count->attempts++;
	err = send(ctx, time_ns, token, seq);
	if (!err) {
		count->submitted++;
	} else {
		__u64 slot = -err;

		if (slot >= ERRNO_SLOTS)
			slot = 0;
		count->failed[slot]++;
	}
	return 0;
}

/* The registers of the system call's caller, in kernel memory. */
static __always_inline const char *const *argv_of(const struct pt_regs *regs)
{
	unsigned long argv = 0;

#if defined(__TARGET_ARCH_x86)
	bpf_probe_read_kernel(&argv, sizeof(argv), &regs->rsi);
#else
#error "which register holds the second argument of a system call?"
#endif
	return (const char *const *)argv;
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
