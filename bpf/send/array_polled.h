/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
#define SEND_CONTEXT 0
#define SEND_COUNTS 0

const volatile __u32 array_bytes = 4096; /* of a ring: a power of two */

/*
 * A ring of each CPU, which is its only producer: positions, and behind them the data,
 * with room for one event behind its end, so that none is in two pieces. The loader
 * sets the sizes.
 *
 * Stores are seen in their order on x86 alone. Elsewhere this takes a store-release,
 * which programs have since 6.15.
 */
#if !defined(__TARGET_ARCH_x86)
#error "which stores are seen in their order?"
#endif
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct array_ring) + 4096 + sizeof(struct event));
} events SEC(".maps");

static __always_inline long send(void *ctx, enum shape shape, const struct stamp *stamp, struct counters *count)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct array_ring *ring = bpf_map_lookup_elem(&events, &cpu);
	__u32 take = (stamp->bytes + 8 + 7) & ~7U;
	__u64 produced, at;
	__u64 *record;

	if (!ring)
		return -ENOENT;
	produced = ring->produced;
	if (produced + take - *(volatile __u64 *)&ring->consumed > array_bytes)
		return -ENOSPC;
	at = produced & (array_bytes - 1);
	asm volatile("" : "+r"(at));
	at &= array_bytes - 1;
	record = (void *)ring->data + at;
	*record = stamp->bytes;
	fill(record + 1, shape, stamp);
	asm volatile("" ::: "memory");
	*(volatile __u64 *)&ring->produced = produced + take;
	return 0;
}
