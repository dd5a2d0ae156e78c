/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#include "ring.h"
#include "scratch.h"

#define SEND_CONTEXT 0
#define SEND_COUNTS 0

/* Since 5.19. What was not reserved has to be released all the same, or the verifier refuses. */
static __always_inline long send(void *ctx, enum shape shape, const struct stamp *stamp, struct counters *count)
{
	void *event = scratch_event(shape, stamp);
	__u64 flags = wakeup_flags(&events);
	struct bpf_dynptr record;
	long err;

	if (!event)
		return -E2BIG;
	err = bpf_ringbuf_reserve_dynptr(&events, stamp->bytes, 0, &record);
	if (!err)
		err = bpf_dynptr_write(&record, 0, event, stamp->bytes, 0);
	if (err)
		bpf_ringbuf_discard_dynptr(&record, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit_dynptr(&record, flags);
	return err;
}
