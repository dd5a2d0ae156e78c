/* SPDX-License-Identifier: MIT */
/*
 * The part of QEMU's plugin interface that is used, as it is documented: there is no need
 * of QEMU's headers. API is the version of it: 1 up to QEMU 8.2, 2 of 9.0, 3 from 9.1 on.
 *
 * https://www.qemu.org/docs/master/devel/tcg-plugins.html
 */
#ifndef QEMU_H
#define QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define QEMU_PLUGIN_EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct {
	const char *target_name;
	struct {
		int min, cur;
	} version;
	bool system_emulation;
	struct {
		int smp_vcpus, max_vcpus;
	} system;
} qemu_info_t;

struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum { QEMU_PLUGIN_CB_NO_REGS };
enum { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };
enum { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned int, void *), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int, void *), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      void (*cb)(unsigned int, qemu_plugin_meminfo_t, uint64_t, void *), int flags, int rw, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
struct qemu_plugin_hwaddr;
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *physical);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *physical);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);

/* What an instruction adds to when it begins: a word of all vCPUs, or of each. */
#if API < 2
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *at, uint64_t value);

static uint64_t counter;

static inline bool make_counter(void)
{
	return true;
}

static inline uint64_t *counter_of(unsigned int cpu)
{
	(void)cpu;
	return &counter;
}

static inline void count_in(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &counter, 1);
}
#else
struct qemu_plugin_scoreboard;
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score, unsigned int cpu);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *insn, int op, qemu_plugin_u64 entry, uint64_t value);

static qemu_plugin_u64 counter;

static inline bool make_counter(void)
{
	counter.score = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	return counter.score != NULL;
}

/* It may move when there are more vCPUs. */
static inline uint64_t *counter_of(unsigned int cpu)
{
	return qemu_plugin_scoreboard_find(counter.score, cpu);
}

static inline void count_in(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter, 1);
}
#endif

/*
 * QEMU 10.0 makes the index of the vCPU a constant of a block's code, for machines of which
 * all vCPUs run in one thread. Those that run the block later get the same index. 9.2 has
 * the same version of the interface.
 */
static inline bool knows_cpus(const qemu_info_t *info)
{
	return info->system.max_vcpus == 1 || info->version.cur < 4;
}

#if API < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
static inline size_t copy_code(const struct qemu_plugin_insn *insn, uint8_t *to, size_t size)
{
	size_t n = qemu_plugin_insn_size(insn);

	n = n < size ? n : size;
	memcpy(to, qemu_plugin_insn_data(insn), n);
	return n;
}
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t size);
static inline size_t copy_code(const struct qemu_plugin_insn *insn, uint8_t *to, size_t size)
{
	return qemu_plugin_insn_data(insn, to, size);
}
#endif

#endif
