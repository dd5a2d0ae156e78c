/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#define SEND_CONTEXT 0
#define SEND_COUNTS 0

const volatile __u32 shards = 1;
const volatile __u32 shard_cpus = 1; /* neighbours that share a ring */

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
};

/* The loader sets both sizes, and puts a ring into each slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} events SEC(".maps");

static __always_inline long send(void *ctx, enum shape shape, const struct stamp *stamp, struct counters *count)
{
	__u32 shard = bpf_get_smp_processor_id() / shard_cpus % shards;
	void *ring = bpf_map_lookup_elem(&events, &shard);
	void *event;
	__u64 flags;

	if (!ring)
		return -ENOENT;
	flags = wakeup_flags(ring);
	event = bpf_ringbuf_reserve(ring, event_bytes, 0);
	if (!event)
		return -EAGAIN;
	fill(event, shape, stamp);
	bpf_ringbuf_submit(event, flags);
	return 0;
}
