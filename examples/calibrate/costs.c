//go:build ignore

/* SPDX-License-Identifier: MIT */
/*
 * Measures the costs of the model of cycles that a program can measure, in cycles of a
 * core: the best of many repetitions, on one CPU.
 *
 *	gcc -O2 -o costs examples/calibrate/costs.c && ./costs
 *
 * Returns are measured with copies of the kernel's thunks in user space.
 * https://elixir.bootlin.com/linux/v6.18/source/arch/x86/lib/retpoline.S
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TIMES = 40, LOOPS = 2000, UNROLLED = 10 };

__asm__(".text\n"
	".balign 64\n"
	"safe_ret:\n" /* srso_alias_safe_ret */
	"	lea 8(%rsp), %rsp\n"
	"	ret\n"
	"	int3\n"
	".balign 64\n"
	"thunk:\n" /* srso_alias_return_thunk */
	"	call safe_ret\n"
	"	ud2\n"
	".balign 64\n"
	"by_thunk:\n"
	"	jmp thunk\n"
	".balign 64\n"
	"nested:\n" /* of four returns the outermost */
	"	call 3f\n"
	"	jmp thunk\n"
	".balign 64\n"
	"3:	call 2f\n"
	"	jmp thunk\n"
	".balign 64\n"
	"2:	call by_thunk\n"
	"	jmp thunk\n"
	".balign 64\n"
	"plain:\n"
	"	ret\n");

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define BEST_NS(code)                                               \
	({                                                          \
		double best = 1e18;                                 \
		for (int time = 0; time < TIMES; time++) {          \
			double begun = now_ns();                    \
			for (int i = 0; i < LOOPS; i++) {           \
				code;                               \
			}                                           \
			double ns = (now_ns() - begun) / LOOPS;     \
			best = ns < best ? ns : best;               \
		}                                                   \
		best / UNROLLED;                                    \
	})
#define TEN(text) ".rept 10\n" text "\n.endr"

int main(void)
{
	static uint64_t word __attribute__((aligned(64)));
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);

	/* An addition that needs the last one takes a cycle. */
	double cycle = BEST_NS(__asm__ volatile(TEN("add $1, %%rax\n add $1, %%rax\n add $1, %%rax\n add $1, %%rax") ::: "rax", "cc")) / 4;
	double returns = BEST_NS(__asm__ volatile(TEN("call by_thunk")::: "memory")) / cycle;
	double nested = BEST_NS(__asm__ volatile(TEN("call nested")::: "memory")) / 4 / cycle;
	double plain = BEST_NS(__asm__ volatile(TEN("call plain")::: "memory")) / cycle;
	double locked = BEST_NS(__asm__ volatile(TEN("lock addq $1, %0") : "+m"(word)::"memory", "cc")) / cycle;
	double exchange = BEST_NS(__asm__ volatile(TEN("xchg %%rax, %0") : "+m"(word)::"memory", "rax")) / cycle;
	double tsc = BEST_NS(__asm__ volatile(TEN("lfence\n rdtsc")::: "memory", "rax", "rdx")) / cycle;
	double call = BEST_NS(syscall(SYS_getppid)) * UNROLLED / cycle;
	double leave = BEST_NS(({ int leaf = 0; __asm__ volatile("cpuid" : "+a"(leaf)::"rbx", "rcx", "rdx"); })) * UNROLLED / cycle;

	printf("core                         %7.2f GHz\n", 1 / cycle);
	printf("call and plain return        %7.1f cycles\n", plain);
	printf("call and return by Safe RET  %7.1f cycles; of four that are nested, each %.1f: kernel_returns, where the kernel has this mitigation\n", returns, nested);
	printf("lock add; xchg               %7.1f cycles; %.1f: locked\n", locked, exchange);
	printf("lfence, rdtsc                %7.1f cycles: tsc_reads\n", tsc);
	/* In a kernel 6.18: 220 instructions, 5 returns, and one reading for the stack's offset. */
	printf("getppid                      %7.1f cycles; less what the model has for it, %.1f: entries\n", call, call - 220 / 4 - 5 * nested - tsc);
	printf("cpuid                        %7.1f cycles: device_writes, in a VM: to leave it and come back\n", leave);
	return 0;
}
