/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#include "ring.h"
#include "scratch.h"

#define SEND_CONTEXT 0
#define SEND_COUNTS 0

static __always_inline long send(void *ctx, bool storm, const struct stamp *stamp, struct counters *count)
{
	void *event = scratch_event(storm, stamp);

	if (!event)
		return -E2BIG;
	return bpf_ringbuf_output(&events, event, stamp->bytes, wakeup_flags(&events));
}
