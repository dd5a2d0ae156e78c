/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#ifndef RINGTWIN_RING_H
#define RINGTWIN_RING_H

/* One ring for all CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024); /* the loader sets the size */
} events SEC(".maps");

#endif
