/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#include "ring.h"

#define SEND_CONTEXT 0
#define SEND_COUNTS 1

const volatile __u32 stage_bytes = STAGE_BYTES; /* send before more would wait */
const volatile __u32 stage_events = 64;
const volatile __u64 stage_ns = ~0ULL; /* looked at when an event comes */

/*
 * Where the events of a CPU wait, one after the other, each on a multiple of eight
 * bytes. Behind the limit there is room for one more, so that the verifier need not
 * know how long what waits is.
 */
struct stage {
	__u64 begun_ns; /* when the first of them came */
	__u32 bytes;
	__u32 events;
	__u8 data[2 * STAGE_BYTES];
};

/* An array with one slot a CPU: a per-CPU value is at most 32 KiB (PCPU_MIN_UNIT_SIZE). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* the loader sets it */
	__type(key, __u32);
	__type(value, struct stage);
} stages SEC(".maps");

static __always_inline struct stage *stage_of_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&stages, &cpu);
}

static __always_inline void send_stage(struct stage *stage, struct counters *count)
{
	__u64 bytes = stage->bytes; /* the verifier loses the bounds of what is extended to 64 bits */
	long err;

	asm volatile("" : "+r"(bytes));
	if (bytes > sizeof(stage->data))
		bytes = sizeof(stage->data);
	if (!bytes)
		return;
	err = bpf_ringbuf_output(&events, stage->data, bytes, wakeup_flags(&events));
	count->outcome[-err & (ERRNO_SLOTS - 1)] += stage->events;
	count->staged -= stage->events;
	count->records += !err;
	stage->bytes = stage->events = 0;
}

static __always_inline void send_staged(struct counters *count)
{
	struct stage *stage = stage_of_cpu();

	if (stage)
		send_stage(stage, count);
}

static __always_inline long send(void *ctx, enum shape shape, const struct stamp *stamp, struct counters *count)
{
	__u32 zero = 0, take = (event_bytes + 7) & ~7U;
	__u64 at;
	struct stage *stage = stage_of_cpu();
	__u64 now = 0;

	if (!count)
		count = bpf_map_lookup_elem(&counters, &zero);
	if (!stage || !count)
		return -E2BIG;
	if (stage_ns != ~0ULL) {
		now = stamp->time_ns ? stamp->time_ns : bpf_ktime_get_ns();
		if (!stage->events)
			stage->begun_ns = now;
	}
	at = stage->bytes;
	asm volatile("" : "+r"(at));
	if (at > STAGE_BYTES)
		return -E2BIG;
	fill(stage->data + at, shape, stamp);
	stage->bytes = at + take;
	stage->events++;
	count->staged++;
	if (stage->events >= stage_events || stage->bytes + take > stage_bytes ||
	    (stage_ns != ~0ULL && now - stage->begun_ns >= stage_ns))
		send_stage(stage, count);
	return 0;
}
