/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#include "ring.h"

#define SEND_CONTEXT 0
#define SEND_COUNTS 0

/*
 * A reservation has a size that the verifier knows, so that of events of several
 * sizes each takes as much as the largest.
 *
 * A refused reservation is a NULL without an errno. bpf_ringbuf_output() turns
 * the very same refusal into -EAGAIN, so that is what it is called here:
 * https://elixir.bootlin.com/linux/v6.12/source/kernel/bpf/ringbuf.c
 */
static __always_inline long send(void *ctx, enum shape shape, const struct stamp *stamp, struct counters *count)
{
	__u64 flags = wakeup_flags(&events); /* before, as with an output */
	void *event = bpf_ringbuf_reserve(&events, event_bytes, 0);

	if (!event)
		return -EAGAIN;
	fill(event, shape, stamp);
	bpf_ringbuf_submit(event, flags);
	return 0;
}
