/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#ifndef RINGTWIN_SCRATCH_H
#define RINGTWIN_SCRATCH_H

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

static __always_inline void *scratch_event(enum shape shape, const struct stamp *stamp)
{
	__u32 cpu = bpf_get_smp_processor_id();
	void *event = bpf_map_lookup_elem(&scratch, &cpu);

	if (event)
		fill(event, shape, stamp);
	return event;
}

#endif
