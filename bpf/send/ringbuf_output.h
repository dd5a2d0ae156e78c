/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#include "ring.h"
#include "scratch.h"

#define SEND_CONTEXT 0
#define SEND_COUNTS 0

static __always_inline long send(void *ctx, enum shape shape, const struct stamp *stamp, struct counters *count)
{
	void *event = scratch_event(shape, stamp);

	if (!event)
		return -E2BIG;
	return bpf_ringbuf_output(&events, event, stamp->bytes, wakeup_flags(&events));
}
