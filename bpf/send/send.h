/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What several transports use. Each file beside this one has a send(), which takes
 * the context of the program, what is sent, its stamp, and the counters of the CPU
 * (NULL for a bare event), and returns 0 or a negative errno.
 *
 * It may define SEND_CONTEXT, if its output call needs the program's context, and
 * SEND_COUNTS, if it counts outcomes itself, since they are not known at once.
 */
#ifndef RINGTWIN_SEND_H
#define RINGTWIN_SEND_H

const volatile __u32 wakeup = WAKEUP_ADAPTIVE;
const volatile __u64 wakeup_bytes = 0; /* of WAKEUP_BATCH */

/* Of an output to a ring buffer. */
static __always_inline __u64 wakeup_flags(void *ring)
{
	switch (wakeup) {
	case WAKEUP_EVERY:
		return BPF_RB_FORCE_WAKEUP;
	case WAKEUP_BATCH:
		if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= wakeup_bytes)
			return BPF_RB_FORCE_WAKEUP;
		return BPF_RB_NO_WAKEUP;
	case WAKEUP_NEVER:
		return BPF_RB_NO_WAKEUP;
	}
	return 0;
}

#endif
