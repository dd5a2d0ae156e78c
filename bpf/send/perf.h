/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#include "scratch.h"

#define SEND_CONTEXT 1
#define SEND_COUNTS 0

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

static __always_inline long send(void *ctx, enum shape shape, const struct stamp *stamp, struct counters *count)
{
	void *event = scratch_event(shape, stamp);

	if (!event)
		return -E2BIG;
	return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, event, stamp->bytes);
}
